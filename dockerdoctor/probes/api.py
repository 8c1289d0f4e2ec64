"""`GET /info`: goes through containerd, so it hangs where ping still passes."""

from __future__ import annotations

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings
from dockerdoctor.probes.ping import NO_ANSWER

TIMEOUT_S = 8.0


def run(view: HostView) -> Readings:
    """What `/info` says; a daemon that does not answer it is a reading."""
    began = view.now().mono
    try:
        info = view.info(TIMEOUT_S)
    except HostFault as fault:
        if fault.fault not in NO_ANSWER:
            raise
        return {"answered": False}
    return {
        "answered": True,
        "latency_s": view.now().mono - began,
        "version": info.version,
        "live_restore": info.live_restore,
        "swarm": info.swarm,
        "storage_driver": info.storage_driver,
        "containers": info.containers,
        "running": info.running,
        "images": info.images,
        "goroutines": info.goroutines,
        "fds": info.fds,
        "listeners": info.listeners,
    }


PROBE = Probe(
    name="api",
    help="GET /info: the daemon with its containerd, its counters, its live-restore setting",
    readings=(
        Reading("answered", Kind.FLAG, "Whether the daemon answered /info"),
        Reading("latency_s", Kind.GAUGE, "How long the answer to /info took", "seconds"),
        Reading("version", Kind.STATE, "Version of the engine"),
        Reading("live_restore", Kind.FLAG, "Whether containers outlive a restart of the daemon"),
        Reading("swarm", Kind.FLAG, "Whether the host is a swarm node"),
        Reading("storage_driver", Kind.STATE, "The storage driver"),
        Reading("containers", Kind.GAUGE, "Containers known to the daemon"),
        Reading("running", Kind.GAUGE, "Containers running"),
        Reading("images", Kind.GAUGE, "Images known to the daemon"),
        Reading("goroutines", Kind.GAUGE, "Goroutines of dockerd"),
        Reading("fds", Kind.GAUGE, "Open files, as dockerd counts them"),
        Reading("listeners", Kind.GAUGE, "Event stream listeners of dockerd"),
    ),
    timeout_s=TIMEOUT_S + 0.5,
    run=run,
    every_s=20.0,
    urgent=False,
)
