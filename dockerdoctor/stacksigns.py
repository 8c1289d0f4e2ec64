"""The known ways in which dockerd and containerd hang, as their goroutines show them: a table.

A sign is data: which program, what is waited for, which functions stand on the stacks. Numbers are
issues of moby/moby unless another project is named. The first sign that fits is the one.
"""

from __future__ import annotations

from msgspec import Struct

LOCK, CONTAINERD, SHIM, SYSCALL, CHANNEL = (
    "a lock",
    "containerd's answer",
    "a shim's answer",
    "the kernel (a system call)",
    "a channel",
)
"""What a goroutine can wait for."""

NAMES = (
    "Mount Unmount Statfs Lstat Stat fstatat Open openat unlinkat Rmdir Mkdir mkdirat renameat "
    "Rename Fsync Fdatasync fdatasync Getdents Flock Chown Chmod Ftruncate pwrite Pwrite write"
)
FILES = tuple(NAMES.split())
"""System calls of files that return soon on a file system that is well; others may wait for long
(a signal, a child, a netlink message, the other end of a fifo)."""

PATIENT = (
    ").getEvents",
    ").getContainersLogs",
    ").postContainersWait",
    ").postContainersAttach",
    ").wsContainersAttach",
    ").getContainersStats",
    ").postContainerExecStart",
    ").postImagesCreate",
    ").postImagesLoad",
    ").postBuild",
    ").startSession",
    ").ServeHijack",
    "_Subscribe_Handler",
    "_Tasks_Wait_Handler",
    "_Watch_Handler",
    "_Control_",
    "_LLBBridge_",
    ".(*tasksClient).Wait",
    ".(*taskClient).Wait",
    "containerd/fifo.",
)
"""Work that lasts as long as a client or a container likes: events, logs, wait, attach, builds and
pulls, the other end of a fifo."""

HOLDERS = (
    ".containerStart",
    ".killWithSignal",
    ".handleContainerExit",
    ".containerPause",
    ".containerUnpause",
    ".containerRestart",
    ".ContainerRename",
    ".cleanupContainer",
    ".ContainerUpdate",
    ".updateContainerNetworkSettings",
    ".ConnectToNetwork",
    ".DisconnectFromNetwork",
    ".containerCopy",
    ".containerArchivePath",
    ".containerExtractToDir",
    ".commitRaw",
    ".CheckpointCreate",
    ".(*Daemon).Shutdown",
    ".(*Daemon).shutdownContainer",
    ".(*Daemon).restore",
    ".(*Daemon).Cleanup",
    ".(*Daemon).Reload",
)
"""Functions of dockerd that work while they hold a lock of a container or of the daemon (moby,
daemon/: start.go, kill.go, monitor.go, pause.go, rename.go, delete.go, network.go, archive.go)."""


class Sign(Struct, frozen=True):
    """One known failure. `on` are parts of functions' names of which each must stand on the stacks
    that wait; `holder` is what the holder of the lock waits for. `least` goroutines, waiting for
    `minutes`."""

    name: str
    program: str
    says: str
    remedy: str
    avoid: str = ""
    issues: tuple[str, ...] = ()
    waits: str = ""
    on: tuple[str, ...] = ()
    holder: str = ""
    least: int = 1
    minutes: int = 1


SIGNS = (
    Sign(
        "shutdown-waits",
        "dockerd",
        "dockerd is shutting down and waits for its containers",
        "let it end: systemd kills it at TimeoutStopSec; a container that ignores SIGTERM has its "
        "own stop time-out",
        on=(".(*Daemon).Shutdown",),
    ),
    Sign(
        "mount-hangs",
        "dockerd",
        "a system call on a file system does not return: a dead NFS server, a frozen disk",
        "free the mount: the server, `fsfreeze -u`, `umount -l -f`; `dmesg` names it",
        "kill -9 and restarts: the kernel holds the thread",
        ("#41427", "docker/for-linux #397"),
        SYSCALL,
    ),
    Sign(
        "mount-hangs",
        "dockerd",
        "a system call on a file system does not return: a dead NFS server, a frozen disk",
        "free the mount: the server, `fsfreeze -u`, `umount -l -f`; `dmesg` names it",
        "kill -9 and restarts: the kernel holds the thread",
        ("#41427", "docker/for-linux #397"),
        LOCK,
        holder=SYSCALL,
    ),
    Sign(
        "containerd-silent",
        "dockerd",
        "containerd does not answer; dockerd itself serves",
        "keep containerd's stacks (SIGUSR1 to containerd), then `systemctl restart containerd`: "
        "its shims and their containers live on",
        "a kill of dockerd: the new one hangs on the same containerd",
        ("#33828", "#37652"),
        CONTAINERD,
        on=("(*versionClient).Version",),
    ),
    Sign(
        "authorization-plugin-silent",
        "dockerd",
        "an authorization plugin does not answer, and dockerd asks it before it answers anybody",
        "mend or restart the plugin (`authorization-plugins` in daemon.json names it); what waits "
        "goes on at once",
        "restarts and kills of dockerd: the new one asks the same plugin (only one that `docker "
        "plugin install` brought starts anew with it)",
        waits=CHANNEL,
        on=("authorization.(*Ctx).AuthZRequest", "plugins.(*Client)"),
    ),
    Sign(
        "container-waits-for-containerd",
        "dockerd",
        "one container's lock is held by an operation that waits for containerd, most likely for "
        "that container's shim",
        "kill that container's shim (`dockerdoctor heal`, rung kill-shim); look at containerd if "
        "more than one container hangs",
        "a restart of dockerd without live-restore: it stops every container",
        ("#37910", "#39344", "#33870", "docker/for-linux #397"),
        LOCK,
        holder=CONTAINERD,
    ),
    Sign(
        "containerd-silent",
        "dockerd",
        "containerd does not answer; dockerd itself serves",
        "keep containerd's stacks (SIGUSR1 to containerd), then `systemctl restart containerd`: "
        "its shims and their containers live on",
        "a kill of dockerd: the new one hangs on the same containerd",
        ("#33828", "#37652"),
        CONTAINERD,
        least=3,
    ),
    Sign(
        "containerd-call",
        "dockerd",
        "an operation waits for containerd, most likely for one container's shim",
        "see which container hangs (`dockerdoctor check`) and kill its shim (rung kill-shim)",
        "a restart of dockerd without live-restore: it stops every container",
        ("docker/for-linux #397", "#37910"),
        CONTAINERD,
    ),
    Sign(
        "prune-stuck",
        "dockerd",
        "a prune does not end; every other prune is refused with 409 until dockerd restarts",
        "wait, or restart dockerd with live-restore on",
        "a second prune",
        ("#52896",),
        on=("sPrune",),
        minutes=10,
    ),
    Sign(
        "disk-usage-storm",
        "dockerd",
        "`docker system df` or `ps --size` walks the disk, again and again",
        "stop the monitor that calls it each minute",
        "a restart: the monitor comes back",
        ("#31719", "#32846", "#17832"),
        on=("DiskUsage",),
        least=3,
    ),
    Sign(
        "container-lock",
        "dockerd",
        "one container's lock is held and all that ask for that container wait",
        "restart dockerd, with live-restore on and in a quiet moment; keep this dump",
        "a prune: it waits for the same lock",
        ("#18848", "#39344", "#37910"),
        LOCK,
        on=("daemon.(*Daemon).",),
    ),
    Sign(
        "daemon-deadlock",
        "dockerd",
        "many requests wait for one lock of the daemon",
        "keep this dump, then restart dockerd: `dockerdoctor heal`",
        "a prune, `system df`, `ps --size`: they wait for the same lock",
        ("#12606", "#27827", "#30605"),
        LOCK,
    ),
    Sign(
        "shim-silent",
        "containerd",
        "a shim does not answer containerd; other containers work",
        "kill that one shim (rung kill-shim)",
        "a restart of containerd before that",
        ("containerd #2438",),
        SHIM,
    ),
    Sign(
        "disk-write-hangs",
        "containerd",
        "containerd waits for the disk that holds its metadata (bolt)",
        "look at the disk: `dmesg`, `iostat -x 1`, `df -h /var/lib/containerd`",
        "restarts: the new one waits for the same disk",
        (),
        SYSCALL,
        on=("bbolt.",),
    ),
    Sign(
        "containerd-lock",
        "containerd",
        "many calls wait for one lock of containerd",
        "keep this dump, then `systemctl restart containerd`: its shims live on",
        "a kill of dockerd",
        ("#33828",),
        LOCK,
        least=2,
    ),
    Sign(
        "event-clients",
        "dockerd",
        "clients follow events without end: each costs goroutines, a file descriptor and memory",
        "find the client (`ss -xp | grep docker.sock`) and stop it",
        "a restart first: the client comes back",
        ("#32711", "#39916"),
        on=(".getEvents",),
        least=500,
        minutes=0,
    ),
    Sign(
        "log-followers",
        "dockerd",
        "clients follow logs without end",
        "find the client (`ss -xp | grep docker.sock`) and stop it",
        "a restart first: the client comes back",
        ("#39916", "#13014"),
        on=("ContainersLogs",),
        least=500,
        minutes=0,
    ),
    Sign(
        "buildkit-leak",
        "dockerd",
        "BuildKit's goroutines pile up: a leak of some versions (20.10.x before 20.10.13, 27.0.3)",
        "update docker; until then a restart with live-restore gives the memory back",
        issues=("#43262", "#48236", "#48144"),
        on=("moby/buildkit/",),
        least=1000,
        minutes=0,
    ),
)
