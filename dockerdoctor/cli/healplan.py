"""The plans of `heal` for what one look has found, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dockerdoctor.around import Knowledge
from dockerdoctor.cli import terminal
from dockerdoctor.cli.examine import examine, with_watchdogs
from dockerdoctor.cli.history import last_known, watchdog
from dockerdoctor.cli.plain import SCHEMA_VERSION, fold, pretty
from dockerdoctor.cli.plan import Plan, plan
from dockerdoctor.cli.plantext import plan_json, plan_text
from dockerdoctor.cli.report import Looked, State
from dockerdoctor.cli.reporttext import text
from dockerdoctor.config import Config
from dockerdoctor.declare import Scene
from dockerdoctor.glance import at_once
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.view import HostView
from dockerdoctor.judge import judge

if TYPE_CHECKING:
    from dockerdoctor.cli.shapes import HealPlanJson


def plans_for(looked: Looked, known: Knowledge, config: Config, view: HostView) -> list[Plan]:
    """One for each finding that has a ladder, worst first. `view` shows what the next start of the
    daemon would find."""
    about = watchdog(config, looked.now)
    samples = with_watchdogs(looked, about)
    judgement = judge(at_once(known.rules), samples, None, looked.now, looked.declared)
    then = last_known(config, looked.now)
    running = _with_policies(looked.running, then.running) or then.running
    readings = {**then.facts, **judgement.readings}
    scene = Scene(readings, config.policy, running, then.climbed_lately, config.disk)
    findings = [each for each in judgement.verdict.findings if each.ladder]
    refused = ""
    if any(known.rungs[name].restarts for each in findings for name in each.ladder):
        from dockerdoctor.checks.configuration import next_start  # seldom needed, slow to load

        start = next_start(view)
        scene, refused = start.foreseen(scene), start.refused
    return [
        plan(each, scene, known.rungs, about.incident_of(each.rule), refused) for each in findings
    ]


def _with_policies(
    running: Sequence[Container], before: Sequence[Container]
) -> tuple[Container, ...]:
    """Who hangs tells nothing of itself now; the watchdog has asked before."""
    known = {each.id: each for each in before}
    return tuple(each if each.inspected else known.get(each.id, each) for each in running)


def left_open(looked: Looked, config: Config) -> bool:
    """Whether the daemon is well, and an incident on record waits for somebody to see that."""
    about = watchdog(config, looked.now)
    return bool(about.open) and examine(looked, about).state is State.OK


def plans_text(plans: list[Plan], looked: Looked, config: Config, columns: int | None) -> str:
    evidence = str(config.watch.evidence)
    return "\n\n".join(plan_text(each, looked.declared, evidence, columns) for each in plans)


def show(looked: Looked, plans: list[Plan], config: Config, json: bool) -> int:
    """The plans, or why there is none. 0 when well or planned, 1 when no rung helps."""
    found = examine(looked, watchdog(config, looked.now))
    if json:
        told: HealPlanJson = {
            "schema_version": SCHEMA_VERSION,
            "state": found.state,
            "says": found.says,
            "plans": [plan_json(each) for each in plans],
        }
        terminal.emit_raw(pretty(told))
    elif plans:
        terminal.emit(plans_text(plans, looked, config, terminal.width()))
    elif found.state is State.OK:
        terminal.emit(fold([f"OK: nothing to heal: {found.says}"], terminal.width()))
    else:
        clock = terminal.clock_of(found.at)
        terminal.emit(text(found, looked.declared, clock, terminal.width()))
        terminal.say("no rung of a ladder helps here: do what is written above")
    return 0 if plans or found.state is State.OK else 1
