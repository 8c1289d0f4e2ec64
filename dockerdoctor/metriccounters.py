"""What grows for as long as the watchdog lives: its counters and histograms.

All series of closed lists are there from the start with 0, so that the first time is an increase.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from dockerdoctor.metricfamilies import IDLE, PREFIX, REASONS
from dockerdoctor.model import Fault, Outcome

STARTS_S = (0.5, 1, 2, 5, 10, 20, 30, 45, 60, 120, 300)
ANSWERS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
INCIDENTS_S = (5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200)


class Counters:
    """All of them, in one registry; `probes` and `rungs` by name."""

    def __init__(
        self, registry: CollectorRegistry, probes: Iterable[str], rungs: Iterable[str]
    ) -> None:
        def counter(name: str, help_: str, *labels: str) -> Counter:
            return Counter(f"{PREFIX}_{name}", help_, labels, registry=registry)

        def histogram(name: str, help_: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"{PREFIX}_{name}", help_, buckets=buckets, registry=registry)

        self.looks = counter("looks", "Looks of the loop; one that stands still does not look.")
        self.runs = counter("probe_runs", "Runs of the probe.", "probe")
        self.faults = counter("probe_faults", "Runs that could not look.", "probe", "fault")
        self.holds = counter("holds", "Times that a reason to do nothing began to hold.", "reason")
        self.incidents = counter("incidents", "Incidents that were opened.", "rule")
        self.closed = counter("incidents_closed", "Incidents that are over.", "outcome")
        self.attempts = counter("attempts", "Rungs that were climbed.", "rung")
        self.cures = counter("cures", "Rungs that were climbed and cured.", "rung")
        self.passed_over = counter("passed_over", "Rungs that could not help.", "rung")
        self.incident_s = histogram(
            "incident_seconds", "From the first finding to the end of the incident.", INCIDENTS_S
        )
        self.answer_s = histogram(
            "socket_response_seconds", "How long the daemon's answer to a ping took.", ANSWERS_S
        )
        self.start_s = histogram(
            "container_start_seconds", "From a container's creation to its start.", STARTS_S
        )
        self._show_zeros(probes, rungs)

    def _show_zeros(self, probes: Iterable[str], rungs: Iterable[str]) -> None:
        for rung in rungs:
            for family in (self.attempts, self.cures, self.passed_over):
                family.labels(rung)
        for reason in REASONS:
            if reason not in IDLE:
                self.holds.labels(reason)
        for outcome in Outcome:
            if outcome is not Outcome.OPEN:
                self.closed.labels(outcome.value)
        for probe in probes:
            for fault in Fault:
                self.faults.labels(probe, fault.value)
