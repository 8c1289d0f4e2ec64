"""A whole terminal and single keys: lines go in, keys come out, and at the end the terminal is
as it was before, whatever ends it (but SIGKILL).
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import termios
import tty
from collections.abc import Iterator, Sequence
from types import FrameType

_ENTER, _LEAVE = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SMALLEST = (40, 6)
"""Columns and rows: with less a terminal is taken for this large, and shows a part of it."""

_SEQUENCES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|O.)?")
"""What arrows and the like send: no keys of ours."""


class Screen:
    """One terminal that is ours from `own` to its end. Not thread-safe, but for `wake`."""

    def __init__(self, keys: int, display: int) -> None:
        """`keys` and `display` are file descriptors of the same terminal."""
        self._keys, self._display = keys, display
        self._before = termios.tcgetattr(keys)
        self._woken, self._alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._typed = ""
        self.ended_by = 0
        """The signal that wants an end; 0 while none does. SIGHUP too when the terminal is gone."""

    def draw(self, lines: Sequence[str]) -> None:
        """These lines, and nothing else on it. A terminal that is gone sets `ended_by`."""
        text = "".join(f"{line}\x1b[K\r\n" for line in lines[:-1]) + f"{lines[-1]}\x1b[K\x1b[J"
        self._write(b"\x1b[H" + text.encode("utf-8", "replace"))

    def size(self) -> tuple[int, int]:
        """Columns and rows, now."""
        try:
            columns, rows = os.get_terminal_size(self._display)
        except OSError:
            return 80, 24
        return max(_SMALLEST[0], columns), max(_SMALLEST[1], rows)

    def key(self, timeout_s: float) -> str:
        """The next key; empty when the time is over, or when something else wants a new drawing."""
        if self.ended_by:
            return ""
        if self._typed:
            return self._next()
        ready, _, _ = select.select([self._keys, self._woken], [], [], timeout_s)
        if self._woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, 4096)
        if self._keys not in ready:
            return ""
        try:
            typed = os.read(self._keys, 64)
        except OSError:
            typed = b""
        if not typed:  # its end: the terminal was closed
            self.ended_by = signal.SIGHUP
        self._typed = _SEQUENCES.sub("", typed.decode("utf-8", "replace"))
        return self._next()

    def wake(self) -> None:
        """End a wait for a key; may be called by another thread."""
        with contextlib.suppress(OSError):
            os.write(self._alarm, b"!")

    @contextlib.contextmanager
    def own(self) -> Iterator[Screen]:
        """From here on it is ours. Called in the main thread, as signals are."""
        handlers = {
            **dict.fromkeys(_ENDS, self._on_end),
            signal.SIGWINCH: self._on_change,
            signal.SIGTSTP: self._on_stop,
        }
        before = {number: signal.signal(number, each) for number, each in handlers.items()}
        try:
            self._take()
            yield self
        finally:
            self._give_back()
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._woken)
            os.close(self._alarm)

    def _next(self) -> str:
        key, self._typed = self._typed[:1], self._typed[1:]
        return key

    def _take(self) -> None:
        with contextlib.suppress(termios.error):
            tty.setcbreak(self._keys)
        self._write(_ENTER)

    def _give_back(self) -> None:
        self._write(_LEAVE)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._display, data) :]
        except OSError:
            self.ended_by = self.ended_by or signal.SIGHUP

    def _on_end(self, number: int, _frame: FrameType | None) -> None:
        self.ended_by = self.ended_by or number
        self.wake()

    def _on_change(self, _number: int, _frame: FrameType | None) -> None:
        self.wake()

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its terminal as it was, `fg` brings us back."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()
        self.wake()
