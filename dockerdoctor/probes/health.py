"""Whether health checks are still done: some have been seen to stop at a restart of the daemon.

The times are those of the last inspect that the locks probe made; only of a container that is
overdue is the daemon asked again.
"""

from __future__ import annotations

from dockerdoctor import leftovers
from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings
from dockerdoctor.probes.leftovers import some
from dockerdoctor.probes.ping import NO_ANSWER


def run(view: HostView) -> Readings:
    """Nothing where it is not known since when the daemon runs, or while it does not answer."""
    since = view.service(Service.DOCKERD).left_inactive_mono_s
    if since is None:
        return {}
    try:
        found = leftovers.unchecked(view, view.now().mono - since)
    except HostFault as fault:
        if fault.fault not in NO_ANSWER:
            raise
        return {}
    checked = [each for each in view.roster() if each.check_within_s and each.state == "running"]
    return {
        "checked": len(checked),
        "stopped": len(found),
        "stopped_names": some(each.name for each in found),
    }


PROBE = Probe(
    name="health",
    help="whether the health checks of containers are still done",
    readings=(
        Reading("checked", Kind.GAUGE, "Running containers that have a health check"),
        Reading("stopped", Kind.GAUGE, "Those among them that are not checked any more"),
        Reading("stopped_names", Kind.TEXT, "Which ones those are"),
    ),
    timeout_s=15.0,
    run=run,
    every_s=120.0,
    urgent=False,
)
