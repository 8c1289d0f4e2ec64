"""What the kernel shows of the daemon: threads that it holds, and the signs in its log.

A thread in state D that does not run for half a minute waits for a device, a server or a frozen
file system. Nobody can end it, SIGKILL included: a restart leaves a zombie and a daemon that is
down. So this probe keeps rungs from being climbed; it is never a reason to climb one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dockerdoctor.declare import Probe
from dockerdoctor.host.traces import HeldThread, Whose
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings, Value
from dockerdoctor.units import plain

DAEMONS = (Whose.DOCKERD, Whose.CONTAINERD)
MEANS = (
    (("percpu_rwsem", "sb_start", "freeze_super"), "a frozen file system: `fsfreeze -u` thaws it"),
    (("nfs", "rpc_"), "an NFS server that does not answer: mend it, or `umount -f -l`"),
    (("cifs", "smb"), "a file server that does not answer: mend it, or `umount -l`"),
    (("fuse", "request_wait_answer"), "a FUSE file system: end its program"),
    (("refrigerator",), "a frozen cgroup (v1): thaw it"),
    (("jbd2", "xlog", "xfs", "btrfs", "ext4"), "the file system, so most likely its disk"),
    (("io_schedule", "bit_wait", "folio_wait", "blk_", "wait_on_page"), "a disk that is silent"),
    (("zap_pid_ns",), "processes of its own that do not end"),
    (("rtnl", "netdev", "synchronize_net"), "the network's lock: see the kernel's log"),
)
"""What a kernel function that a thread waits in (wchan) tells; the first that fits."""


def run(view: HostView) -> Readings:
    """Held threads by whose they are, the counts of the log, and the data-root's mount."""
    seen = view.kernel()
    readings: dict[str, Value] = {
        "daemon_held_s": longest(seen.held, DAEMONS),
        "dockerd_held_s": longest(seen.held, (Whose.DOCKERD,)),
        "containerd_held_s": longest(seen.held, (Whose.CONTAINERD,)),
        "daemon_held": said_of(seen.held, DAEMONS),
        "others_held_s": longest(seen.held, (Whose.SHIM, Whose.CONTAINER)),
        "others_held": said_of(seen.held, (Whose.SHIM, Whose.CONTAINER)),
        "log_known": seen.log_known,
    }
    if seen.data_root_read_only is not None:
        readings["data_root_read_only"] = seen.data_root_read_only
    if seen.log_known:
        readings |= {
            "hung_tasks_1h": seen.hung_tasks_1h,
            "netdev_waits_20m": seen.netdev_waits_20m,
            "oom_kills_1h": seen.oom_kills_1h,
            "fs_errors_1h": seen.fs_errors_1h,
            "nfs_silent": bool(seen.silent_nfs),
            "nfs_servers": seen.silent_nfs,
        }
    return readings


def longest(held: Iterable[HeldThread], whose: Sequence[Whose]) -> float:
    """How long the one of theirs that was held longest has been, s."""
    return max((each.held_s for each in held if each.whose in whose), default=0.0)


def said_of(held: Iterable[HeldThread], whose: Sequence[Whose]) -> str:
    """The same as words: who, where in the kernel, and what that means; empty when none is."""
    theirs = [each for each in held if each.whose in whose]
    if not theirs:
        return ""
    worst = max(theirs, key=lambda each: each.held_s)
    who = f"{worst.process.name} (pid {worst.process.pid}, thread {worst.thread})"
    if worst.container:
        who += f" of container {worst.container}"
    more = f" and {plain(len(theirs) - 1, '')} more" if len(theirs) > 1 else ""
    return f"{who}{more} in {worst.wchan or 'a place not told'}{meaning(worst.wchan)}"


def meaning(wchan: str) -> str:
    """In brackets after its name; empty when the function tells nothing that is known here."""
    for words, means in MEANS:
        if any(word in wchan for word in words):
            return f" ({means})"
    return ""


PROBE = Probe(
    name="kernel",
    help="threads that the kernel holds (state D), the signs in its log, the data-root's mount",
    readings=(
        Reading(
            "daemon_held_s", Kind.GAUGE, "How long it has held dockerd or containerd", "seconds"
        ),
        Reading(
            "dockerd_held_s", Kind.GAUGE, "How long it has held a thread of dockerd", "seconds"
        ),
        Reading("containerd_held_s", Kind.GAUGE, "Likewise, a thread of containerd", "seconds"),
        Reading("daemon_held", Kind.TEXT, "Which thread that is, where it waits, what that means"),
        Reading(
            "others_held_s", Kind.GAUGE, "Likewise, a shim or a container's process", "seconds"
        ),
        Reading("others_held", Kind.TEXT, "Which one that is, and where it waits"),
        Reading("log_known", Kind.FLAG, "Whether the kernel's log could be read"),
        Reading("data_root_read_only", Kind.FLAG, "Whether the data-root's mount takes no writes"),
        Reading(
            "hung_tasks_1h", Kind.GAUGE, "Complaints of the kernel of hung tasks of the daemon"
        ),
        Reading("netdev_waits_20m", Kind.GAUGE, "Waits for a network device that is not let go"),
        Reading(
            "oom_kills_1h", Kind.GAUGE, "Times that dockerd or containerd was killed for memory"
        ),
        Reading("fs_errors_1h", Kind.GAUGE, "Errors that made the data-root read-only"),
        Reading("nfs_silent", Kind.FLAG, "Whether an NFS server does not respond"),
        Reading("nfs_servers", Kind.TEXT, "Which ones those are"),
    ),
    timeout_s=4.0,
    run=run,
    every_s=15.0,
)
