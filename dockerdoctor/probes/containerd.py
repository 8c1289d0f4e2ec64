"""containerd's own answer, asked without dockerd: tells a hung daemon from a hung containerd."""

from __future__ import annotations

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Service, ServiceState
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Kind, Reading, Readings
from dockerdoctor.probes.ping import NO_ANSWER
from dockerdoctor.probes.unit import stopped_on_purpose

TIMEOUT_S = 5.0


def run(view: HostView) -> Readings:
    """Its version call, and its unit's state where it has one. Without a unit, no socket either is
    no sign of its death: nobody knows where it is."""
    silent: HostFault | None = None
    try:
        readings: dict[str, bool | float | str] = {
            "answered": True,
            "latency_s": view.containerd_answers(TIMEOUT_S),
            "why": "",
        }
    except HostFault as fault:
        if fault.fault not in NO_ANSWER:
            raise
        silent = fault
        readings = {"answered": False, "why": fault.fault.value}
    try:
        state = view.service(Service.CONTAINERD)
        readings["active_state"] = state.active
        readings["stopped_by_operator"] = stopped_on_purpose(state)
        readings["takes_along"] = takes_along(view, state)
    except HostFault as fault:
        if fault.fault is not Fault.MISSING:
            raise
        if silent is not None and silent.fault is Fault.MISSING:
            hint = "name its socket: containerd_socket in [daemon] of the configuration"
            raise HostFault(Fault.MISSING, silent.sentence, hint) from fault
        readings |= {"active_state": "none", "stopped_by_operator": False}
    return readings


def takes_along(view: HostView, state: ServiceState) -> bool:
    """Whether containers end when it is restarted: its unit kills the shims as well, or systemd
    restarts docker.service with it (BindsTo= in docker-ce 19.03)."""
    if state.kill_mode not in ("", "process", "none"):
        return True
    return bool(state.along) and view.service(Service.DOCKERD).name in state.along


PROBE = Probe(
    name="containerd",
    help="containerd's version call over its own socket, with a deadline",
    readings=(
        Reading("answered", Kind.FLAG, "Whether containerd answered"),
        Reading("latency_s", Kind.GAUGE, "How long its answer took", "seconds"),
        Reading("why", Kind.STATE, "Why there was no answer: timeout, refused, missing"),
        Reading("active_state", Kind.STATE, "ActiveState of containerd.service, or none"),
        Reading("stopped_by_operator", Kind.FLAG, "Whether it was stopped on purpose"),
        Reading("takes_along", Kind.FLAG, "Whether a restart of it ends the containers"),
    ),
    timeout_s=TIMEOUT_S + 6.0,
    run=run,
    every_s=10.0,
    urgent=False,
)
