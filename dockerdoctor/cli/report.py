"""What `check` found, as values: the text, the JSON and the Nagios line are renderings of this.

Made by `examine`; nothing here does anything.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from dockerdoctor.cli.history import Watchdog
from dockerdoctor.host.nouns import Container
from dockerdoctor.judge import Rule
from dockerdoctor.model import Fault, Instant, Reading, Readings, Sample


class State(enum.StrEnum):
    """The verdict of a check in the words of the monitoring plugins."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


EXIT: Mapping[State, Literal[0, 1, 2, 3]] = {
    State.OK: 0,
    State.WARNING: 1,
    State.CRITICAL: 2,
    State.UNKNOWN: 3,
}


class Found(Struct, frozen=True):
    """One finding for people. `since` is wall clock, None when only this look has seen it."""

    rule: str
    says: str
    state: State
    since: float | None = None
    evidence: Readings = field(default_factory=dict)
    cause: str = ""
    remedy: str = ""
    avoid: str = ""
    next: str = ""
    incident: str = ""


class Unseen(Struct, frozen=True):
    """A probe that could not look."""

    probe: str
    fault: Fault
    detail: str
    hint: str = ""


class Report(Struct, frozen=True):
    """Everything a check has to tell. Times are wall clock, s since the epoch."""

    state: State
    says: str
    at: float
    address: str
    findings: tuple[Found, ...] = ()
    readings: Readings = field(default_factory=dict)
    unseen: tuple[Unseen, ...] = ()
    notes: tuple[str, ...] = ()
    watchdog: Watchdog = field(default_factory=Watchdog)


class Looked(Struct, frozen=True):
    """One look, and what it is judged by. `whole` is whether the host could be looked at too, not
    only the API of a daemon whose unit is not known."""

    samples: Mapping[str, Sample]
    rules: Sequence[Rule]
    declared: Mapping[str, Reading]
    now: Instant
    address: str
    whole: bool = True
    units: tuple[str, ...] = ()
    """The units of the daemon, its own first; none where it has only a pid file."""
    running: tuple[Container, ...] = ()
    """The containers that run, where the daemon answered."""
    journal: tuple[str, ...] = ()
    """The last messages of a daemon that is down, oldest first."""
