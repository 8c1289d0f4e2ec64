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
BLOCK = 512
"""Bytes; what `st_blocks` counts, whatever the file system's own blocks are."""
_TYPE, _DIRECTORY = 0o170000, stat.S_IFDIR
_MOUNTPOINTS = ("merged", "shm", "rootfs")
"""Where docker itself mounts the file systems of running containers; nothing to speak of."""


class Walk:
    """Counts several trees of one file system; a hard link into two of them counts once."""

    def __init__(
        self,
        device: int,
        tick: Callable[[int], None] = lambda _: None,
        grafted: frozenset[int] = frozenset(),
    ) -> None:
        """`tick` is told the inodes looked at so far, directory by directory; `grafted` are inodes
        of directories that are mounted here and lie elsewhere."""
        self.device = device
        self.walked = 0
        self.skipped: list[str] = []
        self.more_skipped = 0
        self.links: dict[int, list[int]] = {}
        """Of files with names that were not seen yet: blocks, and how many names; by inode."""
        self.tick = tick
        self._grafted = grafted

    def skip(self, what: str, why: str) -> None:
        """Put on record what was not counted."""
        self.note(f"{what.encode('utf-8', 'replace').decode()!r}: {why}")

    def note(self, told: str) -> None:
        """The same as a sentence."""
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append(told)
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
        if not stat.S_ISDIR(top.st_mode):
            return Usage(top.st_blocks * BLOCK, 1) if self._first(top) else Usage()
        blocks, inodes = self._below(parent.fd, name, told or name)
        return Usage((top.st_blocks + blocks) * BLOCK, 1 + inodes)

    def _first(self, seen: os.stat_result) -> bool:
        """Whether this thing was not counted under another of its names."""
        if seen.st_nlink < 2:
            return True
        known = self.links.get(seen.st_ino)
        if known is None:
            self.links[seen.st_ino] = [seen.st_blocks, seen.st_nlink - 1]
            return True
        known[1] -= 1
        if known[1] <= 0:  # of a million such files none need be remembered to the end
            del self.links[seen.st_ino]
        return False

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
        blocks, inodes = self._count(fd, inner, told)
        self.tick(inodes)
        return blocks, inodes

    def _count(self, fd: int, inner: list[str], told: str) -> tuple[int, int]:
        """What one directory holds; the names of those in it go to `inner`. This is the loop that
        sees every file: nothing is called in it but the system."""
        blocks = inodes = 0
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    try:
                        seen = entry.stat(follow_symlinks=False)
                    except OSError:  # gone meanwhile
                        continue
                    if seen.st_dev != self.device:
                        if entry.name not in _MOUNTPOINTS:
                            name = f"{told}/.../{entry.name}"
                            self.skip(name, "another file system is mounted there")
                        continue
                    if seen.st_mode & _TYPE == _DIRECTORY:
                        if seen.st_ino in self._grafted:
                            name = f"{told}/.../{entry.name}"
                            self.skip(name, "a directory from elsewhere is mounted there")
                            continue
                        inner.append(entry.name)
                    elif seen.st_nlink > 1 and not self._first(seen):
                        continue
                    blocks += seen.st_blocks
                    inodes += 1
        except OSError as error:
            self.skip(told, f"{error.strerror}: not counted to its end")
        return blocks, inodes
