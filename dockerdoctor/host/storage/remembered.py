"""What cannot have changed is not looked at twice: it is kept in a file, by identity.

In: the path of that file, what identifies a thing now (a stamp). Out: the size of a tree, a
container, the parsed databases, as far as they are known. A file that is garbled, of another time
or not ours to read is as good as none; one that cannot be written costs time at the next look.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from dockerdoctor.host.files import write_atomic
from dockerdoctor.host.storage.facts import Databases, Home, Usage

Stamp: TypeAlias = tuple[int, ...]
"""What tells that a thing is the same one and unchanged: inode numbers, sizes, times (ns)."""
_VERSION = 5
_MAX = 64 << 20
"""Of the file: some 500,000 trees."""
_FRESH_S = 2.0
"""What changed just before the look may change again within the same tick of the file system's
clock (some ms), and so with the same stamp: it is not remembered. git's index has the same rule."""
_DATABASES = "image"

Thing = TypeVar("Thing")


class _Memory(msgspec.Struct, array_like=True):
    """The file: things by name, each with the stamp that it had."""

    version: int = _VERSION
    trees: dict[str, tuple[Stamp, Usage]] = {}
    homes: dict[str, tuple[Stamp, Home]] = {}
    databases: dict[str, tuple[Stamp, Databases]] = {}


class Remembered:
    """What was found, by kind, name and stamp. What is not asked for before `save` is forgotten."""

    def __init__(self, path: Path | None) -> None:
        """None: nothing is remembered."""
        self.path = path
        self._known = self._load()
        self._now = _Memory()

    def of(self, name: str, stamp: Stamp) -> Usage | None:
        """The size of this very tree; None when it must be measured."""
        return _same(self._known.trees, self._now.trees, name, stamp)

    def learn(self, name: str, stamp: Stamp, usage: Usage) -> None:
        """Remember what was measured; not what has a name that no text can hold."""
        if name.isascii():
            self._now.trees[name] = stamp, usage

    def home(self, ident: str, stamp: Stamp) -> Home | None:
        """A container as its directory told it; None when it must be read."""
        return _same(self._known.homes, self._now.homes, ident, stamp)

    def learn_home(self, ident: str, stamp: Stamp, home: Home) -> None:
        """Remember what a container's directory told."""
        self._now.homes[ident] = stamp, home

    def databases(self, stamp: Stamp) -> Databases | None:
        """The parsed databases; None when they must be read."""
        return _same(self._known.databases, self._now.databases, _DATABASES, stamp)

    def learn_databases(self, stamp: Stamp, told: Databases) -> None:
        """Remember what the databases told."""
        self._now.databases[_DATABASES] = stamp, told

    def save(self) -> None:
        """Write it down, as far as the disk lets us: it may be the full one."""
        if self.path is None or self._now == self._known:
            return
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            content = msgspec.msgpack.encode(self._now)
            write_atomic(self.path, content, mode=0o600, lasting=False)

    def _load(self) -> _Memory:
        if self.path is None:
            return _Memory()
        try:
            with self.path.open("rb") as file:
                known = msgspec.msgpack.decode(file.read(_MAX), type=_Memory)
        except (OSError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return _Memory()
        return known if known.version == _VERSION else _Memory()


def _same(
    known: dict[str, tuple[Stamp, Thing]],
    now: dict[str, tuple[Stamp, Thing]],
    name: str,
    stamp: Stamp,
) -> Thing | None:
    """What is known of this very thing, and stays known."""
    row = known.get(name)
    if row is None or row[0] != stamp:
        return None
    now[name] = row
    return row[1]


def settled(now: float, *seen: os.stat_result) -> Stamp | None:
    """Identity of files and directories (of these: of the names in them) that were left alone for a
    while; None where one was not. `now` is wall clock, s."""
    if max(each.st_ctime for each in seen) > now - _FRESH_S:
        return None
    return tuple(
        number
        for each in seen
        for number in (each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns)
    )
