"""What dockerd and containerd have said of themselves: the signs that are known, counted.

Words, and users can choose some of them: this probe tells people the cause, and nobody acts on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dockerdoctor.declare import Probe
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings, Value
from dockerdoctor.probes.leftovers import some
from dockerdoctor.signatures import SIGNATURES

TIMEOUT_S = 4.0
COUNTED = {
    **{each.name: each.help for each in SIGNATURES},
    "oom_kills": "Times that the kernel killed dockerd or containerd for memory, as systemd says",
    "oomd_kills": "Times that systemd-oomd killed dockerd or containerd",
}
NO_JOURNAL = "no journal is kept that could say why"
NOTHING_SAID = "no error of its start is in the journal"


def run(view: HostView) -> Readings:
    """A count for each signature, and the newest line of those that were seen."""
    seen = view.said(TIMEOUT_S)
    if not seen.known:
        return {"known": False, "first_error": NO_JOURNAL}
    readings: dict[str, Value] = {
        "known": True,
        "lines": seen.lines,
        "first_error": seen.first_error or NOTHING_SAID,
        "cause": seen.cause,
    }
    for name in COUNTED:
        readings[name] = seen.counts_1h.get(name, 0)
        if name in seen.last:
            readings[f"{name}_said"] = seen.last[name]
    nameless = since_told(view.roster(), seen.whom.get("resolver", {}))
    return {**readings, "nameless": len(nameless), "nameless_names": some(nameless)}


def since_told(roster: Sequence[Container], told: Mapping[str, float]) -> list[str]:
    """The names of the containers that run and have not been started since they were told of, by an
    inspect: the list does not tell when that was."""
    running = (each for each in roster if each.inspected and each.state == "running")
    return [each.name for each in running if each.started_at < told.get(each.id, 0.0)]


PROBE = Probe(
    name="journal",
    help="known signs of trouble in the messages of docker and containerd, read forward",
    readings=(
        Reading("known", Kind.FLAG, "Whether there is a journal of this daemon"),
        Reading("lines", Kind.COUNTER, "Messages read"),
        Reading("first_error", Kind.TEXT, "Why it failed, in its own words, or how it ended"),
        Reading("cause", Kind.STATE, "Which of the known ones that is"),
        Reading("nameless", Kind.GAUGE, "Containers that run without name resolution"),
        Reading("nameless_names", Kind.TEXT, "Which ones those are"),
        *(Reading(name, Kind.GAUGE, f"{means}, in an hour") for name, means in COUNTED.items()),
        *(
            Reading(f"{name}_said", Kind.TEXT, f"{means}: the newest message")
            for name, means in COUNTED.items()
        ),
    ),
    timeout_s=TIMEOUT_S + 1.0,
    run=run,
    every_s=60.0,
    urgent=False,
)
