"""Make room without the daemon: cut the logs that nobody rotates, where the configuration says so.

For a daemon that hangs or does not start on a full disk, and as the last thing after a prune. The
containers go on writing to the same files; their older lines are lost, which is why it is off until
somebody allows it (`[disk] cut_logs`).
"""

from __future__ import annotations

from dataclasses import replace

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.nouns import Place
from dockerdoctor.host.storage.facts import Kind
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.reclaim import carry_out, low_enough, plan
from dockerdoctor.rungs._common import held_by_the_kernel
from dockerdoctor.units import plain

STAT_S = 5.0


def run(control: HostControl, scene: Scene) -> Note:
    """Raises HostFault when the data-root cannot be read."""
    root = control.places()[Place.DATA_ROOT]
    allowed = replace(scene.allowed, start_ratio=0.0, anonymous_volumes=False)
    before = control.disk(root, STAT_S)
    found = control.survey()
    # Whatever only the daemon can remove is out of the question here.
    bare = replace(found, images={}, volumes={}, cached=frozenset(), cached_chains=frozenset())
    wanted = plan(bare, before, allowed, {}, control.now().wall, steady=False)
    steps = [step for step in wanted.steps if step.what.kind is Kind.LOG]
    done = carry_out(steps, control, lambda: low_enough(control.disk(root, STAT_S), allowed))
    names = [each.step.name for each in done if not each.why]
    freed = max(0, control.disk(root, STAT_S).free_bytes - before.free_bytes)
    if not names:
        return Note("cut nothing", futile="no log is long enough to be cut")
    return Note(f"cut the {', the '.join(names)}; {plain(freed, 'bytes')} given back")


def useless(scene: Scene) -> str:
    """Only where it is allowed, and where the file system is not frozen or gone."""
    if not scene.allowed.cut_logs:
        return "[disk] cut_logs does not allow to cut logs"
    return held_by_the_kernel(scene)


RUNG = Rung(
    name="free-space-outside",
    help="cut logs that nobody rotates, without the daemon; only where [disk] cut_logs allows it",
    impact=lambda _: Impact.DAEMON,
    settle_s=lambda _: 30.0,
    run=run,
    useless=useless,
)
