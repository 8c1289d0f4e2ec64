"""What a killed dockerd may leave on its machine: /proc and the pid file go in, `Remains` come out.

The daemon is not asked; whether it knows of what is found here, `dockerdoctor.leftovers` finds out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from dockerdoctor.errors import HostFault
from dockerdoctor.host import cgroups, firewall, launch, pids, processes, programs, shims
from dockerdoctor.host.keeper import Keeper
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.host.layout import Layout
from dockerdoctor.host.nouns import Container, Service
from dockerdoctor.host.traces import Doubled, Firewall, PidFile, Proxy, Remains
from dockerdoctor.model import Fault, Process

PROXY = "docker-proxy"
INHERITS = "systemd"
"""The name of whoever else than PID 1 may inherit orphans: a user's service keeper."""
SETTLED_S = 60.0
"""A shim that is younger belongs to a container that is being started, or that ends at once."""
READ_S = 2.0
"""Deadline of reading command lines from /proc."""


class AfterAKill:
    """The part of `LinuxHost` that looks for what a kill leaves: see `view` for each."""

    def __init__(self, lanes: Lanes, keeper: Keeper, found: Callable[[], Layout]) -> None:
        self._lanes = lanes
        self._keeper = keeper
        self._layout = found

    def remains(self) -> Remains:
        dockerd, found = self._keeper.main_process(Service.DOCKERD), self._layout()
        ours = shims.of(self._lanes, found.containerd_socket(), found.namespace, dockerd)
        settled = {
            ident: shim for ident, shim in ours.items() if processes.age_s(shim) >= SETTLED_S
        }
        if dockerd is None:  # nobody can say which proxies were this daemon's
            return Remains(shims=settled)
        return Remains(
            self._lanes.run("look for proxies", lambda: orphans(dockerd), READ_S), settled
        )

    def stale_pid_file(self) -> PidFile | None:
        path = self._layout().pidfile
        process = processes.identify(pids.pid_in(path))  # a zombie still has its pid
        if process is None or programs.is_dockerd(process, self._keeper.dockerd_argv()):
            return None
        return PidFile(path, process)

    def has_process(self, container: Container) -> bool:
        return has_process(container, self._keeper.main_process(Service.DOCKERD))

    def firewall(self, timeout_s: float) -> Firewall:
        dockerd = self._keeper.main_process(Service.DOCKERD)
        if dockerd is None or not processes.same_namespace(dockerd.pid, "self", "net"):
            raise HostFault(Fault.MISSING, "dockerd's network is not this one")
        return firewall.look(timeout_s)

    def drop_copy(self, doubled: Doubled, timeout_s: float) -> None:
        firewall.drop_copy(doubled, timeout_s)


def has_process(container: Container, dockerd: Process | None) -> bool:
    """Whether anybody has the pid that an inspect told of. True where that cannot be told from
    here: the daemon counts pids of another namespace, or nobody knows which."""
    if not container.pid or dockerd is None:
        return True
    countable = processes.same_namespace(dockerd.pid, "self", "pid")
    return not countable or processes.identify(container.pid) is not None


def orphans(dockerd: Process) -> tuple[Proxy, ...]:
    """The docker-proxies of this daemon that no dockerd looks after. May hang, as it reads command
    lines: call it through `Lanes`."""
    found = []
    for process in processes.all_named(PROXY):
        try:
            if _is_orphan(process) and _is_of(process, dockerd):
                proxy = parse(process, launch.words(process))
                if proxy is not None and processes.exists(process):
                    found.append(proxy)
        except OSError:
            continue  # it has ended meanwhile, or may not be looked at: not ours to end
    return tuple(found)


def _is_orphan(process: Process) -> bool:
    """A docker-proxy by its program too, and inherited by PID 1 or a keeper of services."""
    seen = processes.stat(process.pid)
    if seen is None or programs.file_of(process) != PROXY:
        return False
    parent = processes.identify(seen.parent)
    if parent is None or programs.is_dockerd(parent):
        return False
    return parent.pid == 1 or parent.name == INHERITS


def _is_of(process: Process, dockerd: Process) -> bool:
    """In the daemon's own cgroup and network: not another daemon's, nor one's in a container."""
    return processes.same_namespace(process.pid, dockerd.pid, "net") and (
        _cgroup(process.pid) == _cgroup(dockerd.pid)
    )


def parse(process: Process, argv: Sequence[str]) -> Proxy | None:
    """A proxy by its command line; None when that names no port."""
    said = dict(itertools.pairwise(argv))
    port = said.get("-host-port", "")
    if not port.isdigit():
        return None
    return Proxy(process, int(port), said.get("-proto", "tcp"))


def _cgroup(pid: int) -> str:
    """By its v2 path, where there is one; else all its v1 paths. Raises OSError."""
    text = Path(f"/proc/{pid}/cgroup").read_text(errors="replace")
    return str(cgroups.v2_path(text) or text)
