"""What a killed daemon left behind: proxies, shims and containers that are there on paper only.

On a host that is well this reads /proc and asks the daemon nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from dockerdoctor import leftovers
from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings
from dockerdoctor.probes.ping import NO_ANSWER

SHOWN = 5


def run(view: HostView) -> Readings:
    """Counts, and who it is. Nothing while a daemon that must be asked does not answer."""
    try:
        remains = view.remains()
        proxies = leftovers.orphaned_proxies(view, remains)
        shims = leftovers.lost_shims(view, remains)
        ghosts = leftovers.ghosts(view)
    except HostFault as fault:
        if fault.fault not in NO_ANSWER:
            raise
        return {}
    return {
        "proxies": len(proxies),
        "proxy_ports": some(sorted({f"{each.port}/{each.protocol}" for each in proxies})),
        "shims": len(shims),
        "shim_names": some(f"{name} (shim pid {shim.pid})" for name, shim in shims.items()),
        "ghosts": len(ghosts),
        "ghost_names": some(each.name for each in ghosts),
    }


def some(names: Iterable[str]) -> str:
    """The first few of them, and how many more."""
    known = list(names)
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return ", ".join(known[:SHOWN]) + more


PROBE = Probe(
    name="leftovers",
    help="what a killed daemon left: orphaned docker-proxies, lost shims, ghost containers",
    readings=(
        Reading("proxies", Kind.GAUGE, "docker-proxies that no dockerd and no container needs"),
        Reading("proxy_ports", Kind.TEXT, "Which ports they hold"),
        Reading("shims", Kind.GAUGE, "Shims whose container the daemon does not know to run"),
        Reading("shim_names", Kind.TEXT, "Which containers those are"),
        Reading("ghosts", Kind.GAUGE, "Containers that run on paper: their process is gone"),
        Reading("ghost_names", Kind.TEXT, "Which ones those are"),
    ),
    timeout_s=15.0,
    run=run,
    every_s=300.0,
    urgent=False,
)
