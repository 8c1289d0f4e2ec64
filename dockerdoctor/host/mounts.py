"""Which mount a directory is on, from /proc/self/mountinfo: read-only or not, and its device.

Only the line that counts is parsed: a host with 500 containers has thousands.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dockerdoctor.host.cgroups import unescape

READ_ONLY = frozenset({"ro", "emergency_ro", "shutdown"})
"""`emergency_ro` and `shutdown` are what ext4 of newer kernels says after an error."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: where, whether it takes no writes, and its block device (`sda1`, `dm-0`)."""

    point: str
    read_only: bool
    device: str


def mount_of(path: Path, mountinfo: str, sys_dev: Path = Path("/sys/dev/block")) -> Mount | None:
    """The mount with the longest point above `path`; the last of several at the same place."""
    wanted = f"{path}/"
    best, length = "", 0
    for line in mountinfo.splitlines():
        words = line.split(" ", 5)
        point = unescape(words[4]) if len(words) == 6 else ""
        if len(point) >= length and point and wanted.startswith(f"{point.rstrip('/')}/"):
            best, length = line, len(point)
    if not best:
        return None
    fields, _, more = best.partition(" - ")
    words, others = fields.split(), more.split()
    options = {*words[5].split(","), *(others[2].split(",") if len(others) > 2 else ())}
    return Mount(unescape(words[4]), bool(options & READ_ONLY), _device(sys_dev / words[2]))


def look(path: Path) -> Mount | None:
    """The mount of this directory now. Raises OSError; may block where a mount does."""
    text = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
    return mount_of(Path(os.path.realpath(path)), text)


def _device(link: Path) -> str:
    """The kernel's name of a block device; empty for a file system without one."""
    try:
        return link.readlink().name
    except OSError:
        return ""
