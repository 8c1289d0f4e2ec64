"""Work that takes long by right: image builds, copies to and from containers, diffs, prunes.

While an image is built the daemon's memory is a peak (20 GB were seen); `docker cp` holds its
container's lock to its end, and that may be as far away as its client likes, and so does `docker
diff`, which looks at each file that was written; a prune has no deadline, and while it runs every
other is refused. Seen by the goroutines of the daemon itself, as
no other call tells it: BuildKit runs its steps beside the containers, the export at the end, which
takes the most memory, runs nothing, and a second prune that asks whether one runs may be the first.
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
        "copies": seen.copies,
        "prunes": seen.prunes,
        "pruning_s": seen.pruning_s,
    }


PROBE = Probe(
    name="builds",
    help="image builds, copies (docker cp, docker diff) and prunes that run, by its own goroutines",
    readings=(
        Reading("live", Kind.GAUGE, "Image builds that run"),
        Reading("since_s", Kind.GAUGE, "How long there has been one without a break", "seconds"),
        Reading("copies", Kind.GAUGE, "Copies to or from a container, and diffs of one, that run"),
        Reading("prunes", Kind.GAUGE, "Prunes that run (containers, networks, images, volumes)"),
        Reading("pruning_s", Kind.GAUGE, "How long a prune has run without a break", "seconds"),
    ),
    timeout_s=TIMEOUT_S + 0.5,
    run=run,
    every_s=30.0,
    urgent=False,
)
