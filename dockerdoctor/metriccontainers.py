"""The series of single containers, for who wants them: their names are labels, and there is a cap.

The last look's roster goes in, families come out. Pure: what is not on the roster any more has no
series at the next scrape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from dockerdoctor.host.nouns import Container, Start
from dockerdoctor.metricfamilies import LABEL_LIMIT, PREFIX, word


def of_containers(
    roster: Sequence[Container], starts: Sequence[Start], now: float, most: int
) -> Iterator[Metric]:
    """`most` containers at most: those that hang first, then those that run, then by name.
    `starts` are those of the last hour, oldest first; `now` is on the monotonic clock, s."""
    ranked = sorted(roster, key=_rank)
    shown = {_label(one): one for one in ranked[:most]}
    took = {start.container: start.took_s for start in starts}
    state = _family("state", "The state of the container: 1 for it.", "container", "state")
    hangs = _family("hangs_seconds", "How long its inspect has had no answer; 0 while it has one.")
    last = _family("last_start_seconds", "How long its last start of the last hour took.")
    for label, one in shown.items():
        state.add_metric((label, word(one.state)), 1.0)
        since = now if one.hangs_since is None else one.hangs_since
        hangs.add_metric((label,), max(0.0, now - since))
        if one.name in took:
            last.add_metric((label,), took[one.name])
    yield from (state, hangs, last)
    left = len(roster) - len(shown)
    says = "Containers beyond max_containers: they have no series of their own."
    yield GaugeMetricFamily(f"{PREFIX}_containers_without_series", says, value=left)


def _rank(one: Container) -> tuple[bool, bool, str]:
    return one.hangs_since is None, one.state != "running", one.name


def _label(one: Container) -> str:
    """Its name; one that is too long ends in its id, as two may begin alike."""
    name = word(one.name, len(one.name)) or one.id[:12]
    return name if len(name) <= LABEL_LIMIT else f"{name[: LABEL_LIMIT - 13]}~{one.id[:12]}"


def _family(name: str, help_: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_container_{name}", help_, labels=labels or ("container",))
