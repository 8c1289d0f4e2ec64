"""Whether packages are being installed now: then docker is stopped and started by somebody else.

The lock files of dpkg go in, the name of who holds one comes out. Asking takes no lock.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

LOCKS = (Path("/var/lib/dpkg/lock-frontend"), Path("/var/lib/dpkg/lock"))
_FLOCK = "hhqqi4x"
"""struct flock of 64-bit Linux: type, whence, start, length, pid."""


def at_work(locks: tuple[Path, ...] = LOCKS) -> str:
    """Who installs packages, as `apt-get (pid 12)`; empty when nobody does."""
    for path in locks:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
        except OSError:
            continue
        finally:
            os.close(fd)
        if kind != fcntl.F_UNLCK:
            return f"{_name(pid)} (pid {pid})"
    return ""


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip() or "somebody"
    except OSError:
        return "somebody"
