"""Samples in, verdict out: a pure fold over the rules, with the clock as an argument.

A rule must hold for its time *and* for its number of looks before it fires (one bad look never
does), and clears by its own conditions when it has any (hysteresis). A reading that was not seen
neither fires nor clears a rule: what is unknown changes nothing.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct, field
from msgspec.structs import force_setattr, replace

from dockerdoctor.model import (
    NOTHING,
    Finding,
    Health,
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

CERTAIN_LOOKS = 2
"""Looks that are enough of what is certain: never one alone."""

PLACEHOLDER = re.compile(r"\{([a-z_0-9.]+)\}")


class Condition(Struct, frozen=True):
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


class Rule(Struct, frozen=True):
    """What must be seen, for how long, how bad that is, and which ladder it calls for.

    All conditions of `when` must hold for `for_s` seconds and `looks` looks. It clears when `when`
    no longer holds or, if there are conditions in `clear`, when all of those hold, for
    `clear_for_s` seconds. Where those of `certain` hold too, two looks are enough. An empty ladder
    means: tell people, do nothing."""

    name: str
    says: str
    when: tuple[Condition, ...]
    severity: Severity
    for_s: float = 0.0
    looks: int = 1
    certain: tuple[Condition, ...] = ()
    clear: tuple[Condition, ...] = ()
    clear_for_s: float = 0.0
    ladder: tuple[str, ...] = ()
    remedy: str = ""
    avoid: str = ""
    """The wrong remedy that this rule keeps people from."""
    judged_by: frozenset[str] = frozenset()
    """Made of the conditions: the probes whose samples can make a quiet rule hold, or show that it
    is over."""

    def __post_init__(self) -> None:
        force_setattr(self, "judged_by", probes_of((*self.when, *self.clear)))

    @property
    def probes(self) -> frozenset[str]:
        """Whose readings it asks about, or tells."""
        told = (name.partition(".")[0] for name in PLACEHOLDER.findall(self.says))
        return probes_of((*self.when, *self.certain, *self.clear)).union(told)


class Watched(Struct, frozen=True):
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

    @property
    def quiet(self) -> bool:
        """Neither does it fire nor is it about to: time alone changes nothing."""
        return self.since is None and not self.firing


class Judgement(Struct, frozen=True):
    """A verdict with what the next one needs to know."""

    verdict: Verdict
    readings: Readings = field(default_factory=lambda: NOTHING)
    watched: Mapping[str, Watched] = field(default_factory=dict)
    samples: Mapping[str, Sample] = field(default_factory=dict)
    """What was judged last: a quiet rule is judged again by newer ones only."""


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


def judge(
    rules: Sequence[Rule],
    samples: Mapping[str, Sample],
    before: Judgement | None,
    now: Instant,
    readings: Mapping[str, Reading] = MappingProxyType({}),
) -> Judgement:
    """One look's samples (the last of each probe) on top of the judgement before them."""
    seen = flatten(samples)
    remembered, judged = (before.watched, before.samples) if before else ({}, {})
    fresh = {probe for probe, sample in samples.items() if judged.get(probe) is not sample}
    watched: dict[str, Watched] = {}
    for rule in rules:
        state = remembered.get(rule.name)
        if state is None or not state.quiet or not rule.judged_by.isdisjoint(fresh):
            state = _follow(rule, seen, samples, state or Watched(), now)
        watched[rule.name] = state
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
    return Judgement(Verdict(now, health, tuple(findings), unseen), seen, watched, dict(samples))


def _follow(
    rule: Rule,
    seen: Readings,
    samples: Mapping[str, Sample],
    state: Watched,
    now: Instant,
) -> Watched:
    """One rule's state after one more look."""
    holds = _all(rule.when, seen)
    if holds is False and state.quiet and state.good >= GOOD_LOOKS:
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
    at = [samples[probe].at for probe in probes_of(rule.when)]
    newest = max(at, key=lambda each: each.mono)
    since = state.since or newest
    looks = state.looks + (newest != state.newest)
    firing = looks >= rule.looks and now.mono - since.mono >= rule.for_s
    firing |= looks >= CERTAIN_LOOKS and _is_certain(rule, seen, samples, since)
    return Watched(since, newest, looks, firing, None, _evidence(rule, seen))


def _is_certain(rule: Rule, seen: Readings, samples: Mapping[str, Sample], since: Instant) -> bool:
    """Whether samples that are younger than what was found leave no doubt about it."""
    return bool(rule.certain and _all(rule.certain, seen)) and all(
        samples[probe].at.mono > since.mono for probe in probes_of(rule.certain)
    )


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
    at = [samples[each].at.mono for each in probes_of(rule.clear or rule.when) if each in samples]
    if min(at) <= state.good_at:
        return state.good, state.good_at
    return state.good + 1, max(at)


def probes_of(conditions: Sequence[Condition]) -> frozenset[str]:
    """Whose readings these ask about."""
    return frozenset(condition.reading.partition(".")[0] for condition in conditions)


def _all(conditions: Sequence[Condition], seen: Readings) -> bool | None:
    """Three-valued `all`: one that fails decides, then one that is unknown."""
    whole: bool | None = True
    for condition in conditions:
        holds = condition.holds(seen)
        if holds is False:
            return False
        if holds is None:
            whole = None
    return whole


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
