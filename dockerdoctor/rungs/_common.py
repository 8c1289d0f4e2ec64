"""What several rungs ask: does it hear, is it gone, what does a stop cost and how long it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dockerdoctor.declare import Scene
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Fault, Impact, Process
from dockerdoctor.units import plain

SIGTERM = 15
SIGKILL = 9
DEAF_S = 1.0
"""A signal that a living Go program has not taken after this long will not be taken: its runtime
reads signals in a thread of its own, within milliseconds, whatever lock the daemon hangs on."""
START_S = 90.0
"""For a new daemon to stop what its predecessor left (10 s per deaf container) and to serve."""
LONGEST_STOP_S = 600.0
"""More is not waited for, whatever a container's stop time-out says."""
LONGEST_EMERGENCY_STOP_S = 60.0
EMERGENCY_START_S = 15.0
"""To be seen starting; a unit that is starting is then waited for anyway."""
SHUTDOWN_S = 15.0
"""dockerd's own default shutdown-timeout."""
FULL_RATIO = 0.99
"""Of a place that a daemon writes to when it starts: free space first, or it may stay down."""
PLACES = (
    ("disk.used_ratio", "the data-root is {} full"),
    ("disk.inodes_ratio", "{} of the data-root's inodes are used"),
    ("disk.run_used_ratio", "/run is {} full"),
    ("disk.run_inodes_ratio", "{} of the inodes of /run are used"),
    ("disk.containerd_used_ratio", "containerd's root is {} full"),
    ("disk.containerd_inodes_ratio", "{} of the inodes of containerd's root are used"),
)


HELD_S = 30.0
"""A thread in state D that has not run for this long waits for more than its disk's next answer."""


def cost_of_a_stop(scene: Scene) -> Impact:
    """With live-restore a stop costs the daemon, without it the containers; unknown is without."""
    return Impact.DAEMON if scene.flag("api.live_restore") else Impact.CONTAINERS


def patience_s(scene: Scene) -> float:
    """How long a restart may take: the stop by all three clocks that limit it, then the start.

    systemd's TimeoutStopSec, where there is one; dockerd's shutdown-timeout; each container's stop
    time-out + 5 s (daemon.go, shutdownTimeout). In an emergency no longer than dockerd's own: after
    that it has broken its word, and harder rungs go on."""
    stops = [each.stop_timeout_s + 5 for each in scene.running if each.stop_timeout_s >= 0]
    if scene.policy.emergency:
        return min(max([SHUTDOWN_S, *stops]), LONGEST_EMERGENCY_STOP_S) + EMERGENCY_START_S
    unit = scene.number("unit.stop_timeout_s", 90.0)
    longest = max([SHUTDOWN_S, *stops, 0.0 if math.isinf(unit) else unit])
    return min(longest, LONGEST_STOP_S) + START_S


def held_by_the_kernel(scene: Scene) -> str:
    """Why nobody can end or start the daemon: not even SIGKILL ends what the kernel holds."""
    if scene.number("kernel.daemon_held_s") >= HELD_S:
        return (
            f"the kernel holds {scene.word('kernel.daemon_held')}: a kill would only leave a "
            "zombie; free what it waits for, or reboot"
        )
    return ""


def container_held(scene: Scene) -> str:
    """Whether a container's process or its shim is held likewise, and which."""
    if scene.number("kernel.others_held_s") >= HELD_S:
        return f"the kernel holds {scene.word('kernel.others_held')}"
    return ""


def nobody_can(scene: Scene) -> str:
    """Why no way of stopping and starting can help now."""
    if why := held_by_the_kernel(scene):
        return why
    if tracer := scene.word("process.tracer"):
        return f"dockerd is held by {tracer}: free it first, a kill would only leave a zombie"
    if scene.flag("kernel.data_root_read_only"):
        return "the data-root is read-only: a start fails, see the kernel's log and the disk first"
    return ""


def full(scene: Scene) -> str:
    """Which of the places that a start writes to is full, bytes or inodes: then it must wait."""
    for reading, words in PLACES:
        if (used := scene.number(reading)) >= FULL_RATIO:
            says = words.format(plain(used, "ratio"))
            return f"{says}: a start may fail, free space first"
    return ""


def takes_no_signal(scene: Scene) -> str:
    """Why a signal other than SIGKILL would only stay pending."""
    state = scene.word("process.state")
    if scene.flag("process.frozen"):
        return "dockerd's cgroup is frozen"
    if tracer := scene.word("process.tracer"):
        return f"dockerd is held by {tracer}"
    if state in ("T", "t"):
        return "dockerd is stopped (SIGSTOP)"
    return "dockerd is dead, a zombie" if state == "Z" else ""


def only_looks(scene: Scene) -> str:
    """Why even what costs nothing is not done."""
    if scene.policy.max_impact < Impact.DAEMON:
        return "the policy says: only look"
    return ""


def still_deaf(scene: Scene) -> str:
    """While looking: a SIGTERM that is still pending will stay so."""
    return "dockerd has not even taken its SIGTERM" if scene.flag("process.sigterm_pending") else ""


def deaf_to_sigterm(control: HostControl, process: Process | None) -> str:
    """Just after a SIGTERM was asked for: whether it is still pending after DEAF_S."""
    if process is None:
        return ""
    control.pause(DEAF_S)
    try:
        pending = control.vitals(process).pending
    except HostFault as fault:
        if fault.fault is Fault.MISSING:
            return ""
        raise
    return "dockerd has not even taken its SIGTERM" if SIGTERM in pending else ""


def gone(control: HostControl, process: Process) -> bool:
    """Whether this very process is no more; a zombie is not gone, its parent has not reaped it."""
    try:
        control.vitals(process)
    except HostFault as fault:
        if fault.fault is Fault.MISSING:
            return True
        raise
    return False


def left_after(
    control: HostControl, processes: Sequence[Process], within_s: float
) -> Sequence[Process]:
    """Those of them that are still there after so long; returns as soon as all are gone."""
    began = control.now().mono
    while left := [each for each in processes if not gone(control, each)]:
        if control.now().mono - began > within_s:
            return left
        control.pause(0.1)
    return ()
