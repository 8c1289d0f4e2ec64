"""What is mounted where, by the kernel's table: file systems of other machines, which are not
asked, and directories that lie elsewhere on the same disk."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from dockerdoctor.host.cgroups import unescape

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
            return f"{told[0]} ({unescape(told[1])})"
    return ""


def grafted(table: str, root: Path, device: int) -> frozenset[int]:
    """Inodes of the directories that are bind-mounted below `root` from another place of the same
    file system (a volume of `o=bind`): by its device number nothing tells them from what is there.
    Empty where the table names the device otherwise (btrfs)."""
    number, top = f"{os.major(device)}:{os.minor(device)}", os.path.realpath(root)
    rows = (line.split()[2:5] for line in table.splitlines())
    known = [tuple(map(unescape, each[1:])) for each in rows if len(each) > 2 and each[0] == number]
    around = [each for each in known if _below(top, each[1])]
    if not around:
        return frozenset()
    base, mounted = max(around, key=lambda each: len(each[1]))
    own = os.path.join(base, os.path.relpath(top, mounted))  # noqa: PTH118
    inner = [place for source, place in known if _below(place, top) and not _below(source, own)]
    found: set[int] = set()
    for place in inner:
        with contextlib.suppress(OSError):
            found.add(os.lstat(place).st_ino)
    return frozenset(found)


def _below(path: str, top: str) -> bool:
    return Path(path).is_relative_to(os.path.normpath(top))
