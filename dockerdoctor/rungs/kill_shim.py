"""Kill the shim of one stuck container: containerd then ends that container, and no other.

For a container whose lock is held by a call to a shim that does not answer (containerd #2438). The
daemon, containerd and all other containers go on.
"""

from __future__ import annotations

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.roster import stuck
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.rungs._common import SIGKILL, container_held, held_by_the_kernel


def run(control: HostControl, scene: Scene) -> Note:
    """SIGKILL, by identity, to the shims of the containers that hang for longer than may be."""
    killed = []
    for each, _ in stuck(control.roster(), control.now().mono):
        if shim := control.shim_of(each.id):
            control.signal(shim, SIGKILL)
            killed.append(f"{each.name} (shim pid {shim.pid})")
    if not killed:
        why = "no stuck container has a shim of this daemon"
        return Note("killed nothing", futile=why)
    return Note(f"killed the shim of {', '.join(killed)}")


def useless(scene: Scene) -> str:
    """Only for stuck containers, on a daemon and a containerd that answer."""
    if not scene.number("locks.stuck"):
        return "no container is stuck"
    if scene.readings.get("containerd.answered") is False:
        return "containerd does not answer: it, not a shim, is what hangs"
    if why := container_held(scene):
        return f"{why}: a kill does not end it"
    return held_by_the_kernel(scene)


RUNG = Rung(
    name="kill-shim",
    help="kill the shim of a stuck container; only that container is lost",
    impact=lambda _: Impact.CONTAINERS,
    settle_s=lambda _: 90.0,
    run=run,
    useless=useless,
)
