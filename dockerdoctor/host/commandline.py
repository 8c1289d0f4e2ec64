"""The command line of a unit's dockerd: its process goes in, words come out.

While it runs, those that it was started with; while it is down, those of its next start.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from pathlib import Path

from dockerdoctor.errors import HostFault
from dockerdoctor.host import launch, programs, unitfile
from dockerdoctor.host.lanes import MACHINE, Lanes
from dockerdoctor.model import Process

READ_S = 2.0
"""Deadline of reading a command line from /proc."""
FRESH_S = 5.0
"""How old the unit's words may be, whose reading costs a command: somebody may be mending them."""


class CommandLine:
    """Of the dockerd of one unit; `words` are those that were read last, none at first."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._lanes = Lanes(MACHINE)
        self._process: Process | None = None
        self.words: Sequence[str] = ()
        self._read_at = -math.inf

    def of(self, process: Process | None) -> Sequence[str]:
        """`process` is its main process, None while it is down. What cannot be read is as it was
        before; the same object, as long as nothing was read anew."""
        with contextlib.suppress(HostFault, OSError):
            if process is None:
                self._ask_the_unit(time.monotonic())
            elif process != self._process:
                self.words = launch.words_within(self._lanes, process, READ_S)
                self._process, self._read_at = process, -math.inf
        return self.words

    def _ask_the_unit(self, now: float) -> None:
        if now - self._read_at < FRESH_S:
            return
        self._read_at = now
        words = [word.text for word in unitfile.of(self._unit)]
        # Where it starts a script of somebody's, the daemon that was seen tells more.
        if words and (programs.DOCKERD.fullmatch(Path(words[0]).name) or not self.words):
            self.words = words
