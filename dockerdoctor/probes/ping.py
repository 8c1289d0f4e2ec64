"""Does the daemon answer at all, and how fast. Takes no lock of dockerd: it proves little more."""

from __future__ import annotations

from msgspec.structs import replace

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Kind, Reading, Readings

TIMEOUT_S = 3.0
NO_ANSWER = (Fault.TIMEOUT, Fault.REFUSED, Fault.MISSING)
"""Faults that speak of the daemon. DENIED and GARBLED speak of us or of a proxy: nobody can say."""


def run(view: HostView, timeout_s: float = TIMEOUT_S) -> Readings:
    """Ask `/_ping`; a daemon that does not answer is a reading, one we may not ask is a fault."""
    try:
        pong = view.ping(timeout_s)
    except HostFault as fault:
        if fault.fault not in NO_ANSWER:
            raise
        return {"answered": False, "why": fault.fault.value, "says": fault.sentence}
    return {
        "answered": True,
        "why": "",
        "status": pong.status,
        "latency_s": pong.latency_s,
        "api_version": pong.api_version,
    }


PROBE = Probe(
    name="ping",
    help="GET /_ping on the daemon's socket, with one deadline for the whole answer",
    readings=(
        Reading("answered", Kind.FLAG, "Whether the daemon answered its ping"),
        Reading("latency_s", Kind.GAUGE, "How long the answer to the ping took", "seconds"),
        Reading("status", Kind.GAUGE, "HTTP status of the answer"),
        Reading("why", Kind.STATE, "Why there was no answer: timeout, refused, missing"),
        Reading("says", Kind.TEXT, "The same as a sentence"),
        Reading("api_version", Kind.STATE, "The newest API version that the daemon speaks"),
    ),
    timeout_s=TIMEOUT_S + 0.5,
    run=run,
)


def within(timeout_s: float) -> Probe:
    """The same probe with another deadline, s."""
    return replace(PROBE, timeout_s=timeout_s + 0.5, run=lambda view: run(view, timeout_s))
