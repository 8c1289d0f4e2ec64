"""A `Plan` as text for people and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dockerdoctor.cli.plain import fold
from dockerdoctor.cli.plan import Fate, Plan, Step, names_by_fate
from dockerdoctor.cli.reportjson import IMPACTS
from dockerdoctor.cli.reporttext import evidence
from dockerdoctor.ladder import COSTS
from dockerdoctor.model import Impact, Reading
from dockerdoctor.units import plain_seconds

if TYPE_CHECKING:
    from dockerdoctor.cli.shapes import PlanJson

NAMES_SHOWN = 12
"""Containers by name, of one fate; of more only the number."""


def plan_text(
    plan: Plan, declared: Mapping[str, Reading], kept_in: str, columns: int | None
) -> str:
    """The ladder, what it costs here, and where the evidence goes."""
    finding = plan.finding
    lines = [
        f"{finding.severity.name}: {finding.says}",
        f"    seen    {evidence(finding.evidence, declared)}",
        "",
        "The ladder, from gentle to hard; it ends with the first rung that cures:",
    ]
    number = 0
    for step in plan.steps:
        number += not step.passed_over
        lines += _step(step, number)
    lines += ["", *_cost(plan), f"Evidence is kept in {kept_in}."]
    if plan.hold:
        lines.append(f"Now nothing is done at all: {plan.hold.why}")
    return fold(lines, columns)


def plan_json(plan: Plan) -> PlanJson:
    """The same for programs."""
    return {
        "rule": plan.finding.rule,
        "says": plan.finding.says,
        "steps": [
            {
                "rung": step.rung,
                "help": step.help,
                "impact": IMPACTS[step.impact],
                "at_most_s": step.settle_s,
                "by_hand": step.by_hand,
                "only": list(step.whom),
                "passed_over": step.passed_over,
            }
            for step in plan.steps
        ],
        "live_restore": plan.live_restore,
        "swarm": plan.swarm,
        "reload": plan.reload,
        "bring_back": plan.bring_back,
        "containers": [{"name": name, "fate": fate.value} for name, fate in plan.fates],
        "hold": plan.hold.why if plan.hold else None,
    }


def _step(step: Step, number: int) -> list[str]:
    if step.passed_over:
        return [f"    -  {step.rung}: passed over: {step.passed_over}"]
    time = f", at most {plain_seconds(step.settle_s)}" if step.settle_s else ""
    by_hand = f" (by hand: {step.by_hand})" if step.by_hand else ""
    return [
        f"    {number}. {step.rung}: costs {step.costs}{time}{by_hand}",
        f"       {step.help}",
    ]


def _cost(plan: Plan) -> list[str]:
    """What stops, by name, and what comes back."""
    if plan.worst < Impact.DAEMON:
        return ["Nothing is stopped."]
    count = "1 container" if len(plan.fates) == 1 else f"{len(plan.fates)} containers"
    if plan.worst < Impact.CONTAINERS and plan.costs != COSTS[plan.worst]:
        return ["Nothing is stopped or interrupted."]
    if plan.worst < Impact.CONTAINERS:
        return [f"The daemon is interrupted, its containers go on ({count} known to run)."]
    if not plan.fates:
        return ["No container is known to run: nobody asked before the daemon hung, or none does."]
    why = _SWARM if plan.swarm else _LIVE_RESTORE[plan.live_restore]
    if plan.others_go_on:
        why = "all others go on"
    lines = [f"What stops at worst: {count} ({why})"]
    for fate, names in names_by_fate(plan).items():
        shown = ", ".join(names[:NAMES_SHOWN])
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        lines.append(f"    {_FATES[fate]}: {shown}{more}")
    if plan.bring_back:
        lines.append("    what ran and is not back after the cure is started by dockerdoctor")
    return lines if plan.others_go_on else lines + _live_restore_first(plan)


def _live_restore_first(plan: Plan) -> list[str]:
    """How they would be spared, and what may go wrong with that."""
    if not plan.reload:
        return []
    return [
        "To spare them, switch live-restore on first: the daemon still takes signals, and needs",
        "no restart for it.",
        '    1. add "live-restore": true to /etc/docker/daemon.json, and change nothing else',
        "    2. dockerd --validate --config-file=/etc/docker/daemon.json (from 23.0 on)",
        f"    3. {plan.reload}",
        '    4. its log must say `Reloaded configuration` with "live-restore":true; a daemon that',
        "       hangs may never get so far, and then they stop as above",
        "    A wrong authorization-plugins in that file ends the daemon at step 3. While a daemon",
        "    is down, containers that print much wait for it: keep that short.",
    ]


_SWARM = "a swarm node: live-restore is refused there, each restart restarts its containers"
_LIVE_RESTORE = {
    True: "live-restore was on when it was last seen: then they go on",
    False: "live-restore is off",
    None: "whether live-restore is on is not known",
}
_FATES = {
    Fate.COMES_BACK: "come back by themselves",
    Fate.MAY: "come back if they fail when stopped (on-failure)",
    Fate.STAYS_DOWN: "do not come back by themselves (no restart policy)",
    Fate.REPLACED: "another one is begun by who made them (swarm, ...)",
    Fate.NOT_KNOWN: "policy not known",
}
