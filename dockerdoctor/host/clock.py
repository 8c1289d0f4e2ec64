"""Both clocks and the passing of time; everybody else is handed an Instant."""

from __future__ import annotations

import time
from datetime import datetime

from dockerdoctor.model import Instant


def now() -> Instant:
    """This moment: wall clock for records, monotonic clock (s since boot) for spans."""
    return Instant(wall=time.time(), mono=time.monotonic())


def pause(seconds: float) -> None:
    """Let `seconds` pass; none when it is not positive."""
    if seconds > 0:
        time.sleep(seconds)


def wall(moment: datetime | None) -> float:
    """What a daemon says in s since the epoch; 0 for what never was (the year 1 to dockerd)."""
    return moment.timestamp() if moment and moment.year >= 1971 else 0.0
