"""Who listens on a unix socket, told by the kernel: also of a process that hangs."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from dockerdoctor.host import processes
from dockerdoctor.model import Process


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
