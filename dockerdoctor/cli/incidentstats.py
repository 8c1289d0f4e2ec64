"""What all incidents on record amount to: how often, how long, what cured, time saved. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Literal

import msgspec

from dockerdoctor.cli.plain import SCHEMA_VERSION, fold, pretty
from dockerdoctor.cli.table import table
from dockerdoctor.cli.terminal import iso
from dockerdoctor.declare import Rung
from dockerdoctor.model import Incident, Outcome
from dockerdoctor.recover import BRING_BACK
from dockerdoctor.units import plain_seconds

USUAL_S = 120.0
"""What a person takes for a rung of which nobody says how long: as for a restart."""


class RuleStats(msgspec.Struct, frozen=True):
    """The incidents of one rule; durations in s, of those that are over."""

    rule: str
    incidents: int
    cured: int
    passed: int
    gave_up: int
    median_s: float | None
    longest_s: float | None


class RungStats(msgspec.Struct, frozen=True):
    """What one rung did: how often climbed, how often it cured, how long a cure took (s)."""

    rung: str
    climbed: int
    cured: int
    passed_over: int
    median_s: float | None


class Stats(msgspec.Struct, frozen=True):
    """All of it. `saved_s` is the time by hand less the time taken, over the cured incidents."""

    schema_version: Literal[1]
    since: str | None
    incidents: int
    open: int
    per_week: float
    down_s: float
    saved_s: float
    rules: list[RuleStats]
    rungs: list[RungStats]


def stats(incidents: Sequence[Incident], rungs: Mapping[str, Rung], now: float) -> Stats:
    """Over these incidents (`now`: wall clock, s); `rungs` tell how long each takes by hand."""
    first = min((each.opened for each in incidents), default=None)
    weeks = max(1.0, (now - first) / (7 * 86400)) if first is not None else 1.0
    rules = Counter(each.rule for each in incidents)
    attempts = [each for incident in incidents for each in incident.attempts]
    climbed = Counter(each.rung for each in attempts)
    return Stats(
        SCHEMA_VERSION,
        iso(first) if first is not None else None,
        len(incidents),
        sum(each.closed is None for each in incidents),
        round(len(incidents) / weeks, 2),
        round(sum(lasted(each, now) for each in incidents), 1),
        round(sum(saved(each, rungs) for each in incidents), 1),
        [_rule(name, incidents) for name, _ in rules.most_common()],
        [_rung(name, incidents) for name, _ in climbed.most_common() if name != BRING_BACK],
    )


def lasted(incident: Incident, now: float) -> float:
    """From its first finding to its end, or to now (s)."""
    return max(0.0, (incident.closed or now) - incident.opened)


def saved(incident: Incident, rungs: Mapping[str, Rung]) -> float:
    """How much sooner than by hand a cured incident was over (s); nothing where it was not."""
    cures = [each.rung for each in incident.attempts if each.cured and each.rung != BRING_BACK]
    if incident.outcome is not Outcome.CURED or incident.closed is None or not cures:
        return 0.0
    by_hand_s = rungs[cures[-1]].by_hand_s if cures[-1] in rungs else 0.0
    return max(0.0, (by_hand_s or USUAL_S) - lasted(incident, incident.closed))


def stats_json(found: Stats) -> bytes:
    """For programs."""
    return pretty(found)


def stats_text(
    found: Stats, clock: Callable[[float], str], first: float, columns: int | None
) -> str:
    """For people: the sum in the first line, then by rule and by rung."""
    number = "1 incident" if found.incidents == 1 else f"{found.incidents} incidents"
    still = f", {found.open} of them open" if found.open else ""
    head = [
        f"{number} since {clock(first)}{still}: {found.per_week:g} a week, "
        f"{plain_seconds(round(found.down_s))} in all",
        f"saved about {plain_seconds(round(found.saved_s))} against healing by hand "
        "(restart 2 min, kill 5, by hand 10, reboot 15)",
        "",
    ]
    lines = [
        fold(head, columns),
        table(
            ("RULE", "OFTEN", "CURED", "PASSED", "GAVE UP", "MEDIAN", "LONGEST"),
            [_row_of_rule(each) for each in found.rules],
            columns,
        ),
    ]
    if found.rungs:
        rows = [_row_of_rung(each) for each in found.rungs]
        lines += ["", table(("RUNG", "CLIMBED", "CURED", "PASSED OVER", "TOOK"), rows, columns)]
    return "\n".join(lines)


def _row_of_rule(of: RuleStats) -> list[str]:
    counts = map(str, (of.incidents, of.cured, of.passed, of.gave_up))
    return [of.rule, *counts, _span(of.median_s), _span(of.longest_s)]


def _row_of_rung(of: RungStats) -> list[str]:
    return [of.rung, *map(str, (of.climbed, of.cured, of.passed_over)), _span(of.median_s)]


def _rule(name: str, incidents: Sequence[Incident]) -> RuleStats:
    mine = [each for each in incidents if each.rule == name]
    over = [lasted(each, each.closed) for each in mine if each.closed is not None]
    outcomes = Counter(each.outcome for each in mine)
    return RuleStats(
        name,
        len(mine),
        outcomes[Outcome.CURED],
        outcomes[Outcome.PASSED],
        outcomes[Outcome.GAVE_UP],
        round(median(over), 1) if over else None,
        round(max(over), 1) if over else None,
    )


def _rung(name: str, incidents: Sequence[Incident]) -> RungStats:
    mine = [each for incident in incidents for each in incident.attempts if each.rung == name]
    took = [max(0.0, each.ended - each.began) for each in mine if each.cured and each.ended]
    return RungStats(
        name,
        sum(not each.skipped for each in mine),
        sum(each.cured is True for each in mine),
        sum(each.skipped for each in mine),
        round(median(took), 1) if took else None,
    )


def _span(seconds: float | None) -> str:
    return "-" if seconds is None else plain_seconds(seconds)
