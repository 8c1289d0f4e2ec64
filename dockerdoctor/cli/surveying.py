"""A survey of the data-root for a command: with progress, as the last in every queue."""

from __future__ import annotations

import sys
from collections.abc import Callable

from dockerdoctor import eaten
from dockerdoctor.config import Config
from dockerdoctor.host import clock
from dockerdoctor.host.nouns import DiskUse, Place
from dockerdoctor.host.storage import idle
from dockerdoctor.host.storage.facts import Survey
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.survey import survey
from dockerdoctor.host.view import HostView

STAT_S = 5.0
"""A file system that does not tell its size for so long hangs: it is not walked."""
QUIET_S = 2.0
PROGRESS_S = 0.5


def surveyed(config: Config, host: HostView) -> tuple[Survey, DiskUse]:
    """All of the data-root. HostFault: TIMEOUT (a dead NFS server), MISSING, DENIED, GARBLED."""
    places = host.places()
    use = host.disk(places[Place.DATA_ROOT], STAT_S)
    idle.give_way()
    remembered = Remembered(config.watch.sizes)
    progress = _Progress(lambda: clock.now().mono)
    try:
        found = survey(
            places[Place.DATA_ROOT], remembered, places.get(Place.CONTAINERD), tick=progress.tick
        )
    finally:
        progress.done()
    remembered.save()
    eaten.save(config.watch.eaten, found)
    return found, use


class _Progress:
    """One moving line on a terminal, once it takes longer than QUIET_S."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._began = self._said = now()
        self._files = 0
        self._shown = False

    def tick(self, files: int) -> None:
        self._files += files
        now = self._now()
        if now - self._began < QUIET_S or now - self._said < PROGRESS_S or not sys.stderr.isatty():
            return
        self._said, self._shown = now, True
        sys.stderr.write(f"\r\x1b[Kcounting: {self._files:,} files, {now - self._began:.0f} s")
        sys.stderr.flush()

    def done(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
