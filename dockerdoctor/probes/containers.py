"""The list of containers, and an inspect of each new one that runs.

The inspect learns what the list does not tell (restart policy, stop time-out) before the daemon
hangs: 0.06 ms of ours each. `locks` asks them again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings
from dockerdoctor.probes.ping import NO_ANSWER

LIST_S = 5.0
INSPECT_S = 1.0
INSPECTS_S = 3.0
"""For all inspects of a look together: hundreds are known after the first."""


def run(view: HostView) -> Readings:
    """Counts by state."""
    try:
        listed = view.containers(LIST_S)
    except HostFault as fault:
        if fault.fault not in NO_ANSWER:
            raise
        return {"answered": False}
    with contextlib.suppress(HostFault):  # the list was answered: what is not known is new still
        view.inspect(new(view.roster()), INSPECT_S, INSPECTS_S)
    # One whose removal fails is `dead`, or stays `removing` for ever (26.1).
    unremoved = [each.name for each in listed if each.state in ("dead", "removing")]
    return {
        "answered": True,
        "all": len(listed),
        "running": sum(each.state == "running" for each in listed),
        "restarting": sum(each.state == "restarting" for each in listed),
        "dead": len(unremoved),
        "dead_name": min(unremoved, default=""),
    }


def new(roster: Iterable[Container]) -> list[str]:
    """Those that run and have told nobody their policy, by id; without those that hang."""
    return [
        each.id
        for each in roster
        if each.state == "running" and not each.inspected and each.hangs_since is None
    ]


PROBE = Probe(
    name="containers",
    help="the list of containers, and an inspect of each new one: its policies",
    readings=(
        Reading("answered", Kind.FLAG, "Whether the daemon answered the list call"),
        Reading("all", Kind.GAUGE, "Containers in the list"),
        Reading("running", Kind.GAUGE, "Containers that run"),
        Reading("restarting", Kind.GAUGE, "Containers that are being restarted"),
        Reading("dead", Kind.GAUGE, "Containers that are being removed, or could not be"),
        Reading("dead_name", Kind.TEXT, "One of them"),
    ),
    timeout_s=LIST_S + INSPECTS_S + 2 * INSPECT_S,
    run=run,
    every_s=20.0,
    urgent=False,
)
