"""What the kernel and the journal leave to read, as types: threads that the kernel holds, signs in
its log, what the daemon has said of itself, what a killed one leaves. `host/view.py` offers them to
the probes."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from dockerdoctor.model import Process


class Whose(enum.StrEnum):
    """To whom a held thread belongs."""

    DOCKERD = "dockerd"
    CONTAINERD = "containerd"
    SHIM = "shim"
    CONTAINER = "container"


class HeldThread(Struct, frozen=True):
    """A thread in state D (uninterruptible) that has not run once since `held_s` seconds ago."""

    whose: Whose
    process: Process
    thread: int
    wchan: str
    """The kernel function it waits in; empty where that is not told."""
    held_s: float
    container: str = ""
    """The container's name, where it is one's."""


class KernelTraces(Struct, frozen=True):
    """What the kernel shows of this daemon's host. Counts are of the time that is named."""

    held: tuple[HeldThread, ...] = ()
    log_known: bool = False
    """Whether the kernel's log could be read; without it all that follows is nothing."""
    hung_tasks_1h: int = 0
    """Times that the kernel's watchdog complained of a task of this daemon (120 s in state D)."""
    netdev_waits_20m: int = 0
    """`unregister_netdevice: waiting for ...`; the kernel says so every 10 s."""
    oom_kills_1h: int = 0
    """Of dockerd and containerd themselves."""
    silent_nfs: str = ""
    """NFS servers that do not respond, joined by commas."""
    fs_errors_1h: int = 0
    """Errors of the data-root's own file system that made it read-only or shut it down."""
    data_root_read_only: bool | None = None
    """By its mount's options; None when they could not be read."""


class JournalTally(Struct, frozen=True):
    """What the messages of docker and containerd amount to, read forward."""

    known: bool = True
    lines: int = 0
    """Messages read so far."""
    counts_1h: Mapping[str, int] = field(default_factory=dict)
    """Messages of the last hour by the name of their signature; only of the daemon that serves now
    (or of the last one, while it is down)."""
    last: Mapping[str, str] = field(default_factory=dict)
    """The newest message of each, cut short."""
    whom: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Ids of the containers they are about, where they tell, and when that was (wall clock, s)."""
    first_error: str = ""
    """Of the last start that failed; empty once a start has worked."""
    cause: str = ""
    """The name of the signature that it has; empty when it is not known."""


class Client(Struct, frozen=True):
    """A process that is connected to the daemon's socket. From a container that has the socket
    mounted it is the first process of that container."""

    process: Process
    connections: int


class Flights(Struct, frozen=True):
    """What has come of the canary: a tiny container that is created, started and ends, now and
    then. A flight that the daemon's own restart broke off counts for nothing."""

    total: int = 0
    failed: int = 0
    failed_in_a_row: int = 0
    slow_in_a_row: int = 0
    took_s: float | None = None
    """From create to exit, of the last one that came back."""
    why: str = ""
    """Of the last one, when it failed."""


class Builds(Struct, frozen=True):
    """Image builds of the daemon, and other work that takes long by right, seen from outside."""

    live: int
    """How many run now, by BuildKit or by the classic builder."""
    since_s: float = 0.0
    """How long there has been one without a break, as far as we have looked."""
    copies: int = 0
    """Copies (`docker cp`) and diffs of containers: each holds that container's lock to its end."""
    prunes: int = 0
    """How many prunes of containers, networks, images or volumes run now."""
    pruning_s: float = 0.0
    """How long there has been one without a break, likewise."""


class Growth(Struct, frozen=True):
    """How dockerd's memory (`rss`, bytes) and its counters (`goroutines`, `listeners`, `fds`) have
    grown since it was first seen, an hour at most."""

    span_s: float = 0.0
    """Of the memory's values."""
    per_hour: Mapping[str, float] = field(default_factory=dict)
    """Steady growth of each; 0 or less where it is none. Without a name: not known yet."""
    last: Mapping[str, float] = field(default_factory=dict)
    available_bytes: int = 0
    """What the host can still give before it swaps."""
    version: str = ""


class Proxy(Struct, frozen=True):
    """A docker-proxy: it holds a published port, and passes on what iptables does not."""

    process: Process
    port: int
    protocol: str
    """tcp, udp or sctp."""


class Remains(Struct, frozen=True):
    """What a killed dockerd may have left on its machine."""

    proxies: tuple[Proxy, ...] = ()
    """Of this daemon, and no dockerd's child any more: PID 1 has inherited them."""
    shims: Mapping[str, Process] = field(default_factory=dict)
    """This daemon's, by the full id of their container; without those of the last minute."""


class PidFile(Struct, frozen=True):
    """dockerd's pid file, and who has the pid in it now."""

    path: Path
    process: Process


class Doubled(Struct, frozen=True):
    """A rule that is in its chain more than once, as iptables-save writes it."""

    table: str
    rule: str
    copies: int


class Firewall(Struct, frozen=True):
    """The rules of the packet filter (iptables)."""

    rules: int
    doubled: tuple[Doubled, ...] = ()
    """Of dockerd's own."""
