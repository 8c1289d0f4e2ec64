"""Makes the table in docs/metrics.md: every metric family, with the most series it can have.

The families are not listed anywhere: a watchdog's metrics are fed with one look at which every
probe read all that it declares, and what a scrape then shows is the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.metrics_core import Metric

from dockerdoctor.around import Snapshot
from dockerdoctor.config import MetricsConfig
from dockerdoctor.declare import Probe, Rung, known_readings, load
from dockerdoctor.eaten import Eaten
from dockerdoctor.host.nouns import Container, EventTally, Start
from dockerdoctor.judge import Judgement, flatten
from dockerdoctor.metrics import Metrics, Sources
from dockerdoctor.model import Health, Hold, Instant, Kind, Reading, Sample, Value, Verdict
from dockerdoctor.rules import Catalogue, load_rules, shipped_rules

CAP = MetricsConfig().max_containers

BEGIN = "<!-- made by tools/metricsdoc.py: begin -->"
END = "<!-- made by tools/metricsdoc.py: end -->"

AT = Instant(1_800_000_000.0, 1000.0)
ROSTER = tuple(Container(str(number), f"c{number}", "running") for number in range(2000))
"""More than may have series of their own."""
SUFFIXED = {"counter": "_total", "info": "_info"}


def render(root: Path) -> Mapping[Path, str]:
    """docs/metrics.md with its table made anew."""
    page = root / "docs/metrics.md"
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return {page: f"{before}{BEGIN}\n\n{table()}\n{END}{after}"}


def table() -> str:
    """The families as a Markdown table, with the sum of their series below."""
    usual = {each.name: len(_series(each)) for each in everything().registry.collect()}
    named = list(everything(CAP).registry.collect())
    lines = ["| metric | type | labels | series | |", "|---|---|---|---:|---|"]
    lines += [_row(family) for family in sorted(named, key=lambda each: each.name)]
    more = sum(len(_series(each)) for each in named if each.name not in usual)
    total = f"**{sum(usual.values())} series** at most, with the shipped rules"
    total += f"; {more} more with `container_labels` and {CAP} containers."
    return "\n".join([*lines, "", total, ""])


def everything(containers: int = 0) -> Metrics:
    """The metrics after a look that saw all there is to see, with series of so many containers."""
    probes, rungs = load("dockerdoctor.probes", Probe), load("dockerdoctor.rungs", Rung)
    rules = load_rules([shipped_rules()], Catalogue(known_readings(probes), rungs))
    sources = Sources(
        lambda: EventTally(True, 0, 0, 0, 0, 0, tuple(Start(one.name, 0, 1) for one in ROSTER)),
        lambda: ROSTER,
        containers,
        lambda: Eaten(AT.wall, {}),
    )
    metrics = Metrics(probes, {rule.name: rule.severity for rule in rules}, rungs, sources)
    samples = {
        probe.name: Sample(probe.name, AT, 0.001, {each.name: _value(each) for each in readings})
        for probe in probes.values()
        for readings in [probe.readings]
    }
    judgement = Judgement(Verdict(AT, Health.WELL), flatten(samples))
    metrics.looked(Snapshot(samples, judgement, Hold("well", "well"), {}, 5))
    return metrics


def _value(reading: Reading) -> Value:
    if reading.kind is Kind.FLAG:
        return True
    return "a word" if reading.kind in (Kind.STATE, Kind.TEXT) else 1


def _row(family: Metric) -> str:
    name = family.name + SUFFIXED.get(family.type, "")
    labels = ", ".join(f"`{each}`" for each in _labels(family))
    series = len(_series(family))
    return f"| `{name}` | {family.type} | {labels} | {series} | {family.documentation} |"


def _labels(family: Metric) -> list[str]:
    return sorted({label for sample in family.samples for label in sample.labels} - {"le"})


def _series(family: Metric) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    return list(_keys(family))


def _keys(family: Metric) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    for sample in family.samples:
        yield sample.name, tuple(sorted(sample.labels.items()))
