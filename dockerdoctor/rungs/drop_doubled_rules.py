"""Drop needless copies of dockerd's own rules in the packet filter; one of each stays.

Only of the kind where it makes no difference which copy that is: masquerading for a container that
calls its own published port. That is what live-restore restarts have been seen to pile up (moby
#31647). All other copies are named, with the command.
"""

from __future__ import annotations

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.errors import HostFault
from dockerdoctor.host.firewall import droppable
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.rungs._common import only_looks

CALL_S = 5.0
MOST = 500
"""In one climb: each is a call of iptables, 3 ms when it is quiet."""


def run(control: HostControl, scene: Scene) -> Note:
    """Raises HostFault when the packet filter cannot be read."""
    found = [each for each in control.firewall(CALL_S).doubled if droppable(each)]
    wanted = [each for each in found for _ in range(each.copies - 1)]
    dropped, why = 0, ""
    for each in wanted[:MOST]:
        try:
            control.drop_copy(each, CALL_S)
        except HostFault as fault:
            why = f"; then {fault.sentence}"
            break
        dropped += 1
    if not dropped:
        return Note("dropped nothing" + why, futile="" if why else "no copy may be dropped")
    return Note(f"dropped {dropped} of {len(wanted)} needless copies of {len(found)} rules{why}")


RUNG = Rung(
    name="drop-doubled-rules",
    help="drop needless copies of masquerading rules that dockerd wrote twice; one of each stays",
    impact=lambda _: Impact.NONE,
    settle_s=lambda _: 30.0,
    run=run,
    useless=only_looks,
)
