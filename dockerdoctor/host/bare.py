"""The state of a daemon that systemd does not know, in systemd's words."""

from __future__ import annotations

import math

from dockerdoctor.errors import HostFault
from dockerdoctor.host import processes
from dockerdoctor.host.view import ServiceState
from dockerdoctor.model import Process


def stands_still(process: Process) -> bool:
    """Stopped, traced or frozen: that is no start."""
    try:
        seen = processes.vitals(process)
    except HostFault:
        return False
    return seen.state in "Tt" or seen.frozen


def state(
    name: str, active: str, sub: str, process: Process | None = None, result: str = "success"
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
    )
