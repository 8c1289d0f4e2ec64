"""The list of containers, and a rolling inspect of those that run.

The inspect learns what the list does not tell (restart policy, stop time-out) before the daemon
hangs, and it is the only cheap detector of one stuck container: it takes that container's lock. A
start or an exit may hold the lock for 32 s by right (30 + 2 s, monitor.go): less is no finding.
"""

from __future__ import annotations

from collections.abc import Sequence

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Kind, Reading, Readings
from dockerdoctor.probes.ping import NO_ANSWER

LIST_S = 5.0
INSPECT_S = 2.0
INSPECTS = 20
"""Inspects in one look, 0.25 ms of ours each: on a host with twenty running containers one that is
stuck is known within a minute; a hundred are gone through in 100 s."""
STUCK_S = 35.0


def run(view: HostView) -> Readings:
    """Counts by state, and which container has not answered its inspect for STUCK_S."""
    try:
        listed = view.containers(LIST_S)
    except HostFault as fault:
        if fault.fault not in NO_ANSWER:
            raise
        return {"answered": False}
    for ident in turn(view.roster(), int(view.now().mono / PROBE.every_s)):
        try:
            view.container(ident, INSPECT_S)
        except HostFault as fault:
            if fault.fault is Fault.TIMEOUT:
                break  # it is on the roster now; the others have their turn at the next look
    now = view.now().mono
    stuck = {
        each.name: now - each.hangs_since
        for each in view.roster()
        if each.hangs_since is not None and now - each.hangs_since >= STUCK_S
    }
    # One whose removal fails is `dead`, or stays `removing` for ever (26.1).
    unremoved = [each.name for each in listed if each.state in ("dead", "removing")]
    return {
        "answered": True,
        "all": len(listed),
        "running": sum(each.state == "running" for each in listed),
        "restarting": sum(each.state == "restarting" for each in listed),
        "dead": len(unremoved),
        "dead_name": min(unremoved, default=""),
        "stuck": len(stuck),
        "stuck_s": max(stuck.values(), default=0.0),
        "stuck_name": max(stuck, key=lambda name: stuck[name], default=""),
    }


def turn(roster: Sequence[Container], round_: int) -> list[str]:
    """Whose inspect is due: those that are not known yet, then the next few of the others; and at
    the end those that hang already, which are asked again to learn that they are well."""
    running = [each for each in roster if each.state == "running"]
    new = [each.id for each in running if not each.inspected and each.hangs_since is None]
    known = [each.id for each in running if each.inspected and each.hangs_since is None]
    start = round_ * INSPECTS % len(known) if known else 0
    due = [*new, *known[start:], *known[:start]][:INSPECTS]
    return due + [each.id for each in roster if each.hangs_since is not None]


PROBE = Probe(
    name="containers",
    help="the list of containers and, in turn, an inspect of each: policies, and who is stuck",
    readings=(
        Reading("answered", Kind.FLAG, "Whether the daemon answered the list call"),
        Reading("all", Kind.GAUGE, "Containers in the list"),
        Reading("running", Kind.GAUGE, "Containers that run"),
        Reading("restarting", Kind.GAUGE, "Containers that are being restarted"),
        Reading("dead", Kind.GAUGE, "Containers that are being removed, or could not be"),
        Reading("dead_name", Kind.TEXT, "One of them"),
        Reading("stuck", Kind.GAUGE, "Containers whose inspect hangs for more than 35 s"),
        Reading("stuck_s", Kind.GAUGE, "How long the longest of them has hung", "seconds"),
        Reading("stuck_name", Kind.TEXT, "Which container that is"),
    ),
    timeout_s=LIST_S + 2 * INSPECT_S,
    run=run,
    every_s=20.0,
    urgent=False,
)
