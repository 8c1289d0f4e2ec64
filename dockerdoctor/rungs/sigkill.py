"""The procedure that people do by hand at its worst: stop the socket, kill -9, start again.

docker.socket is stopped first, or any client would start the daemon in the middle of it. containerd
is killed only when it does not answer either. Shims, and with them all containers, only when the
policy allows it and the containers are lost anyway (no live-restore).
"""

from __future__ import annotations

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Fault, Impact, Process
from dockerdoctor.rungs._common import START_S, cost_of_a_stop, gone, held_or_full

SIGKILL = 9
GONE_S = 10.0


def run(control: HostControl, scene: Scene) -> Note:
    """Stop, kill by identity, start. What survives a SIGKILL is held by the kernel: it says so."""
    process = control.main_process(Service.DOCKERD)
    shims = control.shims() if may_kill_shims(scene) else ()
    _stop_units(control)
    killed = [process] if process else []
    if scene.readings.get("containerd.answered") is False:
        containerd = control.main_process(Service.CONTAINERD)
        killed += [containerd] if containerd else []
    killed += shims
    for each in killed:
        _kill(control, each)
    held = [why for each in _wait_until_gone(control, killed) if (why := _held(control, each))]
    control.reset_failed(Service.SOCKET, Service.DOCKERD)
    if containerd_died := len(killed) - len(shims) > 1:
        control.start(Service.CONTAINERD)
    control.start(Service.SOCKET, Service.DOCKERD)
    names = ", ".join(f"{each.name} (pid {each.pid})" for each in killed) or "nobody"
    says = f"killed {names}" + (", started containerd" if containerd_died else "")
    if held:
        return Note(says, futile=f"SIGKILL did not end it: {'; '.join(held)}")
    return Note(f"{says}; asked for the daemon's start")


def may_kill_shims(scene: Scene) -> bool:
    """Only where the policy says so and a restart loses the containers anyway."""
    return (
        scene.policy.kill_shims
        and scene.policy.max_impact >= Impact.CONTAINERS
        and not scene.flag("api.live_restore")
    )


def _stop_units(control: HostControl) -> None:
    """Without systemd there is no socket unit; what cannot be stopped is about to be killed."""
    for service in (Service.SOCKET, Service.DOCKERD):
        try:
            control.stop(service)
        except HostFault:
            continue


def _kill(control: HostControl, process: Process) -> None:
    try:
        control.signal(process, SIGKILL)
    except HostFault as fault:
        if fault.fault is not Fault.MISSING:
            raise


def _wait_until_gone(control: HostControl, killed: list[Process]) -> list[Process]:
    began = control.now().mono
    while left := [each for each in killed if not gone(control, each)]:
        if control.now().mono - began > GONE_S:
            return left
        control.pause(0.1)
    return []


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


RUNG = Rung(
    name="sigkill",
    help="stop docker.socket, kill -9 dockerd (containerd too if it hangs), start again",
    impact=cost_of_a_stop,
    settle_s=lambda _: START_S,
    run=run,
    useless=held_or_full,
)
