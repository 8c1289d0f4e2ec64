"""Who listens on a unix socket, told by the kernel: also of a process that hangs."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from dockerdoctor.host import processes
from dockerdoctor.model import Process

ACCEPTS = "00010000"
"""__SO_ACCEPTCON among the flags of /proc/net/unix."""


def listener(path: Path) -> Process | None:
    """The process that called listen(2) on the socket (SO_PEERCRED); None when nobody listens.

    For a socket that systemd handed over, this is systemd."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as link:
            link.connect(str(path))
            raw = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    except OSError:
        return None
    pid, _, _ = struct.unpack("3i", raw)
    return processes.identify(pid) if pid > 0 else None


class Listening:
    """Whether a process still holds the listening socket at a path, as /proc tells it.

    No connection is made: one that nobody takes stays in the queue of the socket that systemd holds
    as well, and starts the daemon once it is down. Cheap: one link is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[Process, int, str] | None = None

    def held_by(self, process: Process) -> bool:
        """False also where its files may not be seen."""
        if self._known is None or self._known[0] != process:
            self._known = self._find(process)
        if self._known is None:
            return False
        _, file, name = self._known
        return _target(process.pid, file) == name

    def _find(self, process: Process) -> tuple[Process, int, str] | None:
        names = {f"socket:[{inode}]" for inode in _listening(os.path.realpath(self._path))}
        try:
            files = [int(each.name) for each in Path(f"/proc/{process.pid}/fd").iterdir()]
        except OSError:
            return None
        found = ((file, _target(process.pid, file)) for file in sorted(files))
        return next(((process, file, name) for file, name in found if name in names), None)


def _listening(path: str) -> Iterator[str]:
    """The inodes of the sockets that were bound to this path and listen."""
    with Path("/proc/net/unix").open(errors="surrogateescape") as lines:
        for line in lines:  # address: references protocol flags type state inode path
            words = line.rstrip("\n").split(None, 7)
            if len(words) == 8 and words[3] == ACCEPTS and os.path.realpath(words[7]) == path:
                yield words[6]


def _target(pid: int, file: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{file}")  # noqa: PTH115 (at every ping: no Path)
    except OSError:
        return ""
