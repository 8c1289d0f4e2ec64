"""Panels of the healing, and of the watchdog that does it."""

from __future__ import annotations

from tools.dashboards.panels import (
    FAULTY,
    HOST,
    YELLOW,
    Json,
    bars,
    graph,
    heatmap,
    target,
    timeline,
)
from tools.dashboards.queries import in_range, per_second, quantile, series, spread


def counts() -> list[Json]:
    """Incidents, rungs, cures, holds."""
    return [
        bars(
            "Incidents by rule",
            "Incidents opened in the range shown.",
            in_range("incidents_total", "rule"),
            unit="short",
        ),
        bars(
            "Rungs climbed",
            "In the range shown; those passed over are not counted.",
            in_range("attempts_total", "rung"),
            unit="short",
        ),
        bars(
            "Rungs that cured",
            "In the range shown. Evidence cures nothing.",
            in_range("cures_total", "rung"),
            unit="short",
        ),
        bars(
            "Holds",
            "Times that dockerdoctor began to keep still, by the reason.",
            in_range("holds_total", "reason"),
            unit="short",
        ),
    ]


def durations() -> list[Json]:
    """How long healing takes."""
    return [
        graph(
            "Duration of incidents",
            "From the first finding to the end. The dots carry the incident's id: "
            "`dockerdoctor incidents show ID`.",
            target(quantile(0.9, "incident_seconds"), "{{instance}} 9 of 10", exemplars=True),
            unit="s",
        ),
        heatmap(
            "Incidents by duration",
            "How many incidents ended after how long.",
            spread("incident_seconds"),
            unit="s",
        ),
        bars(
            "How incidents ended",
            "In the range shown: cured by a rung, passed by themselves, or given up.",
            in_range("incidents_closed_total", "outcome"),
            unit="short",
        ),
    ]


def probes() -> list[Json]:
    """Whether the watchdog can look."""
    success = series("probe_last_success_timestamp_seconds")
    return [
        timeline(
            "Probes",
            "Whether each probe's last run could look.",
            target(f"min by (instance, probe) ({series('probe_success')})", "{{probe}}"),
            words=FAULTY,
        ),
        graph(
            "How long probes take",
            "Each has its own deadline; none waits for another.",
            target(series("probe_duration_seconds"), "{{instance}} {{probe}}"),
            unit="s",
        ),
        graph(
            "Since a probe's last success",
            "Grows while a probe fails, or while the loop stands still.",
            target(f"time() - {success}", "{{instance}} {{probe}}"),
            unit="s",
            least=None,
        ),
    ]


def loop() -> list[Json]:
    """Whether it goes round, and what it weighs."""
    return [
        graph(
            "Faults of probes",
            "Runs that could not look, in a second, by the reason.",
            target(per_second("probe_faults_total", "probe", "fault"), "{{probe}} {{fault}}"),
            unit="ops",
        ),
        graph(
            "The loop",
            "Looks in a second, and by how many seconds the last one was late.",
            target(per_second("looks_total"), "{{instance}} looks"),
            target(series("loop_lag_seconds"), "{{instance}} late"),
            unit="short",
        ),
        graph(
            "Lock",
            "How long somebody else (heal by hand) has had the right to act; 0 while it is ours.",
            target(series("lock_held_seconds"), "{{instance}}"),
            unit="s",
            steps=[(1800, YELLOW)],
        ),
        graph(
            "Its own weight",
            "Resident memory of the watchdog.",
            target(f"process_resident_memory_bytes{{{HOST}}}", "{{instance}}"),
            unit="bytes",
        ),
    ]
