"""When the canary flies: a look at a daemon goes in, and now and then a thread is sent off.

The canary creates a container, so it is an act, and no probe: the watchdog alone sends it, from
here, through a HostControl; the probe of the same name only reads what came of it. It flies on a
daemon that is well, on a host that is not busy, when nobody wants quiet, and never twice at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from dockerdoctor.around import Snapshot
from dockerdoctor.declare import Scene
from dockerdoctor.host.view import HostControl
from dockerdoctor.judge import ails
from dockerdoctor.units import plain

FLIGHT_S = 60.0
STEADY_S = 120.0
"""After a start of the daemon, when everybody starts."""
FULL_RATIO = 0.95
BUSY = (
    ("cpu_some_ratio", 0.40, "tasks wait for a processor"),
    ("io_full_ratio", 0.20, "everybody waits for the disk"),
    ("memory_full_ratio", 0.05, "everybody waits for memory"),
)
"""Shares of the last ten seconds (PSI) from which on a host is busy: one start more would measure
the host, and be one thing more that it waits for."""
BUSY_LOAD = 4.0
"""Likewise, of load per processor: where the kernel tells no PSI, and beside it."""


class Canary:
    """Sends it, at most every `every_s`, first one `every_s` after our own start: a watchdog that
    is restarted again and again sends none."""

    def __init__(self, control: HostControl, every_s: float, quiet: Callable[[], str]) -> None:
        """`quiet` says why nobody may act now; empty when one may."""
        self._control = control
        self._every_s = every_s
        self._quiet = quiet
        self._last = control.now().mono
        self._flight: threading.Thread | None = None

    def look(self, seen: Snapshot) -> None:
        """Called after each look of the loop."""
        now = self._control.now().mono
        if now - self._last < self._every_s or self._quiet() or why_not(seen):
            return
        if self._flight is None or not self._flight.is_alive():
            self._last = now
            self._flight = threading.Thread(
                target=self._control.fly, args=(FLIGHT_S,), name="canary", daemon=True
            )
            self._flight.start()

    def land(self, within_s: float) -> None:
        """Wait for one that is under way, so that nothing of it is left behind."""
        if self._flight is not None:
            self._flight.join(within_s)


def why_not(seen: Snapshot) -> str:
    """Why it must stay on the ground after such a look; empty if it may fly. A daemon that was not
    seen to answer has not answered."""
    scene = Scene(seen.judgement.readings)
    if seen.climbing or ails(seen.judgement.verdict):
        return "the daemon is not well"
    if scene.word("unit.active_state") != "active" or scene.word("unit.job"):
        return "the daemon is not up"
    if scene.number("unit.since_start_s") < STEADY_S:
        return "the daemon was started just now"
    for reading in ("ping.answered", "containerd.answered", "containers.answered"):
        if not scene.flag(reading):
            return f"{reading} is not true"
    for reading in ("locks.stuck", "kernel.daemon_held_s", "kernel.others_held_s"):
        if scene.number(reading) > 0:
            return f"{reading} is not 0"
    if max(scene.number("disk.used_ratio"), scene.number("disk.inodes_ratio")) >= FULL_RATIO:
        return "the data-root is nearly full"
    return busy(scene)


def busy(scene: Scene) -> str:
    """Why the host has better things to do; empty if it has not."""
    if scene.number("builds.live") >= 1:
        return "an image is being built"
    if who := scene.word("pressure.installing"):
        return f"{who} installs packages"
    for reading, limit, words in BUSY:
        if (share := scene.number(f"pressure.{reading}")) >= limit:
            return f"the host is busy: {plain(share, 'ratio')} of the time {words}"
    if (load := scene.number("pressure.load_per_cpu")) >= BUSY_LOAD:
        return f"the host is busy: a load of {load:.1f} per processor"
    return ""
