"""A `Diagnosis` as text for people: the verdict, the way through the tree, the causes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from dockerdoctor.cli.diagnosis import Cause, Diagnosis, Time
from dockerdoctor.cli.plain import fold
from dockerdoctor.cli.report import EXIT, State
from dockerdoctor.cli.reporttext import INDENT, MARKS, ago, evidence, vital_lines
from dockerdoctor.cli.symptoms import ABOUT, Grade, Symptom
from dockerdoctor.model import Reading, Readings
from dockerdoctor.units import plain, plain_seconds

Clock = Callable[[float], str]
IN_FULL = 4
"""Causes that are told with all they have; of the others what, and the next command."""
SAID = 160
"""Characters of one message."""
GRADES: Mapping[Grade, str] = {
    Grade.SEEN: "seen here and now",
    Grade.TOLD: "in its own words",
    Grade.FOLLOWS: "a symptom",
    Grade.AGAINST: "told, but mended since",
}


class Step(Struct, frozen=True):
    """One station of the walk. `says` may have several lines."""

    name: str
    state: State
    says: tuple[str, ...]


def text(
    told: Diagnosis, declared: Mapping[str, Reading], clock: Clock, columns: int | None = None
) -> str:
    """All of it; wrapped at `columns` unless that is None."""
    report = told.report
    lines = [
        f"{told.state.value.upper()}: {told.says}",
        f"{INDENT}{report.address}, {clock(report.at)}; nothing was changed, it took "
        f"{plain_seconds(told.took_s)}",
        "",
        "The way through the tree",
    ]
    for step in path(told):
        lines += _step(step)
    lines += ["", *_causes(told, declared, clock)]
    lines += [f"[!] wait: {why}" for why in told.holds]
    for each in told.unseen:
        lines.append(f"[?] {each.probe}: not seen: {each.detail}")
        lines += [f"{INDENT}remedy  {each.hint}"] if each.hint else []
    lines += [f"[?] {note}" for note in report.notes]
    return fold(lines, columns)


def path(told: Diagnosis) -> list[Step]:
    """The stations: the four that say where to look, then each branch where something is; those
    without anything in one."""
    steps = [] if told.symptom else _first_steps(told)
    quiet = []
    blind = {each.probe for each in told.unseen}
    for branch in told.looked:
        here = [each for each in told.causes if each.branch is branch]
        if here or branch is told.symptom:
            steps.append(_branch(branch, here))
        elif not told.symptom and branch.value not in blind:
            quiet.append(ABOUT[branch])
    if quiet:
        steps.append(Step("also looked at", State.OK, (f"{', '.join(quiet)}: nothing found",)))
    return steps


def _first_steps(told: Diagnosis) -> list[Step]:
    readings = told.report.readings
    lines = dict(vital_lines(readings))
    vitals = [lines[name] for name in ("ping", "process", "api") if name in lines]
    vitals += [f"containerd {lines['containerd']}"] if "containerd" in lines else []
    if readings.get("ping.answered") is False:
        vitals.insert(0, str(readings.get("ping.says") or "nobody answers the ping"))
    ill = [Symptom.HANG, Symptom.MEMORY, Symptom.SOCKET]
    ill += [Symptom.START] if readings.get("ping.answered") is False else []
    unit = lines.get("unit") or _unit_down(readings)
    return [
        _seen("unit", _state(told, Symptom.START), unit),
        _journal(told.journal),
        _seen("disk", _state(told, Symptom.DISK), _disk(readings, lines)),
        _seen(
            "vitals",
            _state(told, *ill),
            "; ".join(vitals),
        ),
    ]


def _seen(name: str, state: State, says: str) -> Step:
    """What could not be seen is neither well nor ill."""
    return Step(name, state if says else State.UNKNOWN, (says or "cannot be seen",))


def _journal(words: Sequence[str] | None) -> Step:
    if words is None:
        return _seen("journal", State.UNKNOWN, "")
    if not words:
        return Step("journal", State.OK, ("no serious word of late",))
    return Step("journal", State.WARNING, tuple(line[:SAID] for line in words))


def _unit_down(readings: Readings) -> str:
    state = readings.get("unit.active_state")
    if state is None:
        return ""
    job = readings.get("unit.job")
    return (
        f"{state}/{readings.get('unit.sub_state', '')}, Result={readings.get('unit.result', '')}"
        + (", start limit hit" if readings.get("unit.start_limit_hit") is True else "")
        + (f", job {job}" if job else "")
    )


def _disk(readings: Readings, lines: Mapping[str, str]) -> str:
    if "disk" not in lines:
        return ""
    run = readings.get("disk.run_used_ratio")
    return lines["disk"] + (f"; /run {plain(run, 'ratio')} full" if run is not None else "")


def _state(told: Diagnosis, *branches: Symptom) -> State:
    """The worst of these branches."""
    found = [each.state for each in told.causes if each.branch in branches]
    return max(found, key=lambda each: EXIT[each], default=State.OK)


def _branch(branch: Symptom, here: Sequence[Cause]) -> Step:
    worst = max((each.state for each in here), key=lambda each: EXIT[each], default=State.OK)
    says = tuple(each.says for each in here) or ("nothing found",)
    return Step(f"-> {ABOUT[branch]}", worst, says)


def _step(step: Step) -> list[str]:
    first, *more = step.says
    return [
        f"{MARKS[step.state]} {step.name}: {first}",
        *(f"{INDENT}{line}" for line in more),
    ]


def _causes(told: Diagnosis, declared: Mapping[str, Reading], clock: Clock) -> list[str]:
    if not told.causes:
        where = f" under {ABOUT[told.symptom]}" if told.symptom else ""
        more = "; the whole tree: `dockerdoctor diagnose`" if told.symptom else ""
        return [f"No cause was found{where}: {told.report.says}{more}"]
    lines = ["Causes, by their evidence"]
    for number, cause in enumerate(told.causes, 1):
        says = f"{number}. {cause.rule}: {cause.says} ({GRADES[cause.grade]})"
        lines.append(f"{MARKS[cause.state]} {says}")
        rows = _rows(cause, declared, told.report.at, clock)
        if number > IN_FULL:
            rows = [row for row in rows if row[0] in ("remedy", "next")]
        lines += [f"{INDENT}{name:<8}{value}" for name, value in rows if value]
    return lines


def _rows(
    cause: Cause, declared: Mapping[str, Reading], now: float, clock: Clock
) -> list[tuple[str, str]]:
    since = f"{clock(cause.since)} ({ago(now - cause.since)})" if cause.since else ""
    return [
        *(("seen", clue) for clue in cause.clues),
        ("seen", evidence(cause.evidence, declared)),
        ("since", since),
        ("remedy", cause.remedy),
        ("avoid", cause.avoid),
        ("time", "; ".join(map(_time, cause.times)) if cause.state is not State.OK else ""),
        ("next", cause.next),
    ]


def _time(time: Time) -> str:
    """ "restart: 2 min by hand, 12 s by dockerdoctor here (3 cures)"."""
    ours = ""
    if time.ours_s is not None:
        count = "1 cure" if time.cured == 1 else f"{time.cured} cures"
        ours = f"{plain_seconds(time.ours_s)} by dockerdoctor here ({count})"
    hand = f"{time.by_hand} by hand" if time.by_hand else ""
    both = ", ".join(each for each in (hand, ours) if each)
    return f"{time.remedy}: {both}" if time.remedy else both
