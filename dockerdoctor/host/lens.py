"""A closer look, for examinations on demand: what `HostView.lens()` answers, and its nouns.

Nothing here is asked by the watchdog's probes: these looks may cost a command or read a directory.
Every call has a deadline of its own, changes nothing, and returns a value or raises HostFault.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from dockerdoctor.model import Process

MAX_BYTES = 1 << 20
"""Of one file that is read."""


class Entry(Struct, frozen=True):
    """One name in a directory, links followed."""

    kind: str
    """file, directory, socket, other."""
    mode: int
    """Permission bits."""
    owner: str
    group: str
    """By name where there is one, else by number."""
    size: int = 0
    changed: float = 0.0
    """Wall clock, s."""


class Caller(Struct, frozen=True):
    """Who runs this very command."""

    uid: int
    name: str
    groups: tuple[str, ...]
    """Of this process: what it was given at its login."""
    entitled: tuple[str, ...] = ()
    """By the group file: a later login would have these too."""


class Program(Struct, frozen=True):
    """A process with its command line."""

    process: Process
    argv: tuple[str, ...]


class Word(Struct, frozen=True):
    """One word of dockerd's command line, and the file that gives it."""

    text: str
    origin: str


class Network(Struct, frozen=True):
    """One network of the daemon's, with the ranges that it has."""

    name: str
    driver: str
    subnets: tuple[str, ...]


class Lens(Protocol):
    """What may be looked at closely."""

    def socket(self) -> Path | None:
        """The daemon's socket; None where it is reached by TCP."""
        ...

    def command(self) -> Sequence[Word]:
        """dockerd's command line as its unit and that one's drop-ins say it, environment files
        filled in; that of the process where there is no unit. Empty where nobody knows."""
        ...

    def entry(self, path: Path) -> Entry:
        """HostFault: MISSING, DENIED, TIMEOUT."""
        ...

    def content(self, path: Path, limit: int = MAX_BYTES) -> bytes:
        """The beginning of a plain file. HostFault: MISSING, DENIED, TIMEOUT, REFUSED."""
        ...

    def names(self, path: Path) -> Sequence[str]:
        """What is in a directory, sorted. HostFault as `entry`."""
        ...

    def caller(self) -> Caller:
        """Who asks."""
        ...

    def dockerds(self) -> Sequence[Program]:
        """All of this host; those in containers left out."""
        ...

    def chains(self) -> frozenset[str]:
        """The firewall's chains, as "nat DOCKER". HostFault: DENIED where not root, MISSING."""
        ...

    def networks(self, timeout_s: float) -> Sequence[Network]:
        """The daemon's networks; it must answer."""
        ...
