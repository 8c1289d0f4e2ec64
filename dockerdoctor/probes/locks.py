"""Which container hangs: whose inspect, which takes its lock, is not answered.

All are asked in turn, a few in a look: that finds one that nobody has asked for. One that somebody
waits for shows at once, as a request that waits inside the daemon for a lock or for containerd;
then all are asked in one look (25 ms of ours for 500, and 0.1 s of the daemon's). The first that is
late ends the round: an ill daemon is not asked for more, and the others have their turn at the next
look.

So one that hangs, with somebody who waits for it, is told within a minute however many there are:
8 s until the look that sees the request, 1 s until the inspect is late, STUCK_S since that was
asked once more, 8 s until the look that finds it late still, 1 s until the rule looks again: 53 s
at most. The price is paid where requests always wait (hundreds of health checks, each an exec): all
are asked at each look, 0.3 % of a core for 500. To rest for half a minute in between was tried: a
container that hung just after such a round was told after 75 s.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.roster import stuck
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Kind, Reading, Readings, Value
from dockerdoctor.probes.ping import NO_ANSWER

STACKS_S = 3.0
INSPECT_S = 1.0
ROUND_S = 4.0
"""For all inspects of a look together."""
A_FEW = 8
"""Inspects in a usual look, 0.06 ms of ours and 0.2 ms of the daemon's each."""
ALL = 500
REST_S = 20.0
"""Nobody is asked more often in his turn."""
ANSWERED_S = 6.0
"""Who has just answered is not asked again, also while somebody waits."""


def run(view: HostView) -> Readings:
    """How many requests wait, and which container has not answered its inspect for STUCK_S.
    Nothing while the daemon itself does not answer."""
    readings: dict[str, Value] = {}
    try:
        readings["waiting"] = view.waiting(STACKS_S)
    except HostFault as fault:
        if fault.fault is Fault.TIMEOUT:
            return {}
        # A proxy or a plugin may forbid it: all have their turn still.
    try:
        ask(view, bool(readings.get("waiting")))
    except HostFault as fault:
        if fault.fault not in NO_ANSWER:
            raise
        return {}
    now = view.now().mono
    found = {each.name: now - since for each, since in stuck(view.roster(), now)}
    return readings | {
        "stuck": len(found),
        "stuck_s": max(found.values(), default=0.0),
        "stuck_name": next(iter(found), ""),
        "stuck_names": " ".join(found),
    }


def ask(view: HostView, somebody_waits: bool) -> None:
    """Those that hang, to learn that they are well again; then those whose turn it is."""
    end = view.now().mono + ROUND_S
    ask_again(view, end)
    now = view.now().mono
    view.inspect(due(view.roster(), view.answered(), now, somebody_waits), INSPECT_S, end - now)


def ask_again(view: HostView, until: float = math.inf) -> None:
    """Those that hang, for the roster to tell which of them are well again; no more of them are
    asked from `until` on (monotonic clock, s)."""
    for each in view.roster():
        if each.hangs_since is not None and view.now().mono < until:
            with contextlib.suppress(HostFault):
                view.container(each.id, INSPECT_S)


def due(
    roster: Sequence[Container], answered: Mapping[str, float], now: float, somebody_waits: bool
) -> list[str]:
    """Whose turn it is, by id: who has not answered for the longest time comes first."""
    rest_s, most = (ANSWERED_S, ALL) if somebody_waits else (REST_S, A_FEW)
    last = {
        each.id: answered.get(each.id, -math.inf)
        for each in roster
        if each.state == "running" and each.hangs_since is None
    }
    return sorted((each for each, at in last.items() if now - at >= rest_s), key=last.__getitem__)[
        :most
    ]


PROBE = Probe(
    name="locks",
    help="who waits inside the daemon, and which container does not answer its inspect",
    readings=(
        Reading("waiting", Kind.GAUGE, "Requests that wait for a lock, or for containerd"),
        Reading("stuck", Kind.GAUGE, "Containers whose inspect hangs for more than 35 s"),
        Reading("stuck_s", Kind.GAUGE, "How long the longest of them has hung", "seconds"),
        Reading("stuck_name", Kind.TEXT, "Which container that is"),
        Reading("stuck_names", Kind.TEXT, "All of them, the longest first"),
    ),
    timeout_s=STACKS_S + ROUND_S + 2 * INSPECT_S,
    run=run,
    every_s=8.0,
    urgent=False,
)
