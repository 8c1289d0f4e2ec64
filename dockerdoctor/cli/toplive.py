"""`top` on a terminal: one thread looks, this one draws and reads keys."""

from __future__ import annotations

import os
import sys
import threading

from dockerdoctor.cli import terminal
from dockerdoctor.cli.toplook import Looker
from dockerdoctor.cli.topscreen import screen
from dockerdoctor.cli.topsort import Sort
from dockerdoctor.cli.topview import View
from dockerdoctor.host import clock
from dockerdoctor.host.screen import Screen

QUIT, PAUSE, SORT = ("q", "Q", "\x04"), ("p", "P", " "), ("s", "S")
BY_SIGNAL = 128
"""Plus its number: the exit code of what a signal ended."""
REDRAW_S = 1.0
"""Also without a new look: how old the last one is must be seen while the next one hangs."""
LATE_S = 3.0
"""What more a look may take before its age is told."""


class Looks:
    """Looks again and again, in a thread that is left behind when it hangs."""

    def __init__(self, looker: Looker, every_s: float, display: Screen) -> None:
        self._looker, self._every_s, self._display = looker, every_s, display
        self._stop = threading.Event()
        self.latest: View | None = None
        self.bug: Exception | None = None
        threading.Thread(target=self._run, name="looks", daemon=True).start()

    def stop(self) -> None:
        """No further look begins."""
        self._stop.set()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                began = clock.now().mono
                self.latest = self._looker.look(self._every_s)
                self._display.wake()
                self._stop.wait(max(0.2, self._every_s - (clock.now().mono - began)))
        except Exception as error:  # noqa: BLE001  the thread that draws raises it
            self.bug = error
            self._display.wake()


def live(looker: Looker, every_s: float, by: Sort) -> int:
    """Until `q` (0), or a signal (128 and its number). What a look raises is raised."""
    display = Screen(sys.stdin.fileno(), sys.stdout.fileno())
    with display.own():
        looks = Looks(looker, every_s, display)
        still: View | None = None
        key = ""
        while not display.ended_by and looks.bug is None and key not in QUIT:
            if key in SORT:
                by = by.next
            if key in PAUSE:
                still = None if still else looks.latest
            columns, rows = display.size()
            lines = _lines(still or looks.latest, by, columns, rows - 1)
            if not still and (late := _late(looks.latest, every_s)):
                lines[2] = late[:columns]
            foot = _foot(by, every_s, paused=still is not None)
            blank = [""] * (rows - 1 - len(lines))
            display.draw(_dressed([*lines, *blank, foot[: columns - 1]]))
            key = display.key(REDRAW_S)
        looks.stop()
    if looks.bug is not None:
        raise looks.bug
    return BY_SIGNAL + display.ended_by if display.ended_by else 0


def _lines(view: View | None, by: Sort, columns: int, rows: int) -> list[str]:
    if view is None:
        return ["looking ..."]
    return screen(view, terminal.clock_of(view.report.at), by, columns, rows)[:rows]


def _late(view: View | None, every_s: float) -> str:
    """How old the last look is, when the next one takes too long."""
    age = clock.now().wall - view.report.at if view else 0.0
    return f"     this was {age:.0f} s ago: a look takes long" if age > every_s + LATE_S else ""


def _foot(by: Sort, every_s: float, *, paused: bool) -> str:
    if paused:
        return f"THE DISPLAY IS PAUSED   p goes on   s sort by {by.next}   q quit"
    return f"q quit   p pause the display   s sort by {by.next} (now: {by})   every {every_s:g} s"


def _dressed(lines: list[str]) -> list[str]:
    """Safe for the terminal, and in colour if it wants that."""
    text = terminal.clean("\n".join(lines))
    if terminal.wants_colour(is_terminal=True, environ=os.environ):
        text = terminal.paint(text)
    return text.split("\n")
