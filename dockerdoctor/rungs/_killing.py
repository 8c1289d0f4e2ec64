"""Kill by identity and start again, as `sigkill` and `kill-all` do it.

No unit is stopped for it: systemd stops with docker.service all units that require it, and would
leave them down. One that is killed is started again, and so are they.
"""

from __future__ import annotations

from collections.abc import Sequence

from dockerdoctor.declare import Note
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Fault, Process
from dockerdoctor.rungs._common import SIGKILL, left_after

GONE_S = 10.0


def kill_and_start(
    control: HostControl,
    dockerd: Process | None,
    containerd: Process | None,
    shims: Sequence[Process],
) -> Note:
    """Kill by identity, start. What survives a SIGKILL is held by the kernel: it says so."""
    killed = [each for each in (dockerd, containerd, *shims) if each]
    for each in killed:
        _kill(control, each)
    held = [why for each in left_after(control, killed, GONE_S) if (why := _held(control, each))]
    control.reset_failed(Service.SOCKET, Service.DOCKERD)
    if containerd:
        control.start(Service.CONTAINERD)
    control.start(Service.SOCKET, Service.DOCKERD)
    names = ", ".join(f"{each.name} (pid {each.pid})" for each in killed) or "nobody"
    says = f"killed {names}" + (", started containerd" if containerd else "")
    if held:
        return Note(says, futile=f"SIGKILL did not end it: {'; '.join(held)}")
    return Note(f"{says}; asked for the daemon's start")


def _kill(control: HostControl, process: Process) -> None:
    try:
        control.signal(process, SIGKILL)
    except HostFault as fault:
        if fault.fault is not Fault.MISSING:
            raise


def _held(control: HostControl, process: Process) -> str:
    """What keeps a killed process: its tracer, or the kernel; empty when it is gone after all."""
    try:
        vitals = control.vitals(process)
    except HostFault as fault:
        if fault.fault is Fault.MISSING:
            return ""
        raise
    if vitals.tracer:
        return f"{process.name} is held by {vitals.tracer.name} (pid {vitals.tracer.pid})"
    return f"the kernel holds {process.name} (pid {process.pid}, state {vitals.state})"
