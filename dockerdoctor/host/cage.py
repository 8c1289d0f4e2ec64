"""A cgroup for a process of our own that is to be frozen, so that it hears not even SIGTERM."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from dockerdoctor.errors import HostFault
from dockerdoctor.host import cgroups
from dockerdoctor.host.faults import from_os
from dockerdoctor.model import Fault, Process

EMPTY_S = 10.0
"""For a cgroup whose processes are dead to become empty."""


class Cage:
    """Made once something is to be frozen in it; works from within another namespace."""

    def __init__(self, name: str) -> None:
        self._name = name

    def freeze(self, process: Process) -> None:
        """Move the process into the cage and freeze that. HostFault where cgroup v2 is not to be
        had."""
        place = self._place()
        if place is None:
            raise HostFault(Fault.MISSING, "cgroup v2 is not mounted", "choose another fault")
        try:
            place.mkdir(exist_ok=True)
            (place / "cgroup.procs").write_text(str(process.pid))
            (place / "cgroup.freeze").write_text("1")
        except OSError as error:
            raise from_os(error, "cannot freeze a cgroup here", "choose another fault") from error

    def remove(self) -> None:
        """Once its processes are dead."""
        place = self._place()
        deadline = time.monotonic() + EMPTY_S
        while place is not None and place.exists() and time.monotonic() < deadline:
            try:
                place.rmdir()
            except OSError:  # busy for a moment after the last of them has died
                time.sleep(0.05)

    def _place(self) -> Path | None:
        mount = cgroups.v2_mount(Path("/proc/self/mountinfo").read_text())
        return mount[0] / self._name if mount else None


@contextlib.contextmanager
def cage(name: str) -> Iterator[Cage]:
    """One of this name, that is gone afterwards."""
    made = Cage(name)
    try:
        yield made
    finally:
        made.remove()
