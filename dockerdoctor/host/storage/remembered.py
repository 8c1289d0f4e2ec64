"""What cannot have changed is not looked at twice: it is kept in a file, by identity.

In: the path of that file, what identifies a thing now (a stamp). Out: the size of a tree, a
container, the parsed databases, as far as they are known. A file that is garbled, of another time
or not ours to read is as good as none; one that cannot be written costs time at the next look.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from dockerdoctor.host.storage.facts import Box, Databases, Home, Image, Layer, Mount, Usage

Stamp: TypeAlias = tuple[int, ...]
"""What tells that a thing is the same one and unchanged: inode numbers, sizes, times (ns)."""
_VERSION = 5
_MAX = 64 << 20
"""Of the file: some 500,000 trees."""
_FRESH_S = 2.0
"""What changed just before the look may change again within the same tick of the file system's
clock (some ms), and so with the same stamp: it is not remembered. git's index has the same rule."""

Row: TypeAlias = list[Any]
"""A stamp, and what was found then, as lists: decoding to types would take longer than looking."""
_GARBLED = (TypeError, ValueError, KeyError, AttributeError, IndexError)


class Remembered:
    """What was found, by kind, name and stamp. What is not asked for before `save` is forgotten."""

    def __init__(self, path: Path | None) -> None:
        """None: nothing is remembered."""
        self.path = path
        self._known = self._load()
        self._now: dict[str, Row] = {}

    def of(self, name: str, stamp: Stamp) -> Usage | None:
        """The size of this very tree; None when it must be measured."""
        found = self._find(f"tree {name}", stamp)
        try:
            return Usage(*found) if found is not None else None
        except _GARBLED:
            return None

    def learn(self, name: str, stamp: Stamp, usage: Usage) -> None:
        """Remember what was measured; not what has a name that no text can hold."""
        if not name.isascii():
            return
        self._now[f"tree {name}"] = [list(stamp), [usage.bytes, usage.inodes]]

    def home(self, ident: str, stamp: Stamp) -> Home | None:
        """A container as its directory told it; None when it must be read."""
        found = self._find(f"home {ident}", stamp)
        try:
            return _home(*found) if found is not None else None
        except _GARBLED:
            return None

    def learn_home(self, ident: str, stamp: Stamp, home: Home) -> None:
        """Remember what a container's directory told."""
        self._now[f"home {ident}"] = [list(stamp), _plain(astuple(home))]

    def databases(self, stamp: Stamp) -> Databases | None:
        """The parsed databases; None when they must be read."""
        found = self._find("databases", stamp)
        try:
            return _databases(*found) if found is not None else None
        except _GARBLED:
            return None

    def learn_databases(self, stamp: Stamp, told: Databases) -> None:
        """Remember what the databases told."""
        kinds = (told.layers, told.images, told.mounts)
        row: Row = [{name: _plain(astuple(each)) for name, each in kind.items()} for kind in kinds]
        row += [sorted(told.cached), sorted(told.cached_chains), _plain(astuple(told.own))]
        self._now["databases"] = [list(stamp), row]

    def save(self) -> None:
        """Write it down, as far as the disk lets us: it may be the full one."""
        if self.path is None or self._now == self._known:
            return
        from dockerdoctor.host.files import write_atomic  # slow to load, and seldom needed

        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            content = msgspec.msgpack.encode([_VERSION, self._now])
            write_atomic(self.path, content, mode=0o600)

    def _find(self, name: str, stamp: Stamp) -> Row | None:
        row = self._known.get(name)
        if not isinstance(row, list) or len(row) != 2 or row[0] != list(stamp):
            return None
        self._now[name] = row
        found = row[1]
        return found if isinstance(found, list) else None

    def _load(self) -> dict[str, Row]:
        if self.path is None:
            return {}
        try:
            with self.path.open("rb") as file:
                version, rows = msgspec.msgpack.decode(file.read(_MAX))
        except (OSError, msgspec.MsgspecError, RecursionError, *_GARBLED):
            return {}
        return rows if version == _VERSION and isinstance(rows, dict) else {}


def _home(box: Row, own: Row, logs: Row) -> Home:
    return Home(Box(*_tuples(box)), Usage(*own), tuple(logs))


def _databases(
    layers: dict[str, Row],
    images: dict[str, Row],
    mounts: dict[str, Row],
    cached: Row,
    chains: Row,
    own: Row,
) -> Databases:
    return Databases(
        {name: Layer(*row) for name, row in layers.items()},
        {name: Image(*_tuples(row)) for name, row in images.items()},
        {name: Mount(*row) for name, row in mounts.items()},
        frozenset(cached),
        frozenset(chains),
        Usage(*own),
    )


def _tuples(row: Row) -> Row:
    return [tuple(each) if isinstance(each, list) else each for each in row]


def _plain(values: Sequence[object]) -> Row:
    """As it is when it is read again."""
    return [_plain(each) if isinstance(each, tuple) else each for each in values]


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
