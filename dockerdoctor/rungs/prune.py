"""Give back what is needed of a full data-root (or of containerd's root, where the images lie there
on another file system) and no more, in the order of regret.

The plan of `disk reclaim`, made from the data-root's own databases (or by what the daemon tells of
containerd's image store): long-stopped containers and dangling images, build cache, images by last
use. Only on a daemon that answers: a hung one is asked nothing, as a prune blocks on the same
locks. Never volumes (they may go by hand only); logs where the configuration allows it. Never
containers soon after a start, when those that only failed to come back look like litter
(moby #38883).
"""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.nouns import DiskUse
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.reclaim import STAT_S, Done, carry_out, low_enough, plan, room
from dockerdoctor.rungs._common import held_by_the_kernel
from dockerdoctor.units import plain

CALL_S = 45.0
STEADY_S = 3600.0
"""After a start of the daemon, before a stopped container may be called litter."""
ROUNDS = 3
"""Sizes that the layer database tells are too small or too large: look again, plan again. What
could not be removed is left out once: after what comes next there may be room for it."""
SHOWN = 3


def run(control: HostControl, scene: Scene) -> Note:
    """Raises HostFault when the data-root cannot be read."""
    allowed = replace(scene.allowed, anonymous_volumes=False, start_ratio=0.0)
    # What ended within the grace time is left alone anyway.
    steady = scene.number("unit.since_start_s") >= min(STEADY_S, allowed.grace_s)
    found = control.with_images(control.survey(), CALL_S)
    where = room(control, found)

    def use() -> DiskUse:
        return control.disk(where.path, STAT_S)

    began = use()
    done: list[Done] = []
    gone: set[str] = set()
    stayed: set[str] = set()
    for _ in range(ROUNDS):
        now, without = control.now().wall, gone | stayed
        args = (found, use(), allowed, scene.image_use, now, steady)
        wanted = plan(*args, kinds=where.kinds, without=without)
        came = carry_out(wanted.steps, control, lambda: low_enough(use(), allowed))
        done += came
        if not came or any(each.late for each in came) or low_enough(use(), allowed):
            break
        gone |= {each.step.what.ident for each in came if not each.why}
        stayed = {each.step.what.ident for each in came if each.why}
        found = control.with_images(control.survey(), CALL_S)
    freed = max(0, use().free_bytes - began.free_bytes)
    removed = freed or any(not each.why for each in done)
    says = f"{_told(done)}; {plain(freed, 'bytes')} given back on {where.name}"
    return Note(says, futile="" if removed else "nothing that may go was found")


def _told(done: list[Done]) -> str:
    """What was removed, by kind, and the first reasons why something was not."""
    counts = Counter(each.step.what.kind.value for each in done if not each.why)
    said = [f"{count} × {kind}" for kind, count in counts.items()] or ["removed nothing"]
    stayed = [f"{each.step.name} {each.why}" for each in done if each.why]
    return ", ".join(said) + "".join(f"; {why}" for why in stayed[:SHOWN])


def useless(scene: Scene) -> str:
    """A daemon that does not answer cannot remove anything."""
    if not scene.flag("ping.answered"):
        return "the daemon does not answer, and a prune would hang with it"
    if scene.readings.get("containerd.answered") is False:
        return "containerd does not answer, and a prune would hang with it"
    return held_by_the_kernel(scene)


RUNG = Rung(
    name="prune",
    help="give back what `disk reclaim` plans: old containers, build cache, unused images; "
    "never volumes",
    impact=lambda _: Impact.DAEMON,
    settle_s=lambda _: 30.0,
    run=run,
    useless=useless,
    takes="what it removes",
)
