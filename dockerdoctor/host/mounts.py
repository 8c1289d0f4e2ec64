"""Which mount a directory is on, from /proc/self/mountinfo: read-only or not, and its device.

A host with 500 containers has thousands of mounts: all of them are read only when the kernel says
that something was mounted or unmounted. The one that counts is read each time, as an error of its
file system makes it read-only without a word.
"""

from __future__ import annotations

import os
import select
from pathlib import Path
from typing import TextIO

from msgspec import Struct

from dockerdoctor.host.cgroups import unescape

TABLE = Path("/proc/self/mountinfo")
SYS_DEV = Path("/sys/dev/block")

READ_ONLY = frozenset({"ro", "emergency_ro", "shutdown"})
"""`emergency_ro` and `shutdown` are what ext4 of newer kernels says after an error."""


class Mount(Struct, frozen=True):
    """One mount: where, whether it takes no writes, and its block device (`sda1`, `dm-0`)."""

    point: str
    read_only: bool
    device: str


class Mounts:
    """The table, followed. Not thread-safe; every look may block where a mount does."""

    def __init__(self, table: Path = TABLE, sys_dev: Path = SYS_DEV) -> None:
        self._table = table
        self._sys_dev = sys_dev
        self._file: TextIO | None = None
        self._changes = select.poll()
        self._known = (Path(), "")
        """Which directory was looked for, and the id of its mount."""

    def look(self, path: Path) -> Mount | None:
        """The mount of this directory now. Raises OSError."""
        if self._file is None:
            self._file = self._table.open(encoding="utf-8", errors="replace")
            self._changes.register(self._file, select.POLLPRI)
        changed = self._changes.poll(0)
        real = Path(os.path.realpath(path))
        line = ""
        if not changed and self._known[0] == real:
            self._file.seek(0)
            begin = f"{self._known[1]} "  # the older a mount, the sooner it comes
            line = next((each for each in self._file if each.startswith(begin)), "")
        if not line:
            self._file.seek(0)
            line = _line_of(real, self._file.read())
            self._known = (real, line.partition(" ")[0])
        return _parsed(line, self._sys_dev) if line else None

    def close(self) -> None:
        """Give the table back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _line_of(path: Path, mountinfo: str) -> str:
    """The mount with the longest point above `path`, as it is in the table; the last of several at
    the same place. Empty without one."""
    wanted = f"{path}/"
    best, length = "", 0
    for line in mountinfo.splitlines():
        words = line.split(" ", 5)
        point = unescape(words[4]) if len(words) == 6 else ""
        if len(point) >= length and point and wanted.startswith(f"{point.rstrip('/')}/"):
            best, length = line, len(point)
    return best


def _parsed(line: str, sys_dev: Path) -> Mount:
    fields, _, more = line.partition(" - ")
    words, others = fields.split(), more.split()
    options = {*words[5].split(","), *(others[2].split(",") if len(others) > 2 else ())}
    return Mount(unescape(words[4]), bool(options & READ_ONLY), _device(sys_dev / words[2]))


def _device(link: Path) -> str:
    """The kernel's name of a block device; empty for a file system without one."""
    try:
        return link.readlink().name
    except OSError:
        return ""
