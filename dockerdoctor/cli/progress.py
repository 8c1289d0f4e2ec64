"""Live progress of a climb on stderr: a line for each thing that happens, and on a terminal a last
line that moves. A terminal that goes away in the middle of a climb must not end it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from typing import TextIO

from dockerdoctor.around import Snapshot
from dockerdoctor.cli import terminal
from dockerdoctor.cli.plain import fold
from dockerdoctor.model import Climb


class Progress:
    """Says what happens, with the time since the beginning."""

    def __init__(
        self,
        now: Callable[[], float],
        stream: TextIO,
        stop_wished: Callable[[], bool] = lambda: False,
    ) -> None:
        """`now` is monotonic, s; `stream` is stderr; `stop_wished` is asked at each look, and told
        about once."""
        self._now = now
        self._stop_wished = stop_wished
        self._told = False
        self._began = now()
        self._stream = stream
        self._moving = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = False

    def say(self, sentence: str) -> None:
        """One line that stays."""
        with contextlib.suppress(OSError, ValueError):
            self._wipe()
            columns = shutil.get_terminal_size().columns if self._stream.isatty() else None
            terminal.write(self._stream, fold([f"{self._since():>6}  {sentence}"], columns))

    def looked(self, snapshot: Snapshot) -> None:
        """One look: the line that moves."""
        if self._stop_wished() and not self._told:
            self._told = True
            self.say("it ends after this rung; Ctrl-C again: at once")
        if not self._moving:
            return
        with contextlib.suppress(OSError, ValueError):
            text = f"{self._since():>6}  {state(snapshot)}"
            columns = shutil.get_terminal_size().columns
            self._wipe()
            self._stream.write(terminal.clean(text)[: columns - 1])
            self._stream.flush()
            self._drawn = True

    def done(self) -> None:
        """No more moving line."""
        with contextlib.suppress(OSError, ValueError):
            self._wipe()

    def _since(self) -> str:
        return f"{self._now() - self._began:.0f} s"

    def _wipe(self) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._drawn = False


def state(snapshot: Snapshot) -> str:
    """What a person wants to know while waiting, from one look."""
    readings = snapshot.judgement.readings
    says = [f"{snapshot.climbing}:" if snapshot.climbing else "looking:"]
    if readings.get("ping.answered") is True:
        says.append("answers")
    elif "ping.answered" in readings:
        says.append(f"no answer ({readings.get('ping.why', '')})")
    says.append(f"unit {readings.get('unit.active_state', 'not seen')}")
    if readings.get("process.present") is True:
        says.append(f"dockerd state {readings.get('process.state', '?')}")
    if readings.get("process.sigterm_pending") is True:
        says.append("SIGTERM not taken")
    if isinstance(snapshot.decision, Climb) and not snapshot.climbing:
        says.append(f"next: {snapshot.decision.rung}")
    return " ".join(says[:1]) + " " + ", ".join(says[1:])
