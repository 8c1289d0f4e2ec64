"""Trees that cannot change are measured once: their sizes, by identity, in a file of ours.

In: the path of that file, what identifies a tree now. Out: its size, if it is known. A file that
is garbled, of another time or not ours to read is as good as none; one that cannot be written costs
time at the next look, nothing else.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TypeAlias

import msgspec

from dockerdoctor.host.files import write_atomic
from dockerdoctor.host.storage.facts import Usage

Stamp: TypeAlias = tuple[int, ...]
"""What tells that a tree is the same one and unchanged: inode numbers and times (ns)."""
_VERSION = 1
_MAX = 64 << 20
"""Of the file: some 400,000 trees."""


class _File(msgspec.Struct):
    version: int
    trees: dict[str, tuple[Stamp, int, int]]


class Remembered:
    """Sizes by a tree's name. What is not asked for between `load` and `save` is forgotten."""

    def __init__(self, path: Path | None) -> None:
        """None: nothing is remembered."""
        self.path = path
        self._known = self._load()
        self._now: dict[str, tuple[Stamp, int, int]] = {}

    def of(self, name: str, stamp: Stamp) -> Usage | None:
        """The size of this very tree; None when it must be measured."""
        found = self._known.get(name)
        if found is None or tuple(found[0]) != stamp:
            return None
        self._now[name] = found
        return Usage(found[1], found[2])

    def learn(self, name: str, stamp: Stamp, usage: Usage) -> None:
        """Remember what was measured."""
        self._now[name] = (stamp, usage.bytes, usage.inodes)

    def save(self) -> None:
        """Write it down, as far as the disk lets us: it may be the full one."""
        if self.path is None or self._now == self._known:
            return
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_atomic(self.path, msgspec.json.encode(_File(_VERSION, self._now)), mode=0o600)

    def _load(self) -> dict[str, tuple[Stamp, int, int]]:
        if self.path is None:
            return {}
        try:
            with self.path.open("rb") as file:
                told = msgspec.json.decode(file.read(_MAX), type=_File)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}
        return told.trees if told.version == _VERSION else {}
