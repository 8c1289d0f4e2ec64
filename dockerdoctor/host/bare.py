"""The state of a daemon that systemd does not know, in systemd's words."""

from __future__ import annotations

import contextlib
import math
import signal
from collections.abc import Sequence

from dockerdoctor.errors import HostFault
from dockerdoctor.host import pids, processes, programs
from dockerdoctor.host.nouns import ServiceState
from dockerdoctor.model import Process


def stands_still(process: Process) -> bool:
    """Stopped, traced or frozen: that is no start."""
    try:
        seen = processes.vitals(process)
    except HostFault:
        return False
    return seen.state in "Tt" or seen.frozen


def state(
    name: str,
    active: str,
    sub: str,
    process: Process | None = None,
    result: str = "success",
    served: bool = True,
) -> ServiceState:
    """Nobody sends SIGKILL after a time here, so the stop time-out is for ever."""
    return ServiceState(
        name=name,
        active=active,
        sub=sub,
        result=result,
        main_pid=process.pid if process else 0,
        left_inactive_mono_s=processes.started_mono_s(process) if process else None,
        stop_timeout_s=math.inf,
        restart="no",
        served=served,
    )


def orphaned_containerd(dockerd_argv: Sequence[str]) -> Process | None:
    """The containerd that a killed dockerd had started. It is killed with it (its parent-death
    signal), but a moment later: a new dockerd that still meets it counts on it for ever."""
    return pids.named(pids.of_containerd(dockerd_argv), programs.is_containerd)


def terminate(process: Process | None) -> None:
    """SIGTERM, and SIGCONT so that a stopped process takes it; one that is gone is gone."""
    if process is None:
        return
    with contextlib.suppress(HostFault):
        processes.signal(process, signal.SIGTERM)
        processes.signal(process, signal.SIGCONT)
