"""How much space a tree takes, counted as `du -x` counts: blocks, each hard link once, never across
a mount, no link followed. In: an open directory and a name. Out: a `Usage`; never an exception for
what is gone, grows or may not be read meanwhile: that is named in `skipped`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from dockerdoctor.host.storage.facts import Usage
from dockerdoctor.host.storage.opened import Directory

MAX_DEPTH = 400
"""Levels below a tree's top: one descriptor each. What lies deeper is named, not counted."""
MAX_SKIPPED = 50
"""Sentences about what was skipped; of more only the number is kept."""
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_BLOCK = 512
_MOUNTPOINTS = ("merged", "shm", "rootfs")
"""Where docker itself mounts the file systems of running containers; nothing to speak of."""


class Walk:
    """Counts several trees of one file system; a hard link into two of them counts once."""

    def __init__(self, device: int, tick: Callable[[int], None] = lambda _: None) -> None:
        """`tick` is told the inodes looked at so far, directory by directory."""
        self.device = device
        self.walked = 0
        self.skipped: list[str] = []
        self.more_skipped = 0
        self._links: set[int] = set()
        self._tick = tick

    def skip(self, what: str, why: str) -> None:
        """Put on record what was not counted."""
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append(f"{what.encode('utf-8', 'replace').decode()!r}: {why}")
        else:
            self.more_skipped += 1

    def tree(self, parent: Directory, name: str, told: str = "") -> Usage:
        """The thing `name` in `parent` with all that is below it; `told` is what people call it."""
        try:
            top = parent.stat(name)
        except FileNotFoundError:
            return Usage()
        except OSError as error:
            self.skip(told or name, error.strerror or "cannot be seen")
            return Usage()
        if top.st_dev != self.device:
            self.skip(told or name, "another file system is mounted there")
            return Usage()
        self.walked += 1
        blocks, inodes = self._one(top)
        if stat.S_ISDIR(top.st_mode):
            below = self._below(parent.fd, name, told or name)
            blocks, inodes = blocks + below[0], inodes + below[1]
        return Usage(blocks * _BLOCK, inodes)

    def files(self, parent: Directory, names: list[str], told: str) -> Usage:
        """Several things of one directory together."""
        usage = Usage()
        for name in names:
            usage += self.tree(parent, name, f"{told}/{name}")
        return usage

    def _one(self, told: os.stat_result) -> tuple[int, int]:
        if told.st_nlink > 1 and not stat.S_ISDIR(told.st_mode):
            if told.st_ino in self._links:
                return 0, 0
            self._links.add(told.st_ino)
        return told.st_blocks, 1

    def _below(self, parent: int, name: str, told: str) -> tuple[int, int]:
        """Blocks and inodes below a directory: depth first, one open descriptor for each level."""
        stack: list[tuple[int, list[str]]] = []
        try:
            blocks, inodes = self._enter(stack, parent, name, told)
            while stack:
                fd, waiting = stack[-1]
                if not waiting:
                    os.close(stack.pop()[0])
                    continue
                more = self._enter(stack, fd, waiting.pop(), told)
                blocks, inodes = blocks + more[0], inodes + more[1]
        finally:
            for fd, _ in stack:
                os.close(fd)
        self.walked += inodes
        return blocks, inodes

    def _enter(
        self, stack: list[tuple[int, list[str]]], parent: int, name: str, told: str
    ) -> tuple[int, int]:
        """Count what a directory holds and put it on the stack with the directories in it."""
        if len(stack) >= MAX_DEPTH:
            self.skip(f"{told}/.../{name}", f"lies more than {MAX_DEPTH} levels deep")
            return 0, 0
        try:
            fd = os.open(name, _OPEN, dir_fd=parent)
        except FileNotFoundError:
            return 0, 0
        except OSError as error:
            self.skip(f"{told}/.../{name}" if stack else told, error.strerror or "not readable")
            return 0, 0
        inner: list[str] = []
        stack.append((fd, inner))
        blocks = inodes = 0
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    more = self._count(entry, inner, told)
                    blocks, inodes = blocks + more[0], inodes + more[1]
        except OSError as error:
            self.skip(told, f"{error.strerror}: not counted to its end")
        self._tick(inodes)
        return blocks, inodes

    def _count(self, entry: os.DirEntry[str], inner: list[str], told: str) -> tuple[int, int]:
        try:
            seen = entry.stat(follow_symlinks=False)
        except OSError:  # gone meanwhile
            return 0, 0
        if seen.st_dev != self.device:
            if entry.name not in _MOUNTPOINTS:
                self.skip(f"{told}/.../{entry.name}", "another file system is mounted there")
            return 0, 0
        if stat.S_ISDIR(seen.st_mode):
            inner.append(entry.name)
        return self._one(seen)
