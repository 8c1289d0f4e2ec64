"""What Prometheus is told: every reading, the verdict, incidents, rungs, and how the loop goes.

The watch loop hands in its snapshots (`looked`) and closed incidents (`closed`); a scrape reads
what was handed in last, and never runs a probe or asks the daemon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

import prometheus_client
from msgspec import Struct, field
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dockerdoctor import __version__
from dockerdoctor import metricfamilies as families
from dockerdoctor.around import Snapshot
from dockerdoctor.declare import Probe
from dockerdoctor.eaten import Eaten
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Container, EventTally, Start
from dockerdoctor.metriccontainers import of_containers
from dockerdoctor.metriccounters import Counters
from dockerdoctor.model import Attempt, Fault, Hold, Incident, Instant, Sample, Severity, Value

STALLED_S = 240.0
"""The loop is not healthy when its last look is older: longer than any rung acts without one."""


class Sources(Struct, frozen=True):
    """What is shown beside the snapshots. All of it is asked at each look: it must cost nothing."""

    tally: Callable[[], EventTally] | None = None
    """The container starts."""
    roster: Callable[[], Sequence[Container]] = tuple
    max_containers: int = 0
    """How many of the roster have series of their own; 0: none, and they are not counted."""
    eaten: Callable[[], Eaten | None] = lambda: None
    lock_held_s: Callable[[], float] = lambda: 0.0


class _Beside(Struct):
    """What the sources said at the last look."""

    starts: Sequence[Start] = ()
    roster: Sequence[Container] = ()
    eaten: Eaten | None = None
    lock_held_s: float = 0.0


class _Known(Struct):
    """What was counted already: snapshots show the same things again and again."""

    look: Instant | None = None
    hold: str = ""
    samples: dict[str, Sample] = field(default_factory=dict)
    success: dict[str, float] = field(default_factory=dict)
    incidents: set[str] = field(default_factory=set)
    attempts: set[tuple[str, str, float]] = field(default_factory=set)
    starts: frozenset[tuple[str, float]] = frozenset()
    starts_total: Value | None = None


class Metrics(Collector):
    """The metrics of one watchdog, in a registry of their own.

    `rules` and `rungs` show 0 before anything happened, so that the first time is an increase;
    `pace_s` is the usual pace."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        rules: Mapping[str, Severity] = MappingProxyType({}),
        rungs: Iterable[str] = (),
        sources: Sources | None = None,
        pace_s: float = 4.0,
    ) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.generation = 0
        """Grows when a scrape would show something else."""
        self._probes = probes
        self._sources = sources or Sources()
        self._beside = _Beside()
        self._pace_s = pace_s
        self._snapshot: Snapshot | None = None
        self._lag_s = 0.0
        self._known = _Known()
        self._rungs = tuple(rungs)
        self._counters = Counters(self.registry, probes, self._rungs)
        self.learn(rules)
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def learn(self, rules: Mapping[str, Severity]) -> None:
        """Take new rules; what was counted of those that are gone stays."""
        self._rules = dict(rules)
        for rule in rules:
            self._counters.incidents.labels(rule)
        self.generation += 1

    def looked(self, snapshot: Snapshot) -> None:
        """Take one look's snapshot."""
        at = snapshot.judgement.verdict.at
        if self._known.look is None:
            self._take_as_known(snapshot.incidents.values(), at)
        elif at != self._known.look:
            self._lag_s = max(0.0, at.mono - self._known.look.mono - self._pace_s)
        if at != self._known.look:
            self._counters.looks.inc()
        self._known.look = at
        self._count_hold(snapshot)
        for sample in snapshot.samples.values():
            self._count_sample(sample)
        for incident in snapshot.incidents.values():
            self._count_incident(incident)
        self._look_beside(snapshot.samples.get("events"))
        self._snapshot = snapshot
        self.generation += 1

    def closed(self, incident: Incident) -> None:
        """Take an incident that is over."""
        self._count_incident(incident)
        self._known.incidents.discard(incident.id)
        self._known.attempts = {key for key in self._known.attempts if key[0] != incident.id}
        if incident.closed is not None:
            took = max(0.0, incident.closed - incident.opened)
            self._counters.incident_s.observe(took, {"incident": incident.id})
            self._counters.closed.labels(incident.outcome.value).inc()
        self.generation += 1

    def ready(self) -> str:
        """Why there is nothing to scrape yet; empty after the first look."""
        return "" if self._snapshot else "not looked yet"

    def healthy(self, now: Instant) -> str:
        """Why the loop is not healthy: it does not advance. Empty while it does."""
        look = self._known.look
        since = now.mono - look.mono if look else 0.0
        return f"the last look was {since:.0f} s ago" if since > STALLED_S else ""

    def collect(self) -> Iterator[Metric]:
        """What a scrape shows beside the counters."""
        snapshot = self._snapshot
        if snapshot is not None:
            yield from families.of_readings(self._probes, snapshot.samples)
            yield from families.of_plain(snapshot.judgement.readings)
            yield from families.of_probes(snapshot.samples, dict(self._known.success))
            yield from families.of_verdict(snapshot, self._rules, self._rungs)
            yield from families.of_loop(snapshot.judgement.verdict.at.wall, self._lag_s)
            yield from self._of_beside(snapshot)
        yield families.of_build(__version__)

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before the first look."""
        return []

    def _take_as_known(self, incidents: Iterable[Incident], at: Instant) -> None:
        """What a watchdog before this one has opened and climbed is not ours to count."""
        for incident in incidents:
            if incident.opened < at.wall:
                self._known.incidents.add(incident.id)
                self._known.attempts |= {_key(incident, each) for each in incident.attempts}

    def _count_sample(self, sample: Sample) -> None:
        if sample == self._known.samples.get(sample.probe):
            return
        self._known.samples[sample.probe] = sample
        self._counters.runs.labels(sample.probe).inc()
        if sample.fault is None:
            self._known.success[sample.probe] = sample.at.wall
        else:
            self._counters.faults.labels(sample.probe, sample.fault.value).inc()
        if sample.probe == "ping":
            self._count_answer(sample)

    def _count_answer(self, sample: Sample) -> None:
        latency = sample.readings.get("latency_s")
        if isinstance(latency, int | float):
            self._counters.answer_s.observe(latency)
        elif Fault.TIMEOUT in (sample.fault, sample.readings.get("why")):
            self._counters.answer_s.observe(sample.took_s)  # no answer is a slow one

    def _count_incident(self, incident: Incident) -> None:
        if incident.id not in self._known.incidents:
            self._known.incidents.add(incident.id)
            self._counters.incidents.labels(incident.rule).inc()
        for attempt in incident.attempts:
            if (key := _key(incident, attempt)) in self._known.attempts or not _is_over(attempt):
                continue
            self._known.attempts.add(key)
            self._count_attempt(attempt)

    def _count_attempt(self, attempt: Attempt) -> None:
        if attempt.skipped:
            self._counters.passed_over.labels(attempt.rung).inc()
            return
        self._counters.attempts.labels(attempt.rung).inc()
        if attempt.cured:
            self._counters.cures.labels(attempt.rung).inc()

    def _count_hold(self, snapshot: Snapshot) -> None:
        """Each time that a reason begins to hold, not each look at which it does."""
        hold = snapshot.decision.reason if isinstance(snapshot.decision, Hold) else ""
        if hold and hold != self._known.hold and hold not in families.IDLE:
            self._counters.holds.labels(hold).inc()
        self._known.hold = hold

    def _of_beside(self, snapshot: Snapshot) -> Iterator[Metric]:
        beside, most = self._beside, self._sources.max_containers
        yield families.of_lock(beside.lock_held_s)
        if beside.eaten is not None:
            yield from families.of_eaten(beside.eaten)
        # As with readings: old ones are not shown while the daemon does not list its containers.
        if most and snapshot.judgement.readings.get("containers.answered") is True:
            now = snapshot.judgement.verdict.at.mono
            yield from of_containers(beside.roster, beside.starts, now, most)

    def _look_beside(self, told: Sample | None) -> None:
        sources = self._sources
        starts = self._beside.starts
        # An hour may have thousands: gone through only when the probe tells that there are new.
        total = told.readings.get("starts") if told else None
        new = total is None or total != self._known.starts_total
        if sources.tally is not None and (new or sources.max_containers):
            self._known.starts_total = total
            with suppress(HostFault):
                starts = sources.tally().starts
                self._count_starts(starts)
        roster = sources.roster() if sources.max_containers else ()
        self._beside = _Beside(starts, roster, sources.eaten(), sources.lock_held_s())

    def _count_starts(self, told: Sequence[Start]) -> None:
        starts = {(start.container, start.at): start for start in told}
        for key in starts.keys() - self._known.starts:
            self._counters.start_s.observe(starts[key].took_s)
        self._known.starts = frozenset(starts)


def _key(incident: Incident, attempt: Attempt) -> tuple[str, str, float]:
    return incident.id, attempt.rung, attempt.began


def _is_over(attempt: Attempt) -> bool:
    return attempt.skipped or attempt.ended is not None
