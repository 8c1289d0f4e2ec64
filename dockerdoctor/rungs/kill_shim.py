"""Kill the shim of one stuck container: containerd then ends that container, and no other.

For a container whose lock is held by a call to a shim that does not answer (containerd #2438). The
daemon, containerd and all other containers go on. Each is asked once more just before: one that
answers now, that is being started, or that has hung only for a moment is none of it; and while
somebody copies to or from a container or diffs one, that may be what holds the lock, by right.
"""

from __future__ import annotations

from collections.abc import Sequence

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.roster import stuck
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.probes.locks import ask_again
from dockerdoctor.rungs._common import SIGKILL, container_held, held_by_the_kernel

LOOK_S = 3.0
COPYING = "somebody copies to or from a container, or diffs one: that holds its lock until it ends"


def run(control: HostControl, scene: Scene) -> Note:
    """SIGKILL, by identity, to the shims of the containers that hang for longer than may be.
    HostFault when nobody can say whether something is being copied."""
    if control.builds(LOOK_S).copies:
        return Note("killed nothing", futile=COPYING)
    suspects = hanging(control)
    if not suspects:
        return Note("killed nothing", futile="none that runs has hung for so long")
    killed = []
    for each in suspects:
        if shim := control.shim_of(each.id):
            control.signal(shim, SIGKILL)
            killed.append(f"{each.name} (shim pid {shim.pid})")
    if not killed:
        return Note("killed nothing", futile="no stuck container has a shim of this daemon")
    return Note(f"killed the shim of {', '.join(killed)}")


def hanging(control: HostControl) -> Sequence[Container]:
    """Those that run and have hung for longer than may be, asked just now."""
    ask_again(control)
    found = stuck(control.roster(), control.now().mono)
    return [each for each, _ in found if each.state == "running"]


def useless(scene: Scene) -> str:
    """Only for stuck containers, on a daemon and a containerd that answer."""
    if not scene.number("locks.stuck"):
        return "no container is stuck"
    if scene.number("builds.copies"):
        return COPYING
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
    by_hand_s=300.0,
    useless=useless,
    whom=lambda scene: scene.word("locks.stuck_names").split(),
)
