"""A container's health check in an inspect: when it was done last, and how often it should be."""

from __future__ import annotations

import datetime

import msgspec

from dockerdoctor.host.clock import wall

USUAL_S = 30.0
"""dockerd's own default of the interval, and of the time-out (health.go)."""


class _Check(msgspec.Struct, rename="pascal"):
    end: datetime.datetime | None = None


class Health(msgspec.Struct, rename="pascal"):
    """`State.Health`: the last five checks, without what they printed."""

    log: list[_Check] | None = None


class Healthcheck(msgspec.Struct, rename="pascal"):
    """`Config.Healthcheck`; durations are nanoseconds, 0 is the default."""

    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0


def checked_at(health: Health | None) -> float:
    """When it was done last (wall clock, s); 0 when it never was."""
    return max((wall(each.end) for each in (health and health.log) or []), default=0.0)


def check_within_s(check: Healthcheck | None) -> float:
    """Interval and time-out together; 0 where there is none, or the image's is switched off."""
    if check is None or not check.test or check.test[0] == "NONE":
        return 0.0
    return sum(each / 1e9 if each > 0 else USUAL_S for each in (check.interval, check.timeout))
