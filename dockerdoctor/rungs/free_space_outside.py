"""Make room without the daemon, where the configuration says so: cut the logs that nobody rotates,
remove directories of overlay2 that nothing knows, and what pulls and builds left in tmp.

For a daemon that hangs or does not start on a full disk, and as the last thing after a prune. The
containers go on writing to the same files; their older lines are lost, and an orphan may be the
last copy of something: both are off until somebody allows it (`[disk] cut_logs`, `orphans`).
"""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.nouns import Place
from dockerdoctor.host.storage.facts import Kind
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.reclaim import carry_out, low_enough, lying_on, plan
from dockerdoctor.rungs._common import held_by_the_kernel
from dockerdoctor.units import plain

STAT_S = 5.0
SHOWN = 3
FUTILE = "no log is long enough to be cut, and no orphan and nothing in tmp may go"


def run(control: HostControl, scene: Scene) -> Note:
    """Raises HostFault when the data-root cannot be read."""
    root = control.places()[Place.DATA_ROOT]
    allowed = replace(scene.allowed, start_ratio=0.0, anonymous_volumes=False)
    found = control.survey()
    before, kinds = control.disk(root, STAT_S), lying_on(control, root, found.driver)
    now = control.now().wall
    wanted = plan(found, before, allowed, {}, now, steady=False, daemon=False, kinds=kinds)
    done = carry_out(wanted.steps, control, lambda: low_enough(control.disk(root, STAT_S), allowed))
    freed = max(0, control.disk(root, STAT_S).free_bytes - before.free_bytes)
    logs = [each.step.name for each in done if not each.why and each.step.what.kind is Kind.LOG]
    gone = Counter(each.step.what.kind for each in done if not each.why)
    said = [f"removed {gone[kind]} × {kind}" for kind in (Kind.TMP, Kind.ORPHAN) if gone[kind]]
    said += [f"cut the {name}" for name in logs]
    stayed = [f"{each.step.name} {each.why}" for each in done if each.why][:SHOWN]
    if not said:
        return Note("; ".join(["gave nothing back", *stayed]), futile=FUTILE)
    return Note(f"{'; '.join([*said, *stayed])}; {plain(freed, 'bytes')} given back")


def useless(scene: Scene) -> str:
    """Only where it is allowed, and where the file system is not frozen or gone."""
    if not (scene.allowed.cut_logs or scene.allowed.orphans):
        return "[disk] allows neither to cut logs (cut_logs) nor to remove orphans (orphans)"
    return held_by_the_kernel(scene)


RUNG = Rung(
    name="free-space-outside",
    help="without the daemon: cut logs, remove orphaned layers and leftovers in tmp; only where "
    "[disk] allows it",
    impact=lambda _: Impact.DAEMON,
    settle_s=lambda _: 30.0,
    run=run,
    useless=useless,
    takes="what it removes",
)
