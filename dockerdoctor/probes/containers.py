"""The list of containers, and a rolling inspect: who runs now must be known before the daemon hangs."""

from __future__ import annotations

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings
from dockerdoctor.probes.ping import NO_ANSWER

LIST_S = 5.0
INSPECT_S = 2.0
INSPECTS = 5
"""New containers that are inspected in one look, for their policy and stop time-out."""


def run(view: HostView) -> Readings:
    """Counts by state; the details stay with the host, in its roster."""
    try:
        listed = view.containers(LIST_S)
    except HostFault as fault:
        if fault.fault not in NO_ANSWER:
            raise
        return {"answered": False}
    unknown = [each for each in view.roster() if each.state == "running" and not each.inspected]
    for each in unknown[:INSPECTS]:
        try:
            view.container(each.id, INSPECT_S)
        except HostFault:
            break  # a stuck container is no reason to lose the list
    return {
        "answered": True,
        "all": len(listed),
        "running": sum(each.state == "running" for each in listed),
        "restarting": sum(each.state == "restarting" for each in listed),
        "dead": sum(each.state == "dead" for each in listed),
    }


PROBE = Probe(
    name="containers",
    help="the list of containers and, one by one, their restart policies and stop time-outs",
    readings=(
        Reading("answered", Kind.FLAG, "Whether the daemon answered the list call"),
        Reading("all", Kind.GAUGE, "Containers in the list"),
        Reading("running", Kind.GAUGE, "Containers that run"),
        Reading("restarting", Kind.GAUGE, "Containers that are being restarted"),
        Reading("dead", Kind.GAUGE, "Containers that could not be removed"),
    ),
    timeout_s=LIST_S + INSPECTS * INSPECT_S,
    run=run,
    every_s=20.0,
    urgent=False,
)
