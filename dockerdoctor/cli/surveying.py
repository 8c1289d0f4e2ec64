"""A survey of the data-root for a command: with progress, as the last in every queue."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

from msgspec.structs import replace

from dockerdoctor import eaten, whereabouts
from dockerdoctor.config import Config
from dockerdoctor.host import clock, disks, remote
from dockerdoctor.host.lanes import MACHINE, Lanes
from dockerdoctor.host.nouns import DiskUse, Place
from dockerdoctor.host.storage import idle
from dockerdoctor.host.storage.facts import Survey
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.survey import survey

STAT_S = 5.0
"""A file system that does not tell its size for so long hangs: it is not walked."""
QUIET_S = 2.0
PROGRESS_S = 0.5
MOST_HANDS = 4
BAR = 20


def surveyed(
    config: Config, recall: bool = False, mounts: Callable[[], str] = remote.mounts
) -> tuple[Survey, DiskUse]:
    """All of the data-root; `recall` as in `survey`. Another machine's disk is not walked: a server
    that dies meanwhile would hold this process for good. HostFault: TIMEOUT (one that is dead
    already), MISSING, DENIED, GARBLED."""
    lanes = Lanes(MACHINE)
    places = whereabouts.storage(config, lanes)
    root = places[Place.DATA_ROOT]
    use = disks.look(lanes, root, STAT_S)
    other = remote.remote(mounts(), root.stat().st_dev)
    idle.give_way()
    remembered = Remembered(config.watch.sizes)
    most = round(use.inodes_total * use.inodes_used_ratio)
    progress = _Progress(lambda: clock.now().mono, most)
    try:
        store = places.get(Place.CONTAINERD)
        found = survey(
            root,
            remembered,
            store,
            measure=not other,
            recall=recall,
            hands=_hands(),
            tick=progress.tick,
        )
    finally:
        progress.done()
    if other:
        note = f"{root} lies on {other}: not walked, sizes are those that docker wrote down"
        return replace(found, skipped=(note, *found.skipped)), use
    remembered.save()
    eaten.save(config.watch.eaten, found)
    return found, use


def _hands() -> int:
    """As many as may run at once; more than four only wait for the disk."""
    return min(MOST_HANDS, len(os.sched_getaffinity(0)))


class _Progress:
    """One moving line on a terminal, once it takes longer than QUIET_S."""

    def __init__(self, now: Callable[[], float], most: int) -> None:
        """`most`: the files that the whole file system has; 0 where that is not told."""
        self._now, self._most = now, most
        self._began = self._said = now()
        self._files = 0
        self._shown = False

    def tick(self, files: int) -> None:
        self._files += files
        now = self._now()
        if now - self._began < QUIET_S or now - self._said < PROGRESS_S or not sys.stderr.isatty():
            return
        self._said, self._shown = now, True
        told = counting(self._files, self._most, now - self._began)
        sys.stderr.write(f"\r\x1b[K{told}"[: shutil.get_terminal_size().columns + 3])
        sys.stderr.flush()

    def done(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def counting(files: int, most: int, took_s: float) -> str:
    """How far it is: nobody knows how many files the data-root has, only how many its disk has."""
    if not most:
        return f"counting: {files:,} files, {took_s:.0f} s"
    done = min(BAR, files * BAR // most)
    bar = f"[{'#' * done}{' ' * (BAR - done)}]"
    return f"counting {bar} {files:,} of at most {max(most, files):,} files, {took_s:.0f} s"
