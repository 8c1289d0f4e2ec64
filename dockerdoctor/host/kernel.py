"""What the kernel has to say of one daemon, put together: threads that it holds, its log, and the
mount of the data-root. One object per host; it remembers between looks.

Nothing here waits: /proc and a non-blocking log are read, and the mount table within a deadline.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from dockerdoctor.errors import HostFault
from dockerdoctor.host import processes
from dockerdoctor.host.held import HeldThreads
from dockerdoctor.host.kernelsigns import HOUR_S, NETDEV_S, KernelSigns
from dockerdoctor.host.kmsg import KernelLog
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.host.mounts import Mount, Mounts
from dockerdoctor.host.nouns import Container, Service
from dockerdoctor.host.traces import KernelTraces, Whose
from dockerdoctor.model import Process

MOUNT_S = 15.0
"""How often the data-root's mount is looked at."""
READ_S = 2.0
KNOWN = 50
"""Daemon processes that are remembered, dead ones included: the kernel's log names them late."""


def daemons(
    main_process: Callable[[Service], Process | None],
) -> list[tuple[Whose, Process]]:
    """The main processes of those that have one and can be asked for."""
    found = []
    for whose, which in ((Whose.DOCKERD, Service.DOCKERD), (Whose.CONTAINERD, Service.CONTAINERD)):
        with contextlib.suppress(HostFault):
            if process := main_process(which):
                found.append((whose, process))
    return found


class KernelWatch:
    """Asked by one probe, now and then."""

    def __init__(self, lanes: Lanes, log: KernelLog | None = None) -> None:
        self._lanes = lanes
        self._log = log or KernelLog()
        self._lock = threading.Lock()
        self._held = HeldThreads()
        self._signs = KernelSigns()
        self._known: dict[Process, Whose] = {}
        self._mounts = Mounts()
        self._mount: Mount | None = None
        self._mount_read = -math.inf

    def look(
        self,
        daemons: Sequence[tuple[Whose, Process]],
        containers: Sequence[Container],
        data_root: Path,
        now: float,
    ) -> KernelTraces:
        """`daemons` are the main processes of now. Those of before count as long as they are there:
        a killed dockerd that the kernel holds is no longer its unit's main process."""
        with self._lock:
            self._known |= {process: whose for whose, process in daemons}
            living = [(w, p) for p, w in self._known.items() if processes.exists(p)]
            held = self._held.look(living, containers, now)
            self._look_at_mount(data_root, now)
            records = self._log.news()
            device = self._mount.device if self._mount else ""
            if records:
                ours = {process.pid for process in self._known}
                ours |= {each.thread for each in held}
                ours.update(*(processes.threads(process.pid) for _, process in living))
                self._signs.fold(records, ours, device)
            self._forget([process for _, process in living])
            return KernelTraces(
                held=held,
                log_known=records is not None,
                hung_tasks_1h=self._signs.count("hung", HOUR_S, now),
                netdev_waits_20m=self._signs.count("netdev", NETDEV_S, now),
                oom_kills_1h=self._signs.count("oom", HOUR_S, now),
                silent_nfs=self._signs.silent_nfs(now),
                fs_errors_1h=self._signs.count("fs", HOUR_S, now),
                data_root_read_only=self._mount.read_only if self._mount else None,
            )

    def close(self) -> None:
        """Give the kernel's log and its mount table back."""
        with self._lock:
            self._log.close()
            self._mounts.close()

    def _look_at_mount(self, data_root: Path, now: float) -> None:
        if now - self._mount_read < MOUNT_S:
            return
        self._mount_read = now
        self._mount = None
        with contextlib.suppress(HostFault, OSError):
            self._mount = self._lanes.run(
                f"the mount of {data_root}", lambda: self._mounts.look(data_root), READ_S
            )

    def _forget(self, living: Sequence[Process]) -> None:
        """The oldest of the dead, when there are too many."""
        for process in list(self._known)[:-KNOWN]:
            if process not in living:
                del self._known[process]
