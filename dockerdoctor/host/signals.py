"""What the outside wants of a running watchdog: stop (SIGTERM, SIGINT) or read its rules (SIGHUP).

Waiting ends at once when a wish arrives; a wish that arrives during a climb is seen after it.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Wishes:
    """Installed in the main thread; a signal only sets a flag."""

    def __init__(self) -> None:
        self.stop = False
        self._reload = False
        self._arrived = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)

    def wait(self, seconds: float) -> None:
        """Until a wish arrives, or that long (s)."""
        self._arrived.wait(max(0.0, seconds))
        self._arrived.clear()

    def take_reload(self) -> bool:
        """Whether a reload was wished for since the last call."""
        wished, self._reload = self._reload, False
        return wished

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True
        self._arrived.set()

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload = True
        self._arrived.set()


class Patience:
    """For an act that must not be cut in half: a first SIGINT or SIGTERM only wishes for its end, a
    second SIGINT raises KeyboardInterrupt at once. A SIGHUP changes nothing: the terminal went
    away, and what its user has agreed to is done to the end."""

    def __init__(self) -> None:
        """Installed in the main thread. A handler only sets `wished`: to print there could meet a
        print that is under way, which Python forbids."""
        self.wished = False
        self._before = {
            number: signal.signal(number, self._on_wish)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def restore(self) -> None:
        """What was installed before holds again."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _on_wish(self, number: int, _frame: FrameType | None) -> None:
        if self.wished and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.wished = True
