"""What has come of the canary, where it is turned on (`[canary]` in the configuration).

Only read here: it is started by the watchdog alone (`dockerdoctor/canary.py`), as it acts. Evidence
of the second level: it says that starts work, or do not, and nobody acts on it.
"""

from __future__ import annotations

from dockerdoctor.declare import Probe
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings, Value


def run(view: HostView) -> Readings:
    """Nothing but zeroes where it never flew."""
    seen = view.flights()
    readings: dict[str, Value] = {
        "flights": seen.total,
        "failed": seen.failed,
        "failed_in_a_row": seen.failed_in_a_row,
        "slow_in_a_row": seen.slow_in_a_row,
        "why": seen.why,
    }
    if seen.took_s is not None:
        readings["took_s"] = seen.took_s
    return readings


PROBE = Probe(
    name="canary",
    help="a tiny container of our own, created, started and removed now and then (off by default)",
    readings=(
        Reading("flights", Kind.COUNTER, "Canaries that were started"),
        Reading("failed", Kind.COUNTER, "Canaries that did not come back"),
        Reading("failed_in_a_row", Kind.GAUGE, "The last ones that did not come back"),
        Reading("slow_in_a_row", Kind.GAUGE, "The last ones that took more than 10 s"),
        Reading("took_s", Kind.GAUGE, "From create to exit, of the last that came back", "seconds"),
        Reading("why", Kind.TEXT, "Why the last one did not come back"),
    ),
    timeout_s=1.0,
    run=run,
    every_s=60.0,
    urgent=False,
)
