"""A `View` as lines of text that fit a terminal. Pure: values in, lines without colour out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dockerdoctor.cli.plain import cut, wrap
from dockerdoctor.cli.plan import Plan
from dockerdoctor.cli.report import State
from dockerdoctor.cli.reporttext import MARKS, ago, state_of
from dockerdoctor.cli.topsort import Sort
from dockerdoctor.cli.topview import SLOWEST_START, VITALS, Grower, View, Vital, mark, ordered
from dockerdoctor.model import Attempt, Climb, GiveUp, Held, Incident, Severity, Value
from dockerdoctor.rules import threshold
from dockerdoctor.units import plain, plain_bytes, plain_seconds

Clock = Callable[[float], str]
FINDINGS, GROWERS = 3, 3
"""How many lines of each stay when there is little room; of growers more where there is."""
ROW = "{:<4} {:<19} {:>12} {:>9} {:>9}  {}"
GROWER = "{:<36} {:>10} {:>12}  {}"


def screen(
    view: View, clock: Clock, by: Sort, columns: int | None = None, rows: int | None = None
) -> list[str]:
    """The lines, the most important first; None: as wide, or as long, as they are."""
    report = view.report
    head = [
        f"{report.state.value.upper()}: {report.says}",
        f"     {clock(report.at)}, {_watchdog(view)}, {report.address}",
        "",
        *vitals(view),
        "",
    ]
    found = [
        f"{MARKS[each.state]:<4} {each.rule}{_since(each.since, clock)}: {each.says}"
        for each in report.findings
    ]
    climbs = [piece for line in ladder(view, clock) for piece in wrap(line, columns)[:2]]
    grows = growers(view, by)
    if rows is not None:
        room = rows - len(head) - len(climbs) - 1
        found = _at_most(found, max(FINDINGS, room - GROWERS - 1), "more findings: `dockerdoctor`")
        grows = grows[: max(0, room - len(found))]
    lines = [*head, *found, *climbs, *([""] if grows else []), *grows]
    return [cut(line, columns) for line in lines]


def vitals(view: View) -> list[str]:
    """A table of the five, each with its thresholds and what it was lately; and how much
    happens."""
    span = view.history.span_s()
    rounded = round(span / 60) * 60 if span > 60 else round(span)
    seen = f"LAST {plain_seconds(rounded)}" if rounded else ""
    lines = [ROW.format("", "VITAL", "NOW", "WARNING", "CRITICAL", seen).rstrip()]
    for vital in VITALS:
        state = mark(vital, view)
        warning, critical = (
            threshold(view.rules, vital.reading, each)
            for each in (Severity.WARNING, Severity.CRITICAL)
        )
        lines.append(
            ROW.format(
                MARKS[state or State.UNKNOWN],
                vital.name,
                _now(vital, view),
                _value(vital, warning, view),
                _value(vital, critical, view),
                _range(vital, view),
            ).rstrip()
        )
    return [*lines, _busy(view)]


def ladder(view: View, clock: Clock) -> list[str]:
    """What is held or climbed now, by the watchdog's own word where it runs; then its incidents,
    the rungs that are left, and the budget."""
    about = view.report.watchdog
    lines = [_held(about.held, clock) if about.held else _decision(view)]
    for incident in about.open:
        climbed = [each for each in incident.attempts if not each.skipped]
        done = ", ".join(_done(each, about.awake) for each in climbed)
        since = clock(incident.opened)
        lines.append(f"{state_of(incident)} since {since}: {incident.rule} ({incident.id})")
        lines.append(f"     climbed  {done or 'nothing yet'}{_why(incident)}")
    # One to be begun anew is for a person with `heal`, not what comes next.
    plan = next((each for each in view.plans if not each.anew), None)
    if plan and (left := _steps(plan)):
        lines.append(f"     ladder   {left}")
    if about.ended and not about.open:
        last = about.ended[0]
        lines.append(f"     last     {clock(last.opened)}: {last.why or last.says}")
    if not view.report.notes:
        lines.append(f"     budget   {_budget(view)}")
    return lines


def growers(view: View, by: Sort) -> list[str]:
    """What takes space and takes more, sorted."""
    lines = [GROWER.format("GROWS", "SIZE", "AN HOUR", "DISK FULL IN").rstrip()]
    lines += [_grower(each) for each in ordered(view.growers, by)]
    if view.unseen_logs:
        lines.append(f"logs were not seen: {view.unseen_logs}")
    return lines


def _watchdog(view: View) -> str:
    about = view.report.watchdog
    pid = about.running.partition(" ")[0]
    says = f"watchdog pid {pid}" if pid else "no watchdog"
    if pid and about.seen_at is not None:
        says += f" (wrote {ago(max(0.0, view.report.at - about.seen_at))})"
    if about.healing:
        says += f", heal by hand (pid {about.healing.partition(' ')[0]})"
    return says + (f", its record: {about.trouble}" if about.trouble else "")


def _since(since: float | None, clock: Clock) -> str:
    return f" (since {clock(since)})" if since else ""


def _now(vital: Vital, view: View) -> str:
    readings = view.report.readings
    if vital.reading == "ping.latency_s" and readings.get("ping.answered") is False:
        return "no answer"
    if vital.reading == SLOWEST_START and readings.get(vital.reading) == 0:
        return "none lately"
    return _value(vital, readings.get(vital.reading), view) if vital.reading in readings else "?"


def _value(vital: Vital, value: Value | None, view: View) -> str:
    if value is None:
        return "-"
    declared = view.declared.get(vital.reading)
    return plain(value, declared.unit if declared else "")


def _range(vital: Vital, view: View) -> str:
    found = view.history.range(vital.reading)
    if found is None:
        return ""
    least, most = (_value(vital, each, view) for each in found)
    return least if least == most else f"{least} to {most}"


def _busy(view: View) -> str:
    """Starts and the event rate."""
    readings, rate = view.report.readings, view.history.rate("events.events")
    says = [f"{rate:.1f} events/s" if rate is not None else "events/s not known yet"]
    starts = view.history.rate("events.starts")
    if starts is not None:
        says.append(f"{starts * 60:.1f} starts/min")
    if "events.starts" in readings:
        says.append(f"{plain(readings['events.starts'])} starts seen")
    if "containers.running" in readings:
        says.append(f"{plain(readings['containers.running'])} containers run")
    if "events.starts" not in readings:
        says = ["the event stream was not seen", *says[1:]]
    return f"     {', '.join(says)}"


def _held(held: Held, clock: Clock) -> str:
    return f"holds since {clock(held.since)}: {held.reason}: {held.why}"


def _decision(view: View) -> str:
    decision, about = view.decision, view.report.watchdog
    if about.awake and (climbing := [each for each in map(_under_way, about.open) if each]):
        took = max(0.0, view.report.at - climbing[0].began)
        return f"climbing: {climbing[0].rung}, for {took:.0f} s"
    if view.report.notes:  # another daemon than the configuration's
        return f"no ladder: {view.report.notes[0]}"
    if isinstance(decision, GiveUp):
        return f"GAVE UP: {decision.why}"
    if isinstance(decision, Climb):
        who = "if it lasts" if about.running else "no watchdog runs: `dockerdoctor heal`"
        return f"next: {decision.rung} ({who})"
    if decision.reason == "well":
        paused = f" (paused: {about.paused})" if about.paused else ""
        return f"holds: well, nothing to do{paused}"
    return f"holds: {decision.reason}: {decision.why}"


def _under_way(incident: Incident) -> Attempt | None:
    """The rung that is being climbed, if somebody is there to climb it."""
    last = incident.attempts[-1] if incident.attempts else None
    return last if last and last.ended is None and not last.skipped else None


def _budget(view: View) -> str:
    window = plain_seconds(view.window_s)
    return f"{view.climbs_left} of {view.max_climbs} costly climbs left in {window}"


def _done(attempt: Attempt, awake: bool) -> str:
    if attempt.ended is None:
        return f"{attempt.rung} ({'under way' if awake else 'cut short'})"
    cured = "cured, " if attempt.cured else ""
    return f"{attempt.rung} ({cured}{plain_seconds(max(0.0, attempt.ended - attempt.began))})"


def _why(incident: Incident) -> str:
    return f"; {incident.why}" if incident.why else ""


def _steps(plan: Plan) -> str:
    """The rungs that are left, and what they cost at worst; empty when none is."""
    left = " > ".join(step.rung for step in plan.steps if not step.passed_over)
    return f"{left}; costs {plan.costs} at worst" if left else ""


def _grower(each: Grower) -> str:
    hour = "?" if each.per_hour is None else f"{plain_bytes(each.per_hour)}/h"
    full = plain_seconds(round(each.full_in_s)) if each.full_in_s is not None else "-"
    return GROWER.format(cut(each.name, 36), plain_bytes(each.bytes), hour, full)


def _at_most(lines: Sequence[str], limit: int, more: str) -> list[str]:
    if len(lines) <= limit:
        return list(lines)
    return [*lines[: limit - 1], f"     and {len(lines) - limit + 1} {more}"]
