"""What ate the data-root when it was last surveyed, in a small file beside the record.

Who surveys (`disk`, and the daily timer by it) writes the file; the watchdog reads it for its
metrics when it has changed, and never surveys for them. A garbled file is as good as none.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from dockerdoctor.account import account, store_account
from dockerdoctor.host.files import write_atomic
from dockerdoctor.host.storage.facts import Survey

CONSUMERS = (
    "images",
    "containers",
    "logs",
    "volumes",
    "cache",
    "orphans",
    "layers",
    "tmp",
    "swarm",
    "containerd",
    "other",
)
"""The words of `account` for what is directly below the whole; what is new there is `other`."""


class Eaten(msgspec.Struct, frozen=True):
    """Bytes by consumer, all of CONSUMERS, and when they were counted (wall clock, s)."""

    taken: float
    bytes: dict[str, int]


def of(survey: Survey) -> Eaten:
    """Its parts added up; containerd's own root counts with containerd wherever it lies."""
    found = dict.fromkeys(CONSUMERS, 0)
    for part in account(survey).parts:
        found[part.kind if part.kind in found else "other"] += part.usage.bytes
    if store := store_account(survey):
        found["containerd"] += store.usage.bytes
    return Eaten(survey.taken, found)


def save(path: Path, survey: Survey) -> None:
    """Write it down as far as the disk lets us: it may be the full one."""
    with contextlib.suppress(OSError):
        write_atomic(path, msgspec.json.encode(of(survey)), lasting=False)


class LastSurvey:
    """The file at `path`, read again when it is another one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = (0, 0)
        self._last: Eaten | None = None

    def __call__(self) -> Eaten | None:
        """What it says; None when nobody has surveyed yet. One stat while it is the same."""
        try:
            now = self._path.stat()
            stamp = (now.st_ino, now.st_mtime_ns)
            if stamp != self._stamp:
                self._last = msgspec.json.decode(self._path.read_bytes(), type=Eaten)
                self._stamp = stamp
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            self._last, self._stamp = None, (0, 0)
        return self._last
