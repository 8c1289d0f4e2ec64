"""The kernel's log, read forward: /dev/kmsg goes in, records come out.

Non-blocking and bounded; where there is no such device (a container has a pipe in its place) or no
permission, the log is not known. Only what the kernel itself says counts: whoever may write to
/dev/kmsg cannot do so under the kernel's own facility.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

DEVICE = (1, 11)
MAX_RECORD = 8192
"""Bytes; a smaller buffer would lose a record (EINVAL)."""
MAX_RECORDS = 20_000
"""In one look: more than a log buffer of 1 MB holds."""


class Record(Struct, frozen=True):
    """One message. `at` is the monotonic clock, s (the log's own clock, close to it)."""

    at: float
    text: str


def parse(raw: bytes) -> Record | None:
    """`6,339,5140900,-;text` with lines of `KEY=value` below; None for what others wrote."""
    head, semicolon, rest = raw.partition(b";")
    fields = head.split(b",")
    try:
        priority, at_us = int(fields[0]), int(fields[2])
    except (IndexError, ValueError):
        return None
    if not semicolon or priority >> 3:
        return None
    text = rest.split(b"\n", 1)[0].decode("utf-8", "replace")
    return Record(at_us / 1e6, text)


class KernelLog:
    """One reader; it keeps its place. Not thread-safe: one thread at a time asks it."""

    def __init__(self, path: Path = Path("/dev/kmsg")) -> None:
        self._path = path
        self._fd = -1

    def news(self) -> Sequence[Record] | None:
        """What was logged since the last call; at first all that the kernel still has. None where
        the log cannot be read."""
        if self._fd < 0 and not self._open():
            return None
        found: list[Record] = []
        for _ in range(MAX_RECORDS):
            try:
                raw = os.read(self._fd, MAX_RECORD)
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue  # overwritten before it was read: the next read is the oldest there is
            except OSError:
                self.close()
                break
            if record := parse(raw):
                found.append(record)
        return found

    def close(self) -> None:
        """Give the device back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> bool:
        try:
            seen = self._path.stat()
            if not stat.S_ISCHR(seen.st_mode):
                return False
            if (os.major(seen.st_rdev), os.minor(seen.st_rdev)) != DEVICE:
                return False
            self._fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        return True
