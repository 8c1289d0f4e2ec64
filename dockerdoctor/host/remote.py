"""Which file systems are another machine's, by the kernel's table of mounts; they are not asked."""

from __future__ import annotations

import os
import re
from pathlib import Path

_TYPES = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "afs", "lustre", "gfs2", "ocfs2")
) | {"fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.ceph"}


def mounts() -> str:
    """The table. Raises OSError."""
    return Path("/proc/self/mountinfo").read_text("utf-8", "replace")


def remote(table: str, device: int) -> str:
    """Type and source of the file system with this device number, where it is another machine's;
    else empty, as for one that is not in the table."""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in table.splitlines():
        mount, _, system = line.partition(" - ")
        fields, told = mount.split(), system.split()
        if len(fields) > 2 and fields[2] == number and len(told) > 1 and told[0] in _TYPES:
            source = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), told[1])
            return f"{told[0]} ({source})"
    return ""
