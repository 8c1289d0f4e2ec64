"""An explained goroutine dump as text and as JSON. Pure: values in, text out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dockerdoctor.cli.plain import SCHEMA_VERSION, cut, pretty
from dockerdoctor.stackjams import Explanation, Jam, held, issue, short, works_at
from dockerdoctor.stacks import Stack

if TYPE_CHECKING:
    from dockerdoctor.cli.shapes import ExplanationJson, FrameJson, JamJson, StackJson

LABEL = 8


def explanation_text(found: Explanation, name: str, stacks: int, columns: int | None) -> str:
    """The verdict in the first line, then why, what to do, and the largest stacks."""
    dump, sign = found.dump, found.sign
    known = dump.program in ("dockerd", "containerd", "containerd-shim")
    head = f"[x] {sign.name}: {sign.says}" if sign else _no_sign(found, known)
    lines = _wrapped(head, columns, 4)
    about = f"{name}: {dump.program or 'a Go program'}, {dump.goroutines:,} goroutines"
    rows = [("dump", about + (", cut short: its end is missing" if dump.cut else ""))]
    rows += [("before", dump.first_words)] if dump.first_words else []
    rows += [row for jam in found.jams[:4] for row in _jam(jam)]
    if sign:
        numbers = ", ".join(map(issue, sign.issues))
        rows += [("like", numbers), ("remedy", sign.remedy), ("avoid", sign.avoid)]
    lines += [line for label, value in rows if value for line in _row(label, value, columns)]
    if stacks and dump.stacks:
        lines += ["", "goroutines by what they are at, the most first:"]
        lines += [_stack(stack, columns) for stack in dump.stacks[:stacks]]
        left = len(dump.stacks) - stacks
        lines += [f"      and {left} more (--stacks N)"] if left > 0 else []
    return "\n".join(lines)


def explanation_json(found: Explanation, stacks: int) -> bytes:
    """The same for programs; stacks with their frames."""
    dump = found.dump
    told: ExplanationJson = {
        "schema_version": SCHEMA_VERSION,
        "says": found.says,
        "program": dump.program,
        "goroutines": dump.goroutines,
        "cut": dump.cut,
        "states": dict(dump.states),
        "before": dump.first_words,
        "sign": found.sign,
        "jams": [_jam_json(jam) for jam in found.jams],
        "stacks": [_stack_json(stack) for stack in dump.stacks[:stacks]],
    }
    return pretty(told)


def _no_sign(found: Explanation, known: bool) -> str:
    if found.jams:
        return "[!] something waits for too long, in a way that is not known here"
    if known:
        return "[ok] nothing in it has waited for a minute"
    program = found.dump.program
    return (
        "[?] this is another Go program"
        + (f" ({program})" if program else "")
        + (", no dockerd and no containerd")
    )


def _jam(jam: Jam) -> Iterator[tuple[str, str]]:
    where = ", ".join(
        short(function) + (f" ({count})" if len(jam.places) > 1 else "")
        for function, count in jam.places
    )
    long = f" for {jam.minutes} min" if jam.minutes else ""
    lock = f" {jam.address:#x}" if jam.address else ""
    yield "waits", f"{jam.waiters:,} for {jam.waits}{lock}{long}: {where}"
    if jam.holder:
        long = f" ({jam.holder.minutes} min)" if jam.holder.minutes else ""
        yield "holder", f"most likely {held(jam.holder)}{long}"


def _row(label: str, value: str, columns: int | None) -> list[str]:
    return _wrapped(f"    {label:<{LABEL}}{value}", columns, 4 + LABEL)


def _wrapped(text: str, columns: int | None, hang: int) -> list[str]:
    if columns is None:
        return [text]
    return textwrap.wrap(
        text, columns, subsequent_indent=" " * hang, break_on_hyphens=False, drop_whitespace=True
    )


def _stack(stack: Stack, columns: int | None) -> str:
    """One line: how many, in which state, how long, and the innermost functions that tell."""
    long = f", {stack.minutes} min" if stack.minutes else ""
    at = short(works_at(stack))
    return cut(f"{stack.count:>7,}  {stack.state + long:<24}  {at}", columns)


def _jam_json(jam: Jam) -> JamJson:
    return {
        "waits_for": jam.waits,
        "waiters": jam.waiters,
        "minutes": jam.minutes,
        "places": [{"function": function, "count": count} for function, count in jam.places],
        "lock": f"{jam.address:#x}" if jam.address else None,
        "holder": jam.holder,
        "sign": jam.sign.name if jam.sign else None,
    }


def _stack_json(stack: Stack) -> StackJson:
    frames: list[FrameJson] = [
        {"function": function, "place": place}
        for function, place in zip(stack.functions, stack.places, strict=False)
    ]
    return {
        "count": stack.count,
        "state": stack.state,
        "minutes": stack.minutes,
        "goroutines": [each.number for each in stack.kept],
        "created_by": stack.created_by,
        "frames": frames,
    }
