"""How full the places are that a daemon dies of, by statvfs: it takes no lock, walks nothing."""

from __future__ import annotations

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Place
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Kind, Reading, Readings, Value

TIMEOUT_S = 2.0
NEVER_S = 30 * 86400.0
"""Told as the time until it is full when it does not fill up, or not that soon."""
OTHERS = {Place.RUN: "run", Place.CONTAINERD: "containerd"}


def run(view: HostView) -> Readings:
    """The data-root, and the others where they exist. HostFault when it cannot be seen."""
    places = view.places()
    root = view.disk(places[Place.DATA_ROOT], TIMEOUT_S)
    readings: dict[str, Value] = {
        "total_bytes": root.total_bytes,
        "free_bytes": root.free_bytes,
        "used_ratio": root.used_ratio,
        "inodes_ratio": root.inodes_used_ratio,
        "full_in_s": NEVER_S if root.full_in_s is None else min(NEVER_S, root.full_in_s),
    }
    for place, name in OTHERS.items():
        try:
            use = view.disk(places[place], TIMEOUT_S)
        except HostFault as fault:
            if fault.fault is not Fault.MISSING:
                raise
            continue
        readings[f"{name}_used_ratio"] = use.used_ratio
        readings[f"{name}_inodes_ratio"] = use.inodes_used_ratio
        if place is Place.CONTAINERD:
            readings["containerd_apart"] = use.device != root.device
    return readings


PROBE = Probe(
    name="disk",
    help="used space and inodes of the data-root, /run and containerd's root, by statvfs",
    readings=(
        Reading("total_bytes", Kind.GAUGE, "Size of the data-root's file system", "bytes"),
        Reading("free_bytes", Kind.GAUGE, "Free space for the data-root", "bytes"),
        Reading("used_ratio", Kind.GAUGE, "Used share of the data-root's file system", "ratio"),
        Reading("inodes_ratio", Kind.GAUGE, "Used share of its inodes", "ratio"),
        Reading(
            "full_in_s",
            Kind.GAUGE,
            "Time until it is full; 30 d: not soon",
            "seconds",
        ),
        Reading("run_used_ratio", Kind.GAUGE, "Used share of /run", "ratio"),
        Reading("run_inodes_ratio", Kind.GAUGE, "Used share of the inodes of /run", "ratio"),
        Reading("containerd_used_ratio", Kind.GAUGE, "Used share of containerd's root", "ratio"),
        Reading("containerd_inodes_ratio", Kind.GAUGE, "Used share of its inodes", "ratio"),
        Reading("containerd_apart", Kind.FLAG, "Whether that is not the data-root's file system"),
    ),
    timeout_s=3 * TIMEOUT_S + 0.5,
    run=run,
    every_s=10.0,
    urgent=False,
)
