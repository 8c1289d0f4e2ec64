"""Container starts and failures as the event stream tells them. Silence proves nothing here."""

from __future__ import annotations

from dockerdoctor.declare import Probe
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings

RECENT_S = 600.0
HOUR_S = 3600.0


def run(view: HostView) -> Readings:
    """What the stream's tally amounts to now. A broken stream is a reading, not a fault."""
    tally = view.events()
    now = view.now().wall
    recent = [start for start in tally.starts if now - start.at < RECENT_S]
    return {
        "alive": tally.alive,
        "why": "" if tally.alive else tally.fault,
        "events": tally.events_total,
        "gaps": tally.gaps_total,
        "reconciled": tally.reconciled_total,
        "starts": tally.starts_total,
        "failed_starts": tally.failed_starts_total,
        "failed_starts_1h": sum(1 for at in tally.failures_at if now - at < HOUR_S),
        "slowest_start_s": max((start.took_s for start in recent), default=0.0),
        "slowest_healthy_s": max((start.healthy_s or 0.0 for start in recent), default=0.0),
        "slow_container": max(recent, key=lambda each: each.took_s).container if recent else "",
    }


PROBE = Probe(
    name="events",
    help="container starts, their duration and failures, from the daemon's event stream",
    readings=(
        Reading("alive", Kind.FLAG, "Whether the event stream is connected"),
        Reading("why", Kind.TEXT, "Why it is not"),
        Reading("events", Kind.COUNTER, "Events seen"),
        Reading("gaps", Kind.COUNTER, "Times the stream broke and something could be missed"),
        Reading("reconciled", Kind.COUNTER, "Containers put right by a list after a gap"),
        Reading("starts", Kind.COUNTER, "Containers started"),
        Reading("failed_starts", Kind.COUNTER, "Container starts that failed"),
        Reading("failed_starts_1h", Kind.GAUGE, "Container starts that failed in the last hour"),
        Reading("slowest_start_s", Kind.GAUGE, "Slowest start of the last ten minutes", "seconds"),
        Reading(
            "slowest_healthy_s", Kind.GAUGE, "Slowest start until healthy, likewise", "seconds"
        ),
        Reading("slow_container", Kind.TEXT, "Which container that was"),
    ),
    timeout_s=1.0,
    run=run,
    every_s=8.0,
)
