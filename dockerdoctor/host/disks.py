"""How full a file system is, without ever waiting for a dead one: statvfs with a deadline."""

from __future__ import annotations

import os
from pathlib import Path

from dockerdoctor.errors import HostFault
from dockerdoctor.host.faults import from_os
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.host.nouns import DiskUse
from dockerdoctor.model import Fault


def use(path: Path, counted: os.statvfs_result, device: int = 0) -> DiskUse:
    """statvfs in df's words. Raises HostFault(GARBLED) for a file system without a size."""
    used = counted.f_blocks - counted.f_bfree
    if counted.f_blocks <= 0 or used + counted.f_bavail <= 0:
        raise HostFault(Fault.GARBLED, f"the file system of {path} says it has no size")
    inodes_used = counted.f_files - counted.f_ffree
    return DiskUse(
        path=path,
        total_bytes=counted.f_blocks * counted.f_frsize,
        free_bytes=counted.f_bavail * counted.f_frsize,
        used_ratio=used / (used + counted.f_bavail),
        inodes_used_ratio=inodes_used / counted.f_files if counted.f_files > 0 else 0.0,
        inodes_total=counted.f_files,
        device=device,
    )


def look(lanes: Lanes, path: Path, timeout_s: float) -> DiskUse:
    """HostFault: TIMEOUT (and at once while an earlier look still hangs), MISSING, DENIED."""

    def counted() -> DiskUse:
        return use(path, os.statvfs(path), path.stat().st_dev)

    try:
        return lanes.run(f"statvfs {path}", counted, timeout_s)
    except OSError as error:
        raise from_os(error, f"cannot look at {path}") from error
