"""Leak or peak: whether dockerd's memory grows steadily, and what grows with it.

Memory alone proves nothing: a build takes 20 GB by right. What leaks is nearly always held by
somebody: goroutines, event listeners or open files grow along, one for each client that follows
events, logs or stats and does not read (moby #32711, #39916).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.traces import Growth
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings, Value
from dockerdoctor.units import plain

CRITICAL_BYTES = 6 << 30
"""Where the rule `rss-critical` begins."""
LEAK_BYTES = 64 << 20
"""In an hour: where the rule `memory-leak` begins, and a suspect is looked for."""
SHOWN = 3
"""Suspects by name."""
COUNTERS = (
    ("listeners", "event listeners (clients of `docker events`)"),
    ("fds", "open files"),
    ("goroutines", "goroutines"),
)
LEAST = 30.0
"""An hour: fewer new ones are no growth."""
SHARE = 0.05
"""Of those that are there, likewise."""
KNOWN = (
    (r"20\.10\.(?:[0-9]|1[0-2])(?!\d)", "BuildKit before 20.10.13 leaks (moby #43262): upgrade"),
    (r"27\.0\.3(?!\d)", "27.0.3 leaks goroutines and files (moby #48144, #48236): upgrade"),
)
"""Versions that are known to leak."""


def run(view: HostView) -> Readings:
    """Growth per hour and the time that is left; what is not known yet is left out."""
    seen = view.growth()
    readings: dict[str, Value] = {"span_s": seen.span_s, "known_leak": known_leak(seen.version)}
    if "rss" not in seen.per_hour:
        return readings
    rate = seen.per_hour["rss"]
    grows = growing(seen)
    readings |= {
        "rss_growth_bytes": max(0.0, rate),
        "counters_grow": bool(grows),
        "grows_along": ", ".join(grows.values()),
    }
    if rate >= LEAK_BYTES and grows:
        readings["clients"] = named(view)
    if rate > 0:
        readings["until_critical_s"] = max(0.0, CRITICAL_BYTES - seen.last["rss"]) / rate * 3600
        readings["until_swap_s"] = seen.available_bytes / rate * 3600
    return readings


def growing(seen: Growth) -> Mapping[str, str]:
    """The counters that grow steadily, each in words."""
    return {
        name: f"{plain(round(rate), '')} {words} an hour"
        for name, words in COUNTERS
        if (rate := seen.per_hour.get(name, 0.0)) >= max(LEAST, SHARE * seen.last[name])
    }


def named(view: HostView) -> str:
    """Who holds the most connections to the daemon, each with its process: what grows along is
    nearly always theirs."""
    try:
        clients = view.clients()
    except HostFault as fault:
        return f"not known: {fault.sentence}"
    told = [
        f"{each.process.name} (pid {each.process.pid}) {plain(each.connections, '')}"
        for each in clients[:SHOWN]
    ]
    return ", ".join(told) or "nobody"


def known_leak(version: str) -> str:
    """What is known of this version; empty if nothing is."""
    return next((says for pattern, says in KNOWN if re.match(pattern, version)), "")


PROBE = Probe(
    name="trend",
    help="whether dockerd's memory grows steadily over half an hour, and what grows along",
    readings=(
        Reading(
            "span_s", Kind.GAUGE, "How long this dockerd's memory has been followed", "seconds"
        ),
        Reading("rss_growth_bytes", Kind.GAUGE, "Steady growth of its memory in an hour", "bytes"),
        Reading("counters_grow", Kind.FLAG, "Whether goroutines, listeners or files grow steadily"),
        Reading("grows_along", Kind.TEXT, "Which of them, and how fast"),
        Reading("clients", Kind.TEXT, "While it leaks: who has the most connections to its socket"),
        Reading("until_critical_s", Kind.GAUGE, "Time until 6 GiB at this rate", "seconds"),
        Reading("until_swap_s", Kind.GAUGE, "Time until the host has to swap, likewise", "seconds"),
        Reading("known_leak", Kind.TEXT, "What is known of leaks of this version"),
    ),
    timeout_s=3.0,
    run=run,
    every_s=60.0,
    urgent=False,
)
