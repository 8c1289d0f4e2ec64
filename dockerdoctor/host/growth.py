"""Leak or peak: what dockerd's memory and its counters were goes in, steady growth comes out.

A peak (a build may take 20 GB and give them back) rises and falls; a leak rises in every part of
the hour. So the time is cut into three parts, and what counts is the lesser of the two steps
between their medians: a saw-tooth of the garbage collector does not shift a median, and a rise that
has only begun, or is over, shows in one step alone.
"""

from __future__ import annotations

import collections
import itertools
import threading
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.host.traces import Builds, Growth
from dockerdoctor.model import Process

STEP_S = 60.0
"""Between two values that are kept."""
KEPT = 61
"""Values: an hour."""
NEEDED_S = 1800.0
"""Over less than this nobody says growth."""
PARTS = 3


def steady(values: Sequence[tuple[float, float]], needed_s: float = NEEDED_S) -> float | None:
    """Growth per hour of (time in s, value), as above; 0 or less when it does not grow steadily,
    None while the time is too short."""
    if len(values) < 2 * PARTS or values[-1][0] - values[0][0] < needed_s:
        return None
    begin, end = values[0][0], values[-1][0]
    width = (end - begin) / PARTS
    parts: list[list[float]] = [[] for _ in range(PARTS)]
    for at, value in values:
        parts[min(int((at - begin) / width), PARTS - 1)].append(value)
    if not all(parts):
        return None  # nobody looked for a third of the time
    import statistics  # slow to load

    medians = [statistics.median(part) for part in parts]
    steps = [after - before for before, after in itertools.pairwise(medians)]
    return min(steps) / (width / 3600.0)


def available_bytes(meminfo: str) -> int:
    """MemAvailable of /proc/meminfo: what can be taken before the host swaps; 0 if not told."""
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


class GrowthWatch:
    """Remembers values of one dockerd process; another one begins anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[str, collections.deque[tuple[float, float]]] = {}
        self._process: Process | None = None
        self._version = ""
        self._building_since: float | None = None
        self._pruning_since: float | None = None
        self.saw_no_builds_yet = True
        """Whether `saw_builds` was told nothing so far."""

    def saw_process(self, process: Process, rss_bytes: int, now: float) -> None:
        """Its vitals were read at `now` (monotonic, s)."""
        with self._lock:
            if process != self._process:
                self._series.clear()
                self._process = process
            self._add("rss", rss_bytes, now)

    def saw_info(self, version: str, counters: dict[str, int], now: float) -> None:
        """It told its counters: goroutines, listeners, fds."""
        with self._lock:
            self._version = version
            for name, value in counters.items():
                self._add(name, value, now)

    def saw_builds(self, seen: Builds, now: float) -> Builds:
        """These run; what that makes with what was seen before."""
        with self._lock:
            self.saw_no_builds_yet = False
            self._building_since = (self._building_since or now) if seen.live else None
            self._pruning_since = (
                (self._pruning_since or now - seen.pruning_s) if seen.prunes else None
            )
            building_s = now - (self._building_since or now)
            pruning_s = now - (self._pruning_since or now)
        return replace(seen, since_s=building_s, pruning_s=pruning_s)

    def told(self) -> Growth:
        """What it amounts to."""
        with self._lock:
            series = {name: tuple(values) for name, values in self._series.items()}
            version = self._version
        rates = {
            name: rate for name, values in series.items() if (rate := steady(values)) is not None
        }
        last = {name: values[-1][1] for name, values in series.items()}
        rss = series.get("rss", ())
        span = rss[-1][0] - rss[0][0] if rss else 0.0
        return Growth(span, rates, last, _available(), version)

    def _add(self, name: str, value: float, now: float) -> None:
        values = self._series.setdefault(name, collections.deque(maxlen=KEPT))
        if not values or now - values[-1][0] >= STEP_S * 0.95:
            values.append((now, value))


def _available() -> int:
    try:
        return available_bytes(Path("/proc/meminfo").read_text())
    except (OSError, ValueError):
        return 0
