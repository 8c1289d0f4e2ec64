"""Faults that a killed dockerd leaves: its pid gone to somebody else, containers on paper, shims
that nobody knows, rules written twice.

In: a lab host. Out: context managers; the fault holds inside the block. An orphaned docker-proxy is
among the faults of the network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.lab.faults.files import down, state, up
from tests.lab.faults.processes import kill, stopped_unit
from tests.lab.host import LabHost

PID_FILE = "/run/docker.pid"
SEEN_TIMEOUT_S = 120.0
SLEEPER = 'sleep 1000000 </dev/null >/dev/null 2>&1 & echo "$!"'


@contextlib.contextmanager
def stale_pid_file(host: LabHost) -> Iterator[int]:
    """Start dockerd while its pid file names a sleeping process: it fails up to the start limit.
    Yields that process's pid inside the host."""
    down(host)
    sleeper = int(host.run("sh", "-c", SLEEPER).stdout)
    try:
        host.put(PID_FILE, str(sleeper))
        up(host)
        host.wait(lambda: state(host) == "failed", SEEN_TIMEOUT_S, "the refused starts")
        yield sleeper
    finally:
        host.run("kill", "-9", str(sleeper), check=False)
        host.settle()


GHOST_TRIES = 5


@contextlib.contextmanager
def ghost(host: LabHost, container: str) -> Iterator[None]:
    """Kill a container's process while dockerd is stopped and containerd dies with its news: the
    daemon misses the end, and says for ever that it runs. It does not always miss it."""
    for _ in range(GHOST_TRIES):
        _end_unseen(host, container)
        if container in host.docker("ps", "--format", "{{.Names}}").stdout.split():
            break
        host.docker("start", container)
    yield


def _end_unseen(host: LabHost, container: str) -> None:
    shim = host.shim(container)
    inside = int(host.docker("inspect", "--format", "{{.State.Pid}}", container).stdout)
    with stopped_unit(host):
        containerd = host.main_pid("containerd.service")
        kill(host, [containerd, shim, host.pid_outside(inside)])
        new = lambda: host.main_pid("containerd.service") not in (0, containerd)  # noqa: E731
        host.wait(new, SEEN_TIMEOUT_S, "the next containerd")
        tasks = ("ctr", "-n", "moby", "tasks", "ls")

        def gone() -> bool:
            told = host.run(*tasks, check=False)
            return told.returncode == 0 and str(inside) not in told.stdout.split()

        host.wait(gone, SEEN_TIMEOUT_S, "containerd to forget it")
    host.wait(host.serving, SEEN_TIMEOUT_S, "dockerd to go on")


@contextlib.contextmanager
def lost_shim(host: LabHost, container: str) -> Iterator[None]:
    """Take a running container's directory away while dockerd is down: its shim goes on, and the
    daemon knows nothing of it (live-restore)."""
    ident = host.docker("inspect", "--format", "{{.Id}}", container).stdout.strip()
    inside = host.docker("inspect", "--format", "{{.State.Pid}}", container).stdout.strip()
    down(host)
    host.run("mv", f"/var/lib/docker/containers/{ident}", "/root/lost")
    up(host)
    try:
        yield
    finally:
        host.run("rm", "-rf", "/root/lost")
        host.run("kill", "-9", inside, check=False)


@contextlib.contextmanager
def doubled_rules(host: LabHost, rule: tuple[str, ...], copies: int) -> Iterator[None]:
    """Write a rule of the nat table (`-A …`, as iptables-save has it) so many times more."""
    chain, *spec = rule[1:]
    for _ in range(copies):
        host.run("iptables", "-t", "nat", "-I", chain, *spec)
    try:
        yield
    finally:
        drop = ("iptables", "-t", "nat", "-D", chain, *spec)
        while host.run(*drop, check=False).returncode == 0:
            pass
