"""Samples in, verdict out: a pure fold over the rules, with the clock as an argument.

A rule must hold for its time *and* for its number of looks before it fires (one bad look never
does), and clears by its own conditions when it has any (hysteresis). A reading that was not seen
neither fires nor clears a rule: what is unknown changes nothing.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from dockerdoctor.model import (
    NOTHING,
    Finding,
    Health,
    Incident,
    Instant,
    Reading,
    Readings,
    Sample,
    Severity,
    Value,
    Verdict,
)
from dockerdoctor.units import plain

GOOD_LOOKS = 3
"""Looks in a row without a finding before anybody says that it is over."""

MUST_SEE = ("ping", "unit")
"""Probes without which nobody can say what is wrong, or whether an operator wants it so."""

OPERATORS: Mapping[str, Callable[[Value, Value], bool]] = MappingProxyType(
    {
        ">=": operator.ge,
        "<=": operator.le,
        "==": operator.eq,
        "!=": operator.ne,
        ">": operator.gt,
        "<": operator.lt,
    }
)

PLACEHOLDER = re.compile(r"\{([a-z_0-9.]+)\}")


@dataclass(frozen=True, slots=True)
class Condition:
    """`reading op value`, as in `process.rss_bytes >= 4GiB`."""

    reading: str
    op: str
    value: Value

    def holds(self, readings: Readings) -> bool | None:
        """Whether it holds; None when the reading was not seen or is of another kind."""
        seen = readings.get(self.reading)
        if seen is None or isinstance(seen, str) != isinstance(self.value, str):
            return None
        return OPERATORS[self.op](seen, self.value)


@dataclass(frozen=True, slots=True)
class Rule:
    """What must be seen, for how long, how bad that is, and which ladder it calls for.

    All conditions of `when` must hold for `for_s` seconds and `looks` looks. It clears when `when`
    no longer holds or, if there are conditions in `clear`, when all of those hold, for
    `clear_for_s` seconds. An empty ladder means: tell people, do nothing."""

    name: str
    says: str
    when: tuple[Condition, ...]
    severity: Severity
    for_s: float = 0.0
    looks: int = 1
    clear: tuple[Condition, ...] = ()
    clear_for_s: float = 0.0
    ladder: tuple[str, ...] = ()
    remedy: str = ""
    avoid: str = ""
    """The wrong remedy that this rule keeps people from."""

    @property
    def probes(self) -> frozenset[str]:
        """Whose readings it asks about, or tells."""
        told = (name.partition(".")[0] for name in PLACEHOLDER.findall(self.says))
        return _probes((*self.when, *self.clear)).union(told)


@dataclass(frozen=True, slots=True)
class Watched:
    """What is remembered of one rule between two looks."""

    since: Instant | None = None
    newest: Instant | None = None
    looks: int = 0
    """Samples in a row that showed it; the same sample seen twice counts once."""
    firing: bool = False
    clearing: Instant | None = None
    evidence: Readings = field(default_factory=lambda: NOTHING)
    good: int = 0
    """Looks in a row that show it to be over, each with samples of its own: one answer from before
    the daemon went down is seen at several looks and is good once."""
    good_at: float = -math.inf
    """When the newest sample of the last good look was taken, monotonic, s."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with what the next one needs to know."""

    verdict: Verdict
    readings: Readings = field(default_factory=lambda: NOTHING)
    watched: Mapping[str, Watched] = field(default_factory=dict)


def remembered(incidents: Iterable[Incident], now: Instant) -> Judgement | None:
    """What a watchdog before this one had found still holds until it is seen to be over."""
    watched = {
        each.rule: Watched(
            since=Instant(each.opened, now.mono - max(0.0, now.wall - each.opened)), firing=True
        )
        for each in incidents
    }
    return Judgement(Verdict(now, Health.BLIND), {}, watched) if watched else None


def ails(verdict: Verdict) -> bool:
    """Whether something critical calls for an act, or nobody can see. A message of an hour ago, or
    a port that is held, is no reason to forget who runs."""
    return verdict.health is Health.BLIND or any(
        finding.ladder and finding.severity is Severity.CRITICAL for finding in verdict.findings
    )


def flatten(samples: Mapping[str, Sample]) -> Readings:
    """All readings of the last samples by full name."""
    return {
        f"{sample.probe}.{name}": value
        for sample in samples.values()
        for name, value in sample.readings.items()
    }


def threshold(rules: Sequence[Rule], reading: str, severity: Severity) -> Value | None:
    """The value from which a rule of this severity speaks of this reading alone."""
    for rule in rules:
        if rule.severity is severity and len(rule.when) == 1 and rule.when[0].reading == reading:
            return rule.when[0].value
    return None


def judge(
    rules: Sequence[Rule],
    samples: Mapping[str, Sample],
    before: Judgement | None,
    now: Instant,
    readings: Mapping[str, Reading] = MappingProxyType({}),
) -> Judgement:
    """One look's samples (the last of each probe) on top of the judgement before them."""
    seen = flatten(samples)
    remembered = before.watched if before else {}
    watched = {
        rule.name: _follow(rule, seen, samples, remembered.get(rule.name, Watched()), now)
        for rule in rules
    }
    findings = sorted(
        (
            _finding(rule, watched[rule.name], readings)
            for rule in rules
            if watched[rule.name].firing
        ),
        key=lambda finding: (-finding.severity, not finding.ladder),
    )
    unseen = tuple(
        f"{sample.probe}: {sample.detail or sample.fault}"
        for sample in samples.values()
        if sample.fault
    )
    blind = any(name not in samples or samples[name].fault for name in MUST_SEE)
    health = Health.BLIND if blind else Health.SICK if findings else Health.WELL
    return Judgement(Verdict(now, health, tuple(findings), unseen), seen, watched)


def _follow(
    rule: Rule,
    seen: Readings,
    samples: Mapping[str, Sample],
    state: Watched,
    now: Instant,
) -> Watched:
    """One rule's state after one more look."""
    holds = _all(rule.when, seen)
    if holds is False and state.since is None and state.good >= GOOD_LOOKS:
        return state  # nothing new of a rule that has long been quiet, as most are
    if state.firing:
        after = _clear(rule, seen, state, now, holds)
    else:
        after = _pend(rule, seen, samples, state, now) if holds else Watched()
    good, good_at = _good(rule, seen, samples, state, bool(holds) or after.firing)
    return replace(after, good=good, good_at=good_at)


def _pend(
    rule: Rule, seen: Readings, samples: Mapping[str, Sample], state: Watched, now: Instant
) -> Watched:
    """A rule whose conditions hold: one more look and, in the end, it fires."""
    at = [samples[probe].at for probe in _probes(rule.when)]
    newest = max(at, key=lambda each: each.mono)
    since = state.since or newest
    looks = state.looks + (newest != state.newest)
    firing = looks >= rule.looks and now.mono - since.mono >= rule.for_s
    return Watched(since, newest, looks, firing, None, _evidence(rule, seen))


def _clear(rule: Rule, seen: Readings, state: Watched, now: Instant, holds: bool | None) -> Watched:
    """A firing rule stays, keeps its evidence fresh, or begins to clear and is gone in the end."""
    if not _over(rule, seen):
        evidence = _evidence(rule, seen) if holds else state.evidence
        return replace(state, clearing=None, evidence=evidence)
    clearing = state.clearing or now
    if now.mono - clearing.mono >= rule.clear_for_s:
        return Watched()
    return replace(state, clearing=clearing)


def _over(rule: Rule, seen: Readings) -> bool:
    """Whether this look shows that it is over; what was not seen shows nothing."""
    return _all(rule.clear, seen) is True if rule.clear else _all(rule.when, seen) is False


def _good(
    rule: Rule, seen: Readings, samples: Mapping[str, Sample], state: Watched, sick: bool
) -> tuple[int, float]:
    """Good looks in a row, and the time of the newest sample that was counted."""
    if sick or not _over(rule, seen):
        return 0, state.good_at
    at = [samples[each].at.mono for each in _probes(rule.clear or rule.when) if each in samples]
    if min(at) <= state.good_at:
        return state.good, state.good_at
    return state.good + 1, max(at)


def _probes(conditions: Sequence[Condition]) -> frozenset[str]:
    return frozenset(condition.reading.partition(".")[0] for condition in conditions)


def _all(conditions: Sequence[Condition], seen: Readings) -> bool | None:
    """Three-valued `all`: one that fails decides, then one that is unknown."""
    results = [condition.holds(seen) for condition in conditions]
    if False in results:
        return False
    return None if None in results else True


def _evidence(rule: Rule, seen: Readings) -> Readings:
    named = [condition.reading for condition in rule.when] + PLACEHOLDER.findall(rule.says)
    return {name: seen[name] for name in named if name in seen}


def _finding(rule: Rule, state: Watched, readings: Mapping[str, Reading]) -> Finding:
    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in state.evidence:
            return "(not seen)"
        return plain(state.evidence[name], readings[name].unit if name in readings else "")

    return Finding(
        rule=rule.name,
        says=PLACEHOLDER.sub(value, rule.says),
        severity=rule.severity,
        since=state.since or Instant(0.0, 0.0),
        evidence=state.evidence,
        ladder=rule.ladder,
    )
