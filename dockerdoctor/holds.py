"""Reasons to keep still although something is wrong: a false heal is worse than no heal.

Each hold is a pure function of the scene: a sentence when it holds, empty when it does not. The
first that holds decides; its name is a metric label, so the list is closed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from dockerdoctor.declare import Scene
from dockerdoctor.model import Finding, Hold
from dockerdoctor.units import plain


def named(scene: Scene) -> str:
    """What its keeper calls the daemon: its unit, or dockerd where only a pid file keeps it."""
    return scene.word("unit.name") or "the daemon"


def masked(scene: Scene) -> str:
    """An operator forbade the unit to run."""
    if scene.word("unit.load_state") == "masked":
        return f"{named(scene)} is masked: an operator wants it down"
    return ""


def stopped(scene: Scene) -> str:
    """An operator stopped the unit."""
    if scene.flag("unit.stopped_by_operator"):
        how = f"{scene.word('unit.active_state')}, Result={scene.word('unit.result')}"
        return f"{named(scene)} was stopped on purpose ({how}): hands off"
    return ""


def starting(scene: Scene) -> str:
    """A starting daemon accepts connections and answers nobody: it looks just like a hang."""
    if scene.word("unit.active_state") in ("activating", "reloading"):
        state = f"{scene.word('unit.active_state')}/{scene.word('unit.sub_state')}"
        idle_s = scene.number("process.idle_s")
        gets_on = f"done nothing for {plain(idle_s, 'seconds')}" if idle_s > STILL_S else "at work"
        return f"the daemon is starting (unit {state}, {gets_on}): it may answer late"
    return _never_up(scene)


def _never_up(scene: Scene) -> str:
    """One that does not tell systemd when it is up (Type=exec, a pid file) is active all along."""
    idle_s, began_s = scene.number("process.idle_s"), scene.number("unit.since_start_s", math.inf)
    silent = scene.word("unit.active_state") == "active" and not scene.flag("ping.answered")
    served = scene.readings.get("unit.served", True) or _stands_still(scene)
    if served or not silent or idle_s > STILL_S or began_s > LONGEST_START_S:
        return ""
    return (
        f"the daemon has answered nobody since it was started {plain(began_s, 'seconds')} ago, and "
        "is at work: it may be starting still"
    )


def _stands_still(scene: Scene) -> bool:
    """Stopped, traced, dead or frozen: nothing of its own makes it answer."""
    return scene.word("process.state") in ("T", "t", "Z") or scene.flag("process.frozen")


def stopping(scene: Scene) -> str:
    """Somebody else stops or restarts the unit right now; ours are known to the ladder."""
    if scene.policy.emergency:
        return ""  # most likely the restart that hangs
    if scene.word("unit.active_state") == "deactivating" or scene.word("unit.job"):
        return "somebody else is stopping or restarting the daemon: let them finish"
    return ""


def containerd_under_way(scene: Scene) -> str:
    """A containerd that starts or stops answers nobody, and dockerd waits for it. One that ends
    again and again is always about to start: it is mended, not restarted."""
    state = scene.word("containerd.active_state")
    if scene.policy.emergency or state not in ("activating", "deactivating", "reloading"):
        return ""
    return f"containerd is {state}: it may answer late, let it finish"


def restarted(scene: Scene) -> str:
    """Somebody else has just restarted the daemon: give it the cool-down to settle."""
    uptime = scene.number("unit.since_start_s", float("inf"))
    if uptime < scene.policy.cooldown_s:
        left = scene.policy.cooldown_s - uptime
        return (
            f"the daemon began to start {plain(uptime, 'seconds')} ago, not by us: "
            f"wait {plain(left, 'seconds')} more"
        )
    return ""


def installing(scene: Scene) -> str:
    """A package upgrade stops and starts the daemon itself (moby #45646), if it has a unit."""
    who = scene.word("pressure.installing")
    if who and scene.word("unit.load_state"):
        return f"{who} installs packages, and may restart the daemon itself: let it finish"
    return ""


def waiting(scene: Scene) -> str:
    """A thread of the daemon waits in the kernel: a moment later it runs, or is known to be held.
    A restart in between would end in a zombie where the kernel does not let go."""
    held = scene.number("kernel.daemon_held_s")
    if held >= WAITING_S:
        return (
            f"{scene.word('kernel.daemon_held')} has not run for {plain(held, 'seconds')}: "
            "see whether the kernel lets go"
        )
    return ""


def starved(scene: Scene) -> str:
    """On a host that lets nobody run, a late answer says nothing about the daemon. A daemon that
    is stopped or frozen is no victim of the host."""
    if scene.policy.emergency:
        return ""  # it may be the daemon that starves it
    if _stands_still(scene):
        return ""
    known = STARVED if scene.flag("pressure.known") else STARVED_UNTOLD
    for reading, limit, words in known:
        share = scene.number(f"pressure.{reading}")
        if share >= limit and scene.number("pressure.load_per_cpu") >= STARVED_LOAD:
            return f"the host is starved: {plain(share, 'ratio')} of the time {words}"
    return ""


def building(scene: Scene) -> str:
    """An image build takes what memory it needs and gives it back (20 GB were seen): a restart
    would end the build, for nothing. One that goes on for longer than BUILDING_S is no peak."""
    since = scene.number("builds.since_s")
    if scene.number("builds.live") >= 1 and since < BUILDING_S:
        return (
            f"an image is being built, since {plain(since, 'seconds')} at least: its memory is "
            "legitimate, let it finish"
        )
    return ""


LONGEST_START_S = 3600.0
"""A start of an hour has been seen (moby #31462)."""
STILL_S = 60.0
"""Without processor time and I/O; less is a pause."""
WAITING_S = 3.0
"""In state D without a break: longer than a busy disk keeps one request. From 30 s on no rung can
help any more, and each says so."""

BUILDING_S = 3600.0
"""An hour: a build that takes longer, or a host that always builds, is not waited for."""

STARVED = (
    ("memory_full_ratio", 0.4, "everybody waits for memory (it swaps)"),
    ("io_full_ratio", 0.8, "everybody waits for the disk"),
    ("cpu_some_ratio", 0.95, "tasks wait for a processor"),
)
"""Shares of ten seconds (PSI) at which a ping may take longer than its 3 s without any fault of
the daemon's; a busy build host shows a tenth of them."""
STARVED_UNTOLD = (("iowait_ratio", 0.6, "all processors wait for a disk"),)
"""Likewise where the kernel tells no pressure (`psi=0`)."""
STARVED_LOAD = 8.0
"""Of load per processor, so that one waiting task alone starves nobody."""

HOLDS: Mapping[str, Callable[[Scene], str]] = MappingProxyType(
    {"masked": masked, "stopped": stopped, "starting": starting}
)
"""These keep every rung."""

HOLDS_OF_STRANGERS: Mapping[str, Callable[[Scene], str]] = MappingProxyType(
    {
        "installing": installing,
        "stopping": stopping,
        "containerd": containerd_under_way,
        "restarted": restarted,
        "waiting": waiting,
        "starved": starved,
    }
)
"""These keep rungs of impact DAEMON or more, unless it is our own climb that is seen."""


HOLDS_OF_PEAKS: Mapping[str, Callable[[Scene], str]] = MappingProxyType({"building": building})
"""These keep rungs of impact DAEMON or more from a finding about memory, and from no other."""
ABOUT_MEMORY = ("process.rss_bytes", "process.swap_bytes", "trend.")
"""How the readings begin that make a finding one about memory."""


def about_memory(finding: Finding) -> bool:
    """Whether a finding rests on the daemon's memory."""
    return any(name.startswith(ABOUT_MEMORY) for name in finding.evidence)


def first(holds: Mapping[str, Callable[[Scene], str]], scene: Scene) -> Hold | None:
    """The first hold that holds, with its sentence."""
    for reason, hold in holds.items():
        if why := hold(scene):
            return Hold(reason, why)
    return None
