"""Faults of file systems: frozen, full, out of inodes, a log without end.

In: a lab host; those that fill or freeze the data-root want one booted with `data_root_mb`.
Out: context managers; the fault holds inside the block and is undone at its end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.lab.host import LabHost

DATA_ROOT = "/var/lib/docker"


@contextlib.contextmanager
def frozen_data_root(host: LabHost) -> Iterator[None]:
    """Freeze the data-root's file system: writers go to D state, where SIGKILL does not work."""
    _need_own_disk(host)
    host.run("fsfreeze", "--freeze", DATA_ROOT)
    try:
        yield
    finally:
        host.run("fsfreeze", "--unfreeze", DATA_ROOT)


@contextlib.contextmanager
def full_data_root(host: LabHost, leave_kb: int = 0) -> Iterator[None]:
    """Fill the data-root's blocks but for `leave_kb`."""
    _need_own_disk(host)
    with _filled(host.outside(DATA_ROOT), leave_kb):
        yield


@contextlib.contextmanager
def no_inodes_in_data_root(host: LabHost, leave: int = 0) -> Iterator[None]:
    """Use up the data-root's inodes but for `leave` (boot with `inodes=` to keep this quick)."""
    _need_own_disk(host)
    litter = host.outside(DATA_ROOT) / "lab-litter"
    litter.mkdir()
    try:
        files = _fill_inodes(litter)
        for number in range(max(files - leave, 0), files):
            (litter / str(number)).unlink()
        yield
    finally:
        shutil.rmtree(litter)


def _fill_inodes(litter: Path) -> int:
    number = 0
    while True:
        try:
            (litter / str(number)).touch()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return number
        number += 1


@contextlib.contextmanager
def full_run(host: LabHost, leave_kb: int = 0) -> Iterator[None]:
    """Fill /run, after making the tmpfs small: no fifos, so no container starts."""
    run = host.outside("/run")
    before = os.statvfs(run)
    used_kb = (before.f_blocks - before.f_bfree) * before.f_frsize // 1024
    host.run("mount", "-o", f"remount,size={used_kb + 1024}k", "/run")
    try:
        with _filled(run, leave_kb):
            yield
    finally:
        size_kb = before.f_blocks * before.f_frsize // 1024
        host.run("mount", "-o", f"remount,size={size_kb}k", "/run")


@contextlib.contextmanager
def _filled(directory: Path, leave_kb: int) -> Iterator[None]:
    filler = directory / "lab-filler"
    try:
        with filler.open("wb") as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 65536)
                    file.flush()
            _top_up(file.fileno())
            size = os.fstat(file.fileno()).st_size
            os.ftruncate(file.fileno(), max(size - leave_kb * 1024, 0))
        yield
    finally:
        filler.unlink(missing_ok=True)


def _top_up(file: int) -> None:
    """Take the last blocks that were too few for a big write, and make the disk agree."""
    with contextlib.suppress(OSError):
        while True:
            os.write(file, b"\0" * 512)
    with contextlib.suppress(OSError):
        os.fsync(file)


@contextlib.contextmanager
def endless_log(host: LabHost, name: str = "chatter") -> Iterator[Path]:
    """Run a container that prints some MB a second; yields its json log as seen from outside."""
    prints = "while :; do yes 'a line of a log nobody rotates' | head -n 20000; sleep 0.2; done"
    ident = host.start_container(name, "--log-driver", "json-file", cmd=("sh", "-c", prints))
    try:
        yield host.outside(f"{DATA_ROOT}/containers/{ident}/{ident}-json.log")
    finally:
        host.docker("rm", "--force", name, timeout=120)


def _need_own_disk(host: LabHost) -> None:
    if not host.own_disk:
        raise ValueError("boot this host with data_root_mb: else the outer machine's disk is hit")
