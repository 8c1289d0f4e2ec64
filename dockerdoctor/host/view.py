"""What dockerdoctor asks of a machine, as types: `HostView` looks, `HostControl` also acts.

Every call has a deadline of its own and either returns a value or raises `HostFault` with the
Fault that says why not; none waits for ever. Two implementations answer them: a dockerd under
systemd and one with only a pid file (`host/linux.py`); a third, `host/dryrun.py`, looks for real
and acts in the log.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dockerdoctor.host.storage.facts import Removal, Survey
from dockerdoctor.host.traces import Growth, JournalTally, KernelTraces
from dockerdoctor.model import Instant, Process


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


@dataclass(frozen=True, slots=True)
class Pong:
    """An HTTP answer of `GET /_ping`, whatever its status: any answer but 503 proves life."""

    status: int
    latency_s: float
    api_version: str = ""


@dataclass(frozen=True, slots=True)
class ServiceState:
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
    unit_file: str = ""
    """enabled, disabled, masked, ...; empty without systemd."""
    load: str = ""
    """loaded, not-found, masked, ...; empty without systemd."""
    left_inactive_mono_s: float | None = None
    """InactiveExitTimestampMonotonic: when it last began to start, on the monotonic clock."""
    stop_timeout_s: float = 90.0
    """TimeoutStopUSec; systemd sends SIGKILL after it. `inf` when nobody does: systemd told to wait
    for ever, or no systemd."""
    restart: str = ""
    """Restart=: no, on-failure, always, ..."""
    job: str = ""
    """The job under way (start, stop, restart), empty when there is none."""


@dataclass(frozen=True, slots=True)
class ProcessVitals:
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


@dataclass(frozen=True, slots=True)
class DiskUse:
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


@dataclass(frozen=True, slots=True)
class Start:
    """One container start seen in the event stream. Durations in s; None when not (yet) known."""

    container: str
    at: float
    took_s: float
    healthy_s: float | None = None


@dataclass(frozen=True, slots=True)
class EventTally:
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


@dataclass(frozen=True, slots=True)
class EngineInfo:
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


@dataclass(frozen=True, slots=True)
class Container:
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
    """Names of containers it needs, where known (links, network mode `container:`)."""
    finished_at: float = 0.0
    """When its last run ended (wall clock, s), as an inspect told it; 0 when it never did."""
    inspected: bool = False
    """Whether policy, time-out, networks and links are known: the list call does not tell them."""
    hangs_since: float | None = None
    """Since when (monotonic clock, s) its inspect has not been answered; None while it is."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """How starved the host is. Shares of the last ten seconds, 0 to 1 (PSI avg10)."""

    known: bool
    """Whether the kernel tells it at all."""
    cpu_some_ratio: float = 0.0
    memory_full_ratio: float = 0.0
    io_full_ratio: float = 0.0
    load_per_cpu: float = 0.0
    swapped_in_bytes: int = 0
    swapped_out_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one prune call gave back."""

    what: str
    count: int
    bytes: int


class HostView(Protocol):
    """What may be looked at. Nothing here changes anything on the machine."""

    def now(self) -> Instant:
        """Both clocks."""
        ...

    def ping(self, timeout_s: float) -> Pong:
        """`GET /_ping` with one deadline for the whole answer, however slowly it drips."""
        ...

    def service(self, which: Service) -> ServiceState:
        """The state of a service; HostFault(MISSING) where there is none of that name."""
        ...

    def main_process(self, which: Service) -> Process | None:
        """Its main process by identity, from MainPID or the pid file; None while it has none."""
        ...

    def vitals(self, process: Process) -> ProcessVitals:
        """HostFault(MISSING) once this very process (pid and start time) is gone."""
        ...

    def places(self) -> Mapping[Place, Path]:
        """Where this daemon keeps its things, from its configuration or its last answer."""
        ...

    def disk(self, path: Path, timeout_s: float) -> DiskUse:
        """statvfs that cannot block its caller for longer than `timeout_s` (a dead NFS server)."""
        ...

    def events(self) -> EventTally:
        """The tally of the event stream; the first call opens it."""
        ...

    def info(self, timeout_s: float) -> EngineInfo:
        """`GET /info`."""
        ...

    def containers(self, timeout_s: float) -> Sequence[Container]:
        """All containers by one list call: ids, names, states; no inspect."""
        ...

    def container(self, ident: str, timeout_s: float) -> Container:
        """One container by inspect, with its policy and time-outs; takes that container's lock."""
        ...

    def roster(self) -> Sequence[Container]:
        """The containers as the last good `containers` and `container` calls told them; asks
        nobody, so it also works while the daemon hangs. Empty before the first answer."""
        ...

    def containerd_answers(self, timeout_s: float) -> float:
        """Seconds that containerd's own version call took."""
        ...

    def journal(self, which: Service, lines: int, timeout_s: float) -> Sequence[str]:
        """The last messages of a service, oldest first."""
        ...

    def kernel(self) -> KernelTraces:
        """Threads of this daemon that the kernel holds, and what its log tells; remembers between
        calls, so that how long a thread has been held is known from the second on."""
        ...

    def said(self, timeout_s: float) -> JournalTally:
        """The known signs in the messages of docker and containerd, read forward since the last
        call; the first one reads the last hour."""
        ...

    def growth(self) -> Growth:
        """How the daemon's memory and counters have grown, from what `vitals` and `info` told
        since it was started; asks nobody."""
        ...

    def pressure(self) -> Pressure:
        """PSI, load and swap traffic of the host."""
        ...

    def installing(self) -> str:
        """Who holds the package manager's lock, `apt-get (pid 12)`; empty when nobody does."""
        ...

    def dump_dirs(self, which: Service = Service.DOCKERD) -> Sequence[Path]:
        """Where goroutine dumps are written: dockerd's exec-root, else its data-root; the /tmp of
        containerd, as that sees it. Empty where it is not known."""
        ...

    def survey(self) -> Survey:
        """What is in the data-root, from its databases: without walking it, so sizes are those that
        are remembered or that the layer database tells. HostFault when it cannot be read."""
        ...

    def proc_files(self, process: Process) -> Mapping[str, str]:
        """/proc/PID/{status,stack,wchan,limits,cgroup} as far as they can be read."""
        ...


class HostControl(HostView, Protocol):
    """What a rung may do. Every call returns soon: it asks, and never waits for the end."""

    def start(self, *which: Service) -> None:
        """Ask for a start (`systemctl --no-block`); without systemd, the recorded command line."""
        ...

    def stop(self, *which: Service) -> None:
        """Ask for a stop."""
        ...

    def restart(self, which: Service) -> None:
        """Ask for a restart; without systemd SIGTERM, and a start once it is gone."""
        ...

    def kill_service(self, which: Service, signum: int) -> None:
        """`systemctl kill --kill-whom=main`; without systemd a signal to the main process."""
        ...

    def reset_failed(self, *which: Service) -> None:
        """Forget failed states and the start limit's count."""
        ...

    def signal(self, process: Process, signum: int) -> None:
        """Send a signal by pidfd to this very process; HostFault(MISSING) if it is gone."""
        ...

    def keep(self, name: str, content: bytes) -> Path:
        """Write evidence under the evidence directory, bounded in size; returns where."""
        ...

    def keep_copy(self, source: Path) -> Path:
        """Move a file (a goroutine dump) out of a place that a reboot empties."""
        ...

    def pause(self, seconds: float) -> None:
        """Let time pass in a rung that must wait for a file or a death (it bounds this)."""
        ...

    def shim_of(self, ident: str) -> Process | None:
        """The shim of one container, by its full id; None when there is none."""
        ...

    def shims(self) -> Sequence[Process]:
        """The shims of this daemon's containers."""
        ...

    def prune(self, what: str, older_than_s: float, timeout_s: float) -> Pruned:
        """One prune call: containers, images (dangling), build-cache, networks. Never volumes."""
        ...

    def start_container(self, ident: str, timeout_s: float) -> None:
        """Start a container that ran before."""
        ...

    def remove(self, what: Removal, timeout_s: float) -> str:
        """Remove one thing, if all that was true of it still is: empty when it is gone, else why it
        stays. Never a named volume, never what is in use."""
        ...

    def reboot(self) -> None:
        """Ask for a reboot of the host."""
        ...
