"""What a host lets others see and remove of its data-root. In: paths and an engine. Out: a survey
that walks nothing, the end of one thing, and how soon a file system will be full."""

from __future__ import annotations

import collections
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.host.engine import Engine
from dockerdoctor.host.growth import steady
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.host.nouns import DiskUse
from dockerdoctor.host.storage import logs, orphans, tmp, volumes
from dockerdoctor.host.storage.facts import Kind, Removal, Survey
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.survey import survey

SURVEY_S = 60.0
"""Deadline of reading the data-root's databases: thousands of small files on a slow disk."""
STEP_S = 9.0
"""Between two values that are kept, of a probe that looks each 10 s."""
KEPT = 90
NEEDED_S = 300.0
"""Over less than this nobody says how soon it will be full."""


class Door:
    """One daemon's data-root, as far as it changes over time."""

    def __init__(self, sizes: Path | None) -> None:
        """`sizes` is the file where the sizes of layers are remembered."""
        self._sizes = sizes
        self._used: dict[Path, collections.deque[tuple[float, float]]] = {}

    def survey(self, lanes: Lanes, root: Path) -> Survey:
        """HostFault as `survey.survey`, and TIMEOUT."""
        found: Survey = lanes.run(
            f"survey of {root}",
            lambda: survey(root, Remembered(self._sizes), measure=False),
            SURVEY_S,
        )
        return found

    def remove(self, root: Path, what: Removal, engine: Engine, timeout_s: float) -> str:
        """A log is cut here, an orphan and a leftover removed; all else is the daemon's."""
        if what.kind is Kind.LOG:
            return logs.cut(root, what.ident, what.keep_bytes)
        if what.kind is Kind.ORPHAN:
            return orphans.remove(root, what.ident, what.before, timeout_s)
        if what.kind is Kind.TMP:
            return tmp.remove(root, what.ident, what.before, timeout_s)
        if what.kind is Kind.VOLUME and volumes.changed(root, what.ident) >= what.before:
            return "has changed since"
        return engine.remove(what, timeout_s)

    def followed(self, use: DiskUse, now: float) -> DiskUse:
        """The same with the time until it is full, by its steady growth of the last minutes; `now`
        is monotonic, s."""
        values = self._used.setdefault(use.path, collections.deque(maxlen=KEPT))
        if not values or now - values[-1][0] >= STEP_S:
            values.append((now, float(use.total_bytes - use.free_bytes)))
        rate = steady(tuple(values), NEEDED_S)
        if rate is None or rate <= 0:
            return use
        return replace(use, full_in_s=use.free_bytes / rate * 3600.0)
