"""What `top` shows, as values: the text and the JSON are renderings of this. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from dockerdoctor.cli.plan import Plan
from dockerdoctor.cli.report import Found, Report, State
from dockerdoctor.cli.topsort import Sort
from dockerdoctor.judge import Rule
from dockerdoctor.model import Decision, Reading, Sample

HISTORY_S = 3600.0
"""How far back the figures are followed."""
RATE_S = 60.0
"""A growth is told from this on, and an event rate over about that time."""


class Vital(Struct, frozen=True):
    """One figure to keep an eye on: its reading, and what else a finding about it may name."""

    name: str
    reading: str
    also: tuple[str, ...] = ()


SLOWEST_START = "events.slowest_start_s"
VITALS = (
    Vital("socket response", "ping.latency_s", ("ping.answered", "ping.why")),
    Vital("RSS of dockerd", "process.rss_bytes", ("trend.rss_growth_bytes",)),
    Vital("container start", SLOWEST_START, ("events.slow_container",)),
    Vital("failed starts, 1 h", "events.failed_starts_1h"),
    Vital("data-root", "disk.used_ratio", ("disk.free_bytes", "disk.full_in_s")),
    Vital("data-root inodes", "disk.inodes_ratio"),
)
"""The five, the last in two parts. A container start is the slowest of the last ten minutes."""
FOLLOWED = {
    *(vital.reading for vital in VITALS),
    "disk.free_bytes",
    "events.events",
    "events.starts",
}


class Grower(Struct, frozen=True):
    """Something that takes space: `bytes` now, `per_hour` more in an hour (None: not known yet),
    and until the disk is full of it, s (None: it does not grow, or it is no matter of the disk)."""

    name: str
    bytes: float
    per_hour: float | None = None
    full_in_s: float | None = None


class History:
    """Values of readings over the last hour: (wall clock s, value), oldest first."""

    def __init__(self) -> None:
        self._values: dict[str, list[tuple[float, float]]] = {}

    def see(self, samples: Iterable[Sample]) -> None:
        """Add what is newer than what is known; a sample may be given again."""
        for sample in samples:
            for name, value in sample.readings.items():
                full = f"{sample.probe}.{name}"
                if full not in FOLLOWED or not isinstance(value, int | float):
                    continue
                values = self._values.setdefault(full, [])
                at = sample.at.wall
                if not values or at > values[-1][0]:
                    values.append((at, float(value)))
                    while values[0][0] < at - HISTORY_S:
                        del values[0]

    def copy(self) -> History:
        """As it is now: the looks go on in another thread."""
        same = History()
        same._values = {name: list(values) for name, values in self._values.items()}
        return same

    def forget(self, probes: Iterable[str]) -> None:
        """What these have told."""
        for name in [name for name in self._values if name.partition(".")[0] in probes]:
            del self._values[name]

    def span_s(self) -> float:
        """How far back it goes."""
        every = [values for values in self._values.values() if values]
        return max((values[-1][0] - values[0][0] for values in every), default=0.0)

    def range(self, reading: str) -> tuple[float, float] | None:
        """The least and the most; None without two values. A start that took 0 s was none."""
        values = [value for _, value in self._values.get(reading, ())]
        if reading == SLOWEST_START:
            values = [value for value in values if value]
        return (min(values), max(values)) if len(values) > 1 else None

    def per_hour(self, reading: str) -> float | None:
        """How much more it became, an hour; None while it is followed for less than RATE_S."""
        values = self._values.get(reading, [])
        if not values or values[-1][0] - values[0][0] < RATE_S:
            return None
        return (values[-1][1] - values[0][1]) / (values[-1][0] - values[0][0]) * 3600.0

    def rate(self, counter: str) -> float | None:
        """A counter's growth in a second, lately; None when it was seen once, or began anew."""
        values = self._values.get(counter, [])
        if len(values) < 2:
            return None
        last_at, last = values[-1]
        since = next((each for each in values if each[0] >= last_at - RATE_S), values[-2])
        at, first = since if since[0] < last_at else values[-2]
        return (last - first) / (last_at - at) if last >= first else None


class View(Struct, frozen=True):
    """Everything that one screen tells."""

    report: Report
    rules: Sequence[Rule]
    declared: Mapping[str, Reading]
    decision: Decision
    """What the ladder says now, to a look that lasts."""
    plans: tuple[Plan, ...] = ()
    """The ladders of what was found, worst first."""
    climbs_left: int = 0
    max_climbs: int = 0
    window_s: float = 0.0
    history: History = field(default_factory=History)
    growers: tuple[Grower, ...] = ()
    unseen_logs: str = ""
    """Why the containers' logs could not be seen."""


def mark(vital: Vital, view: View) -> State | None:
    """How this figure is: as bad as the worst finding that names it; None when it was not seen."""
    names = {vital.reading, *vital.also}
    blamed = [found for found in view.report.findings if names & set(found.evidence)]
    if blamed:
        return _worst(blamed)
    return State.OK if vital.reading in view.report.readings else None


def ordered(growers: Sequence[Grower], by: Sort) -> list[Grower]:
    """The largest, or the fastest, first; names as they are."""
    if by is Sort.NAME:
        return sorted(growers, key=lambda each: each.name)
    if by is Sort.SIZE:
        return sorted(growers, key=lambda each: (-each.bytes, each.name))
    return sorted(growers, key=lambda each: (-(each.per_hour or 0.0), -each.bytes, each.name))


def _worst(findings: Sequence[Found]) -> State:
    order = (State.CRITICAL, State.WARNING, State.UNKNOWN, State.OK)
    return min((found.state for found in findings), key=order.index)
