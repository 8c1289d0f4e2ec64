"""How many rules the packet filter has, and which of dockerd's are there more than once.

Doubled rules are what some restarts with live-restore leave (moby #31647); thousands of them slow
every connection and every start.
"""

from __future__ import annotations

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Kind, Reading, Readings

TIMEOUT_S = 5.0


def run(view: HostView) -> Readings:
    """Nothing where there is no iptables, or dockerd's network is another one."""
    try:
        found = view.firewall(TIMEOUT_S)
    except HostFault as fault:
        if fault.fault not in (Fault.MISSING, Fault.DENIED, Fault.REFUSED):
            raise
        return {}
    worst = max(found.doubled, key=lambda each: each.copies, default=None)
    return {
        "rules": found.rules,
        "doubled": sum(each.copies - 1 for each in found.doubled),
        "worst": f"{worst.copies} × in {worst.table}: {worst.rule}" if worst else "",
    }


PROBE = Probe(
    name="firewall",
    help="the rules of the packet filter, and those of dockerd's that are there twice",
    readings=(
        Reading("rules", Kind.GAUGE, "Rules in all tables"),
        Reading("doubled", Kind.GAUGE, "Needless copies of dockerd's own rules"),
        Reading("worst", Kind.TEXT, "Which rule is there most often, and how often"),
    ),
    timeout_s=TIMEOUT_S + 1.0,
    run=run,
    every_s=600.0,
    urgent=False,
)
