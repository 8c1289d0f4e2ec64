"""Words for queries: every one of them selects by $job and $instance."""

from __future__ import annotations

from tools.alerts import RUNBOOKS
from tools.dashboards.panels import HOST, Json, target

RUNBOOK: Json = {
    "title": "Runbook",
    "url": f"{RUNBOOKS}/${{__data.fields.alertname}}.md",
    "targetBlank": True,
}

FIRING = f'ALERTS{{alertname=~"Dockerdoctor.*", alertstate="firing", {HOST}}}'


def series(name: str, *matchers: str) -> str:
    """A metric of ours on the chosen hosts."""
    return f"dockerdoctor_{name}{{{', '.join((HOST, *matchers))}}}"


def verdict() -> str:
    """0 well, 1 blind, 2 sick."""
    sick, blind = (series("health", f'health="{word}"') for word in ("sick", "blind"))
    return f"2 * max by (job, instance) ({sick}) + max by (job, instance) ({blind})"


def per_second(name: str, *by: str) -> str:
    """The rate of a counter, by host and these labels."""
    labels = ", ".join(("job", "instance", *by))
    return f"sum by ({labels}) (rate({series(name)}[$__rate_interval]))"


def quantile(share: float, histogram: str) -> str:
    """A quantile of a histogram of ours, by host."""
    return f"histogram_quantile({share}, {per_second(f'{histogram}_bucket', 'le')})"


def spread(histogram: str) -> str:
    """A histogram's buckets for a heat map, all hosts together."""
    return f"sum by (le) (increase({series(f'{histogram}_bucket')}[$__rate_interval]))"


def now(name: str) -> Json:
    """The last value of a gauge, by host."""
    return target(f"max by (instance) ({series(name)})", "{{instance}}", now=True)


def in_range(name: str, label: str) -> Json:
    """How much a counter has grown in the range shown, by this label."""
    grown = f"sum by ({label}) (increase({series(name)}[$__range]))"
    return target(grown, f"{{{{{label}}}}}", now=True)
