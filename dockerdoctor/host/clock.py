"""Both clocks and the passing of time; everybody else is handed an Instant."""

from __future__ import annotations

import time

from dockerdoctor.model import Instant


def now() -> Instant:
    """This moment: wall clock for records, monotonic clock (s since boot) for spans."""
    return Instant(wall=time.time(), mono=time.monotonic())


def pause(seconds: float) -> None:
    """Let `seconds` pass; none when it is not positive."""
    if seconds > 0:
        time.sleep(seconds)
