"""Whether images are being built: then the daemon's memory is a peak by right (20 GB were seen).
And whether a prune runs: while one does, dockerd refuses every other with 409, without any end.

Seen by the goroutines of the daemon itself, as no other call tells it: BuildKit runs its steps
beside the containers, and the export at the end, which takes most of the memory, runs nothing; who
asks by a second prune starts one, where none runs.
"""

from __future__ import annotations

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings
from dockerdoctor.probes.ping import NO_ANSWER

TIMEOUT_S = 3.0


def run(view: HostView) -> Readings:
    """Nothing while the daemon hangs: what was built before says nothing then."""
    try:
        seen = view.builds(TIMEOUT_S)
    except HostFault as fault:
        if fault.fault not in NO_ANSWER:
            raise
        return {}
    return {
        "live": seen.live,
        "since_s": seen.since_s,
        "prunes": seen.prunes,
        "pruning_s": seen.pruning_s,
    }


PROBE = Probe(
    name="builds",
    help="image builds and prunes that run now, by the daemon's own goroutines",
    readings=(
        Reading("live", Kind.GAUGE, "Image builds that run"),
        Reading("since_s", Kind.GAUGE, "How long there has been one without a break", "seconds"),
        Reading("prunes", Kind.GAUGE, "Prunes that run (containers, networks, images, volumes)"),
        Reading("pruning_s", Kind.GAUGE, "How long there has been one without a break", "seconds"),
    ),
    timeout_s=TIMEOUT_S + 0.5,
    run=run,
    every_s=30.0,
    urgent=False,
)
