"""What Prometheus is told: every reading, the verdict, incidents, rungs, and how the loop goes.

The watch loop hands in its snapshots (`looked`) and closed incidents (`closed`); a scrape reads
what was handed in last, and never runs a probe or asks the daemon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dockerdoctor import __version__
from dockerdoctor import metricfamilies as families
from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import EventTally
from dockerdoctor.metricfamilies import PREFIX
from dockerdoctor.model import Attempt, Fault, Incident, Instant, Sample
from dockerdoctor.watch import Snapshot

STALLED_S = 240.0
"""The loop is not healthy when its last look is older: longer than any rung acts without one."""

_STARTS_S = (0.5, 1, 2, 5, 10, 20, 30, 45, 60, 120, 300)
_ANSWERS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_INCIDENTS_S = (5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200)


@dataclass(slots=True)
class _Known:
    """What was counted already: snapshots show the same things again and again."""

    look: Instant | None = None
    samples: dict[str, Sample] = field(default_factory=dict)
    success: dict[str, float] = field(default_factory=dict)
    incidents: set[str] = field(default_factory=set)
    attempts: set[tuple[str, str, float]] = field(default_factory=set)
    starts: frozenset[tuple[str, float]] = frozenset()


class _Counters:
    """What grows for as long as the process lives."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, help_: str, *labels: str) -> Counter:
            return Counter(f"{PREFIX}_{name}", help_, labels, registry=registry)

        def histogram(name: str, help_: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"{PREFIX}_{name}", help_, buckets=buckets, registry=registry)

        self.runs = counter("probe_runs", "Runs of the probe.", "probe")
        self.faults = counter("probe_faults", "Runs that could not look.", "probe", "fault")
        self.incidents = counter("incidents", "Incidents that were opened.", "rule")
        self.attempts = counter(
            "attempts", "Rungs climbed or passed over, by what came of it.", "rung", "result"
        )
        self.incident_s = histogram(
            "incident_seconds", "From the first finding to the end of the incident.", _INCIDENTS_S
        )
        self.answer_s = histogram(
            "socket_response_seconds", "How long the daemon's answer to a ping took.", _ANSWERS_S
        )
        self.start_s = histogram(
            "container_start_seconds", "From a container's creation to its start.", _STARTS_S
        )


class Metrics(Collector):
    """The metrics of one watchdog, in a registry of their own.

    `rules` and `rungs` are names that show 0 before anything happened, so that the first time is
    an increase; `tally` tells the container starts; `pace_s` is the usual pace."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        rules: Iterable[str] = (),
        rungs: Iterable[str] = (),
        tally: Callable[[], EventTally] | None = None,
        pace_s: float = 4.0,
    ) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._probes = probes
        self._tally = tally
        self._pace_s = pace_s
        self._snapshot: Snapshot | None = None
        self._lag_s = 0.0
        self._known = _Known()
        self._counters = _Counters(self.registry)
        for rule in rules:
            self._counters.incidents.labels(rule)
        for rung in rungs:
            for result in ("cured", "not-cured", "skipped"):
                self._counters.attempts.labels(rung, result)
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def looked(self, snapshot: Snapshot) -> None:
        """Take one look's snapshot."""
        at = snapshot.judgement.verdict.at
        if self._known.look is None:
            self._take_as_known(snapshot.incidents.values(), at)
        elif at != self._known.look:
            self._lag_s = max(0.0, at.mono - self._known.look.mono - self._pace_s)
        self._known.look = at
        for sample in snapshot.samples.values():
            self._count_sample(sample)
        for incident in snapshot.incidents.values():
            self._count_incident(incident)
        self._count_starts()
        self._snapshot = snapshot

    def closed(self, incident: Incident) -> None:
        """Take an incident that is over."""
        self._count_incident(incident)
        self._known.incidents.discard(incident.id)
        self._known.attempts = {key for key in self._known.attempts if key[0] != incident.id}
        if incident.closed is not None:
            took = max(0.0, incident.closed - incident.opened)
            self._counters.incident_s.observe(took, {"incident": incident.id})

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
            yield from families.of_verdict(snapshot)
            yield from families.of_loop(snapshot.judgement.verdict.at.wall, self._lag_s)
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
            self._counters.attempts.labels(attempt.rung, _result(attempt)).inc()

    def _count_starts(self) -> None:
        if self._tally is None:
            return
        with suppress(HostFault):
            starts = {(start.container, start.at): start for start in self._tally().starts}
            for key in starts.keys() - self._known.starts:
                self._counters.start_s.observe(starts[key].took_s)
            self._known.starts = frozenset(starts)


def _key(incident: Incident, attempt: Attempt) -> tuple[str, str, float]:
    return incident.id, attempt.rung, attempt.began


def _is_over(attempt: Attempt) -> bool:
    return attempt.skipped or attempt.ended is not None


def _result(attempt: Attempt) -> str:
    if attempt.skipped:
        return "skipped"
    return "cured" if attempt.cured else "not-cured"
