"""What is to go is moved aside first: into the data-root's `tmp`, under a name of ours.

That is one step, and dockerd itself empties `tmp` at its start: a removal that was cut off is over
for docker, and the next one finishes it. In: open directories. Raises OSError.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from dockerdoctor.host.storage.opened import Directory

PLACE = "tmp"
OURS = "dockerdoctor-orphan-"
LATER = "an earlier one is still being removed: the next run goes on"


@contextlib.contextmanager
def aside(top: Directory) -> Iterator[Directory]:
    """`tmp` of a data-root."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(PLACE, 0o700, dir_fd=top.fd)
    with top.sub(PLACE) as place:
        yield place


def moved(source: Directory, name: str, place: Directory) -> None:
    """Out of docker's way."""
    os.rename(name, OURS + name, src_dir_fd=source.fd, dst_dir_fd=place.fd)


def cleared(place: Directory, deadline: float) -> bool:
    """Remove what was moved aside, by whomever; whether that was done in time (monotonic, s)."""
    return all(_deleted(place, name, deadline) for name in place.names() if name.startswith(OURS))


def mounts() -> Iterator[str]:
    """The mounts of every mount namespace that has a process."""
    seen: set[str] = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it is gone
            space = str((process / "ns/mnt").readlink())
            if space not in seen:
                table = (process / "mountinfo").read_text("utf-8", "replace")
                seen.add(space)
                yield table


def _deleted(parent: Directory, name: str, deadline: float) -> bool:
    """A file, or a tree bottom up, through descriptors: no link is followed."""
    seen = parent.stat(name)
    if not stat.S_ISDIR(seen.st_mode):
        os.unlink(name, dir_fd=parent.fd)
        return True
    for _, directories, files, fd in os.fwalk(name, topdown=False, dir_fd=parent.fd):
        if time.monotonic() > deadline:
            return False
        if os.fstat(fd).st_dev != seen.st_dev:
            raise OSError(16, "another file system is mounted in it")
        for each in files:
            os.unlink(each, dir_fd=fd)
        for each in directories:
            try:
                os.rmdir(each, dir_fd=fd)
            except NotADirectoryError:
                os.unlink(each, dir_fd=fd)
    os.rmdir(name, dir_fd=parent.fd)
    return True
