"""A plan to make room, as text for people and as JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockerdoctor.allowed import SAFE, Allowed, Step
from dockerdoctor.cli.plain import fold
from dockerdoctor.cli.terminal import iso
from dockerdoctor.host.nouns import DiskUse
from dockerdoctor.host.storage.facts import Kind, Usage
from dockerdoctor.reclaim import Plan, Room, fullness
from dockerdoctor.units import plain_bytes, plain_ratio, plain_seconds

if TYPE_CHECKING:
    from dockerdoctor.cli.shapes import ReclaimPlanJson, UsageJson

SHOWN = 25
"""Steps that are shown; of more only the sum."""


def plan_text(
    plan: Plan, room: Room, use: DiskUse, allowed: Allowed, now: float, columns: int | None
) -> str:
    """What would be removed, in order, and what is left alone."""
    lines = [
        f"The disk of {room.name} is {plain_ratio(use.used_ratio)} full, inodes "
        f"{plain_ratio(use.inodes_used_ratio)}; room is made from "
        f"{plain_ratio(allowed.start_ratio)} on, down to {plain_ratio(allowed.stop_ratio)}."
    ]
    if not (plan.need.bytes or plan.need.inodes):
        lines.append(f"There is nothing to do. To make room anyway: --to {_less(use)}")
        return fold(lines, columns)
    lines += [f"To be freed: {_amount(plan.need)}.", ""]
    lines += [_line(number, step, now) for number, step in enumerate(plan.steps[:SHOWN], 1)]
    if len(plan.steps) > SHOWN:
        rest = sum(step.frees.bytes for step in plan.steps[SHOWN:])
        lines.append(f"  ... and {len(plan.steps) - SHOWN} more, {plain_bytes(rest)}")
    if not plan.steps:
        lines.append("Nothing that may go was found.")
    lines += ["", *_ends(plan, allowed)]
    return fold(lines, columns)


def plan_json(plan: Plan, room: Room) -> ReclaimPlanJson:
    """The same for programs; sizes in bytes, times in UTC."""
    return {
        "place": str(room.path),
        "full": plan.full,
        "need": _usage(plan.need),
        "frees": _usage(plan.frees),
        "short": _usage(plan.short),
        "steps": [
            {
                "kind": step.what.kind.value,
                "id": step.what.ident,
                "name": step.name,
                "tags": [] if step.what.kind is Kind.CONTAINER else list(step.what.tags),
                "frees": _usage(step.frees),
                "used": iso(step.used) if step.used else None,
                "back": step.back,
                "safe": SAFE[step.what.kind],
            }
            for step in plan.steps
        ],
        "spared": [{"why": why, "count": count} for why, count in plan.spared],
    }


def _line(number: int, step: Step, now: float) -> str:
    size = plain_bytes(step.frees.bytes)
    lost = step.what.kind in (Kind.ORPHAN, Kind.TMP)
    last, ago = ("unchanged for", "") if lost else ("last used", " ago")
    used = f", {last} {plain_seconds(max(0.0, now - step.used))}{ago}" if step.used else ""
    return f"{number:>4}. {size:>9}  {step.what.kind} {step.name}{used}: {step.back}"


def _less(use: DiskUse) -> str:
    """A share that is below what is used now."""
    full = fullness(use)
    return next((f"{share}%" for share in (50, 20, 5) if share / 100 < full), "1%")


def _ends(plan: Plan, allowed: Allowed) -> list[str]:
    kinds = dict.fromkeys(step.what.kind for step in plan.steps)
    grace = plain_seconds(allowed.grace_s)
    head = f"Safe, because (the grace time is {grace}; all is asked again for each when it goes):"
    lines = [head] if kinds else []
    lines += [f"    {kind}: {SAFE[kind]}" for kind in kinds]
    lines += [f"In all at most {_amount(plan.frees)}; it ends as soon as that is enough."]
    if plan.short.inodes and not plan.short.bytes and _some_untold(plan):
        lines.append("[!] How many inodes the image store gives back is not known beforehand.")
    elif plan.short.bytes or plan.short.inodes:
        lines.append(f"[!] Not enough: {_amount(plan.short)} more must go by other means.")
        hints = [
            *([] if allowed.cut_logs else ["--logs (cut logs that nobody rotates)"]),
            *([] if allowed.orphans else ["--orphans (old layers and files that nothing knows)"]),
            *([] if allowed.anonymous_volumes else ["--volumes (anonymous ones of no container)"]),
        ]
        lines += [f"    May go too if you say so: {', '.join(hints)}."] if hints else []
        lines.append("    What eats the rest: `dockerdoctor disk`.")
    if plan.spared:
        told = "; ".join(f"{count} × {why}" for why, count in plan.spared)
        lines.append(f"Left alone: {told}. Named volumes are never touched.")
    return lines


def _some_untold(plan: Plan) -> bool:
    """Whether something has bytes, and inodes that the daemon does not tell."""
    return any(step.frees.bytes and not step.frees.inodes for step in plan.steps)


def _amount(usage: Usage) -> str:
    words: list[str] = []
    if usage.bytes or not usage.inodes:
        words.append(plain_bytes(usage.bytes))
    if usage.inodes:
        words.append(f"{usage.inodes:,} inode{'s' * (usage.inodes != 1)}")
    return " and ".join(words)


def _usage(usage: Usage) -> UsageJson:
    return {"bytes": usage.bytes, "inodes": usage.inodes}
