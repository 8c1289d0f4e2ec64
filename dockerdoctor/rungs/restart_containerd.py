"""Restart containerd, and leave dockerd alone: it connects again by itself.

The shims, and so the containers, outlive it where its unit says KillMode=process, as Debian's and
upstream's do, and docker.service does not require it; else it costs them. Restarting dockerd
instead would hang: its stop waits for containerd.
"""

from __future__ import annotations

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.rungs._common import deaf_to_sigterm, full, held_by_the_kernel

SETTLE_S = 60.0


def run(control: HostControl, scene: Scene) -> Note:
    """Ask for the restart of containerd.service; a deaf one is killed by systemd's own time-out."""
    process = control.main_process(Service.CONTAINERD)
    control.restart(Service.CONTAINERD)
    deaf = deaf_to_sigterm(control, process)
    if deaf and process:
        control.signal(process, 9)
        return Note("asked for a restart of containerd; it took no SIGTERM, so killed it")
    return Note("asked for a restart of containerd")


def useless(scene: Scene) -> str:
    """Only where containerd has a unit of its own, and nobody stopped that."""
    state = scene.word("containerd.active_state")
    if state in ("", "none"):
        return "containerd is no service of its own here: dockerd starts it"
    if scene.flag("containerd.stopped_by_operator"):
        return "containerd.service was stopped on purpose: hands off"
    return held_by_the_kernel(scene)


def cost(scene: Scene) -> Impact:
    """The containers where its unit does not spare them."""
    return Impact.CONTAINERS if scene.flag("containerd.takes_along") else Impact.DAEMON


RUNG = Rung(
    name="restart-containerd",
    help="restart containerd, not dockerd; containers live on in their shims (KillMode=process)",
    impact=cost,
    settle_s=lambda _: SETTLE_S,
    run=run,
    by_hand_s=120.0,
    room=full,
    useless=useless,
)
