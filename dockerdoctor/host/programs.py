"""Which program a process is: dockerd, containerd, or somebody else whose name begins likewise.

By the name that /proc gives it, or by its file where it was started under another one. dockerd-ce
and dockerd-27.3 are dockerds; dockerdoctor, dockerd-rootless.sh (cut to the 15 characters that the
kernel keeps, and a shell by its file) and containerd-shim-runc-v2 only begin so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dockerdoctor.model import Process

DOCKERD = re.compile(r"dockerd(-(ce|ee|dev|v?\d.*))?")
CONTAINERD = re.compile(r"(docker-)?containerd(-v?\d.*)?")
DAEMONS = (DOCKERD, CONTAINERD)
"""Their names, also cut."""


def is_dockerd(process: Process, ours: Sequence[str] = ()) -> bool:
    """Whether it is a dockerd, anybody's, or runs the program of our daemon's command line `ours`,
    whatever that is called."""
    if DOCKERD.fullmatch(process.name):
        return True
    file = file_of(process)
    return bool(DOCKERD.fullmatch(file)) or (bool(ours) and file == Path(ours[0]).name)


def is_containerd(process: Process) -> bool:
    """Whether it is a containerd, anybody's."""
    return bool(CONTAINERD.fullmatch(process.name) or CONTAINERD.fullmatch(file_of(process)))


def file_of(process: Process) -> str:
    """The name of the file that it runs; empty where that may not be seen, or once it has ended."""
    try:
        file = Path(f"/proc/{process.pid}/exe").readlink().name
    except OSError:
        return ""
    return file.removesuffix(" (deleted)")  # replaced by an upgrade
