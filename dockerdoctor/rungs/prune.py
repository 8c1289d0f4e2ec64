"""Give back space that nobody uses: dangling images, old build cache, long-dead containers.

Only on a daemon that answers: on a hung one a prune blocks on the same locks, and leaves its
"already running" mark for the life of the daemon. Never volumes. Never soon after a restart, when
containers that only failed to come back look like litter (moby #38883).
"""

from __future__ import annotations

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.rungs._common import held_by_the_kernel
from dockerdoctor.units import plain

GRACE_S = 24 * 3600.0
"""What is younger is not touched."""
CALL_S = 45.0
STEADY_S = 3600.0
"""After a start of the daemon, before a stopped container may be called litter."""


def run(control: HostControl, scene: Scene) -> Note:
    """Each kind by itself; one that fails (409: a prune runs already) does not keep the others."""
    kinds = ["images", "build-cache"]
    if scene.number("unit.since_start_s") >= STEADY_S:
        kinds.insert(0, "containers")
    said = []
    for what in kinds:
        try:
            pruned = control.prune(what, GRACE_S, CALL_S)
        except HostFault as fault:
            said.append(f"{what}: {fault.sentence}")
            continue
        said.append(f"{what}: {pruned.count} removed, {plain(pruned.bytes, 'bytes')}")
    return Note("; ".join(said))


def useless(scene: Scene) -> str:
    """A daemon that does not answer cannot prune."""
    if not scene.flag("ping.answered"):
        return "the daemon does not answer, and a prune would hang with it"
    if scene.readings.get("containerd.answered") is False:
        return "containerd does not answer, and a prune would hang with it"
    return held_by_the_kernel(scene)


RUNG = Rung(
    name="prune",
    help="remove dangling images, build cache and dead containers older than a day; never volumes",
    impact=lambda _: Impact.DAEMON,
    settle_s=lambda _: 30.0,
    run=run,
    useless=useless,
)
