"""One snapshot as Prometheus families. Pure: nothing is counted or remembered here.

The names come from the probes' declarations: `ping.latency_s` is
`dockerdoctor_ping_latency_seconds`, a counter ends in `_total`, a flag is 0 or 1, a state is
`..._info{value="..."} 1`. Free text is not exported, and no container is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)

from dockerdoctor import holds
from dockerdoctor.around import Snapshot
from dockerdoctor.declare import Probe
from dockerdoctor.eaten import CONSUMERS, Eaten
from dockerdoctor.model import (
    Health,
    Hold,
    Kind,
    Outcome,
    Reading,
    Readings,
    Sample,
    Severity,
    Value,
)

PREFIX = "dockerdoctor"

LABEL_LIMIT = 64
"""Characters of a state that become a label."""

PLAIN = {
    "daemon_rss_bytes": ("process.rss_bytes", "Resident memory of dockerd."),
    "data_root_used_ratio": ("disk.used_ratio", "Used share of the data-root's file system."),
    "data_root_free_bytes": ("disk.free_bytes", "Free space for the data-root."),
    "data_root_inodes_used_ratio": ("disk.inodes_ratio", "Used share of the data-root's inodes."),
    "container_starts_total": ("events.starts", "Containers started, by the event stream."),
    "container_start_failures_total": ("events.failed_starts", "Container starts that failed."),
}
"""The critical metrics under names that need no knowledge of our probes: name, reading, help."""

IDLE = ("well", "told")
"""Holds that hold nothing: there is nothing to climb for."""

REASONS = (
    *IDLE,
    *holds.HOLDS,
    *holds.HOLDS_OF_STRANGERS,
    *holds.HOLDS_OF_PEAKS,
    *("blind", "paused", "cool-down", "full", "configuration", "gave-up"),
)
"""Every reason for which nothing is done."""

Rows: TypeAlias = list[tuple[tuple[str, ...], float]]


def name_of(probe: str, reading: Reading) -> str:
    """The metric of a reading: the whole name, as it is scraped."""
    name = f"{PREFIX}_{probe}_{reading.name}"
    if name.endswith("_s"):
        name += "econds"
    match reading.kind:
        case Kind.COUNTER:
            return name if name.endswith("_total") else f"{name}_total"
        case Kind.STATE:
            return f"{name}_info"
    return name


def of_readings(probes: Mapping[str, Probe], samples: Mapping[str, Sample]) -> Iterator[Metric]:
    """What the last samples read. A probe that failed shows none of its readings."""
    for probe in probes.values():
        sample = samples.get(probe.name)
        for reading in probe.readings:
            if sample is not None and reading.name in sample.readings:
                help_ = f"{reading.help}."
                value = sample.readings[reading.name]
                if family := _family(name_of(probe.name, reading), help_, reading.kind, value):
                    yield family


def of_plain(readings: Readings) -> Iterator[Metric]:
    """The critical metrics; `readings` by full name."""
    for name, (reading, help_) in PLAIN.items():
        kind = Kind.COUNTER if name.endswith("_total") else Kind.GAUGE
        if reading in readings and (
            family := _family(f"{PREFIX}_{name}", help_, kind, readings[reading])
        ):
            yield family
    yield _gauge(
        "docker_up",
        "Whether the daemon answered its last ping; 0 too when it could not be asked.",
        [((), float(readings.get("ping.answered") is True))],
    )


def of_probes(samples: Mapping[str, Sample], success: Mapping[str, float]) -> Iterator[Metric]:
    """How the probes themselves do. `success`: when each last succeeded, wall clock."""
    rows = samples.items()
    yield _gauge(
        "probe_success",
        "Whether the last run of the probe could look.",
        [((name,), float(sample.fault is None)) for name, sample in rows],
        "probe",
    )
    yield _gauge(
        "probe_duration_seconds",
        "How long the last run of the probe took.",
        [((name,), sample.took_s) for name, sample in rows],
        "probe",
    )
    yield _gauge(
        "probe_last_success_timestamp_seconds",
        "When the probe last could look.",
        [((name,), at) for name, at in success.items()],
        "probe",
    )


def of_verdict(
    snapshot: Snapshot, rules: Mapping[str, Severity], rungs: Iterable[str]
) -> Iterator[Metric]:
    """Health, every rule and whether it holds, why nothing is done, incidents and the budget."""
    verdict, incidents = snapshot.judgement.verdict, snapshot.incidents.values()
    yield _one_of("health", "The verdict: 1 for the one that holds.", Health, verdict.health)
    found = {each.rule: each.severity for each in verdict.findings}
    yield _gauge(
        "findings",
        "Whether the rule holds now.",
        [
            ((rule, severity.name.lower()), float(rule in found))
            for rule, severity in {**rules, **found}.items()
        ],
        "rule",
        "severity",
    )
    held = snapshot.decision.reason if isinstance(snapshot.decision, Hold) else ""
    yield _one_of("hold", "Why nothing is done now: 1 for the reason.", REASONS, held, "reason")
    yield _one_of(
        "climbing",
        "The rung that is being climbed now: 1 for it.",
        rungs,
        snapshot.climbing,
        "rung",
    )
    yield _gauge("incident_open", "Incidents that are open.", [((), float(len(incidents)))])
    given_up = sum(each.outcome is Outcome.GAVE_UP for each in incidents)
    yield _gauge(
        "given_up", "Open incidents that need people: no rung is left.", [((), float(given_up))]
    )
    yield _gauge(
        "climbs_left",
        "Costly rungs that may still be climbed inside the policy's window.",
        [((), float(snapshot.climbs_left))],
    )


def of_loop(last_look: float, lag_s: float) -> Iterator[Metric]:
    """How the loop goes."""
    yield _gauge("last_look_timestamp_seconds", "When the loop last looked.", [((), last_look)])
    yield _gauge(
        "loop_lag_seconds", "How much later than its pace the loop last looked.", [((), lag_s)]
    )


def of_lock(held_s: float) -> Metric:
    """Whether the watchdog may act at all."""
    return _gauge(
        "lock_held_seconds",
        "How long somebody else (a heal by hand) has had the right to act; 0: it is ours.",
        [((), held_s)],
    )


def of_eaten(eaten: Eaten) -> Iterator[Metric]:
    """What ate the data-root at the last survey, which is not the watchdog's."""
    yield _gauge(
        "disk_consumer_bytes",
        "What ate the data-root at the last survey (`dockerdoctor disk`, daily by its timer).",
        [((consumer,), float(eaten.bytes.get(consumer, 0))) for consumer in CONSUMERS],
        "consumer",
    )
    yield _gauge(
        "disk_survey_timestamp_seconds", "When that survey was taken.", [((), eaten.taken)]
    )


def of_build(version: str) -> Metric:
    """Which dockerdoctor this is."""
    name, help_ = f"{PREFIX}_build", "The running version of dockerdoctor."
    return InfoMetricFamily(name, help_, {"version": version})


def word(text: str, limit: int = LABEL_LIMIT) -> str:
    """A word of the daemon's as a label: not too long, and nothing that is no UTF-8."""
    return text[:limit].encode("utf-8", "replace").decode()


def _one_of(name: str, help_: str, words: Iterable[str], now: str, label: str = "") -> Metric:
    """A word of a closed list as a series for each of them, one of which is 1."""
    every = dict.fromkeys([*words, now] if now else words)
    rows: Rows = [((str(word),), float(word == now)) for word in every]
    return _gauge(name, help_, rows, label or name)


def _gauge(name: str, help_: str, rows: Rows, *labels: str) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", help_, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _family(name: str, help_: str, kind: Kind, value: Value) -> Metric | None:
    """None for what cannot be a metric: free text, or a value that is not of its kind."""
    if kind is Kind.STATE:
        return InfoMetricFamily(name.removesuffix("_info"), help_, {"value": word(str(value))})
    if kind is Kind.TEXT or not isinstance(value, int | float):
        return None
    if kind is Kind.COUNTER:
        return CounterMetricFamily(name, help_, value=float(value))
    return GaugeMetricFamily(name, help_, value=float(value))
