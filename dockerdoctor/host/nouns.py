"""What the machine answers, as frozen values: services, processes, disks, containers, starts.

Units are in the names or beside them; `view.py` says who is asked for which.
"""

from __future__ import annotations

import enum
from pathlib import Path

from msgspec import Struct

from dockerdoctor.model import Process

COMES_BACK = frozenset({"always", "unless-stopped"})
"""Restart policies by which the daemon itself starts a container when it starts."""


CANARY = "dockerdoctor-canary"
"""The name of the container that the canary is, and of its image; reserved for it."""


class Service(enum.StrEnum):
    """The services a daemon consists of; the configuration says what their units are called."""

    DOCKERD = "dockerd"
    SOCKET = "socket"
    CONTAINERD = "containerd"


class Place(enum.StrEnum):
    """The directories a daemon dies of when they are full."""

    DATA_ROOT = "data_root"
    RUN = "run"
    CONTAINERD = "containerd"


class Pong(Struct, frozen=True):
    """An HTTP answer of `GET /_ping`, whatever its status: any answer but 503 proves life."""

    status: int
    latency_s: float
    api_version: str = ""


class ServiceState(Struct, frozen=True):
    """A service as its keeper (systemd, or the pid file) tells it, in systemd's words."""

    name: str
    active: str
    """active, activating, deactivating, inactive, failed, reloading."""
    sub: str
    result: str
    """success, exit-code, signal, timeout, oom-kill, start-limit-hit, ..."""
    main_pid: int = 0
    restarts: int = 0
    """NRestarts: automatic restarts by systemd since the unit was last started by hand."""
    load: str = ""
    """loaded, not-found, masked, ...; empty without systemd."""
    left_inactive_mono_s: float | None = None
    """InactiveExitTimestampMonotonic: when it last began to start, or was last to be started again
    by systemd, on the monotonic clock."""
    main_exited_mono_s: float | None = None
    """ExecMainExitTimestampMonotonic: when the last main process ended; None while one runs, and
    without systemd."""
    stop_timeout_s: float = 90.0
    """TimeoutStopUSec; systemd sends SIGKILL after it. `inf` when nobody does: systemd told to wait
    for ever, or no systemd."""
    restart: str = ""
    """Restart=: no, on-failure, always, ..."""
    watchdog_s: float = 0.0
    """WatchdogUSec; 0 or `inf`: systemd waits for no sign of life."""
    job: str = ""
    """The job under way (start, stop, restart), empty when there is none."""
    served: bool = True
    """Whether it is known to have been up since it was started: by its own word (Type=notify), or
    because it has answered."""
    kill_mode: str = ""
    """KillMode=: process spares all but the main process; empty without systemd."""
    along: frozenset[str] = frozenset()
    """The units that systemd restarts along with it."""


class ProcessVitals(Struct, frozen=True):
    """One process as /proc shows it."""

    rss_bytes: int
    swap_bytes: int
    threads: int
    fds: int
    """-1 where they may not be counted: somebody else's process, and not root."""
    fd_limit: int
    """The soft limit of open files; 0 when there is none."""
    state: str
    """The kernel's letter: R runs, S sleeps, D uninterruptible, T stopped, t traced, Z zombie."""
    pending: frozenset[int]
    """Signals sent to it and not yet taken (SigPnd and ShdPnd)."""
    tracer: Process | None
    """Who holds it with ptrace, if anybody."""
    frozen: bool
    """Whether its cgroup is frozen (cgroup v2)."""
    cpu_s: float
    """User and system time so far."""
    stuck_threads: int = 0
    """Threads in state D, of all its threads."""
    idle_s: float = 0.0
    """For how long it has used no processor time and done no I/O, as far as it was looked at."""


class DiskUse(Struct, frozen=True):
    """One file system, as statvfs counts it: free is what an unprivileged writer may still take."""

    path: Path
    total_bytes: int
    free_bytes: int
    used_ratio: float
    """As `df` counts it: used / (used + free)."""
    inodes_used_ratio: float
    """0 where the file system does not count inodes (btrfs)."""
    inodes_total: int = 0
    """0 where it does not count them, or they were not asked for."""
    full_in_s: float | None = None
    """Time until it is full at the steady growth of the last minutes; None where there is none."""
    device: int = 0
    """Its number (st_dev): two places with the same one share their space."""


class Start(Struct, frozen=True):
    """One container start seen in the event stream. Durations in s; None when not (yet) known."""

    container: str
    at: float
    took_s: float
    healthy_s: float | None = None


class EventTally(Struct, frozen=True):
    """What the event stream has shown so far."""

    alive: bool
    """Connected now."""
    events_total: int
    gaps_total: int
    """Times the stream broke and something may have been missed."""
    reconciled_total: int
    """Containers whose state was put right by a list after a gap."""
    starts_total: int
    failed_starts_total: int
    starts: tuple[Start, ...] = ()
    """The starts of the last hour, oldest first (bounded)."""
    failures_at: tuple[float, ...] = ()
    """When starts failed in the last hour (wall clock, bounded)."""
    fault: str = ""
    """Why the stream is not there, when it is not."""


class EngineInfo(Struct, frozen=True):
    """`GET /info`, what of it matters here. Hangs while containerd hangs, although ping passes."""

    version: str
    live_restore: bool
    swarm: bool
    data_root: Path
    storage_driver: str
    running: int
    containers: int
    images: int
    goroutines: int
    fds: int
    listeners: int


class Container(Struct, frozen=True):
    """One container of the last good look."""

    id: str
    name: str
    state: str
    """created, running, paused, restarting, removing, exited, dead."""
    restart_policy: str = ""
    """no, always, unless-stopped, on-failure; empty when not known."""
    stop_timeout_s: float = 10.0
    """-1: for ever."""
    pid: int = 0
    image: str = ""
    networks: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    """Names of containers it needs, where known (links, network mode `container:`), or what Compose
    calls them, as in `service`."""
    service: str = ""
    """PROJECT/SERVICE, if Compose has made it."""
    finished_at: float = 0.0
    """When its last run ended (wall clock, s), as an inspect told it; 0 when it never did."""
    inspected: bool = False
    """Whether policy, time-out, networks and links are known: the list call does not tell them."""
    ports: tuple[tuple[int, str], ...] = ()
    """Ports of the host that it publishes, with their protocol, as the list call tells them."""
    started_at: float = 0.0
    """When its last run began (wall clock, s), as an inspect told it."""
    checked_at: float = 0.0
    """When its health check was last done (wall clock, s), likewise; 0 when it never was."""
    check_within_s: float = 0.0
    """Its health check's interval and time-out together; 0 when it has none."""
    kept_by: str = ""
    """Who starts another in its place, by its labels: swarm, kubernetes, ...; empty: nobody."""
    hangs_since: float | None = None
    """Since when (monotonic clock, s) its inspect has not been answered; None while it is."""


class Pressure(Struct, frozen=True):
    """How starved the host is. Shares of the last ten seconds, 0 to 1 (PSI avg10)."""

    known: bool
    """Whether the kernel tells it at all."""
    cpu_some_ratio: float = 0.0
    memory_full_ratio: float = 0.0
    io_full_ratio: float = 0.0
    load_per_cpu: float = 0.0
    iowait_ratio: float = 0.0
    """Share of the processors' time since the last look in which they waited for a disk."""
    swapped_in_bytes: int = 0
    swapped_out_bytes: int = 0
