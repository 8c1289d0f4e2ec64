"""Faults of the network: firewall flushed, docker0 gone, ports held by others.

In: a lab host. Out: context managers; the fault holds inside the block. Undoing the first two
restarts dockerd, which costs the containers where live-restore is off.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.lab import outer
from tests.lab.host import LabHost

LISTEN_TIMEOUT_S = 60.0
RESTART_TIMEOUT_S = 180.0
LISTENER = """
import socket, sys, time
held = socket.create_server(("0.0.0.0", int(sys.argv[1])))
time.sleep(86400)
"""


@contextlib.contextmanager
def flushed_firewall(host: LabHost) -> Iterator[None]:
    """Flush and delete the chains of dockerd: `No chain/target/match by that name`."""
    for table in ("filter", "nat"):
        host.run("iptables", "-t", table, "-F")
        host.run("iptables", "-t", table, "-X")
    try:
        yield
    finally:
        _restart(host)


@contextlib.contextmanager
def no_bridge(host: LabHost) -> Iterator[None]:
    """Delete docker0."""
    host.run("ip", "link", "delete", "docker0")
    try:
        yield
    finally:
        _restart(host)


@contextlib.contextmanager
def foreign_listener(host: LabHost, port: int = 18080) -> Iterator[int]:
    """Hold a port by a program that is not Docker's; yields its pid inside the host."""
    holder = host.spawn("python3", "-c", LISTENER, str(port))
    try:
        host.wait(lambda: listening(host, port), LISTEN_TIMEOUT_S, f"port {port} to be held")
        yield outer.pid_inside(outer.children(holder.pid)[0])
    finally:
        host.end(holder)


@contextlib.contextmanager
def orphan_proxy(host: LabHost, port: int = 18081) -> Iterator[int]:
    """Leave a docker-proxy behind, as a killed dockerd does; yields its pid inside the host.

    Its parent is PID 1, its cgroup that of docker.service, and no container belongs to it.
    """
    held = ("-host-ip", "0.0.0.0", "-host-port", str(port))
    nobody = ("-container-ip", "172.17.0.250", "-container-port", "80")
    # The proxy tells its parent on descriptor 3 that it listens.
    script = '"$@" 3>/dev/null >/dev/null 2>&1 & echo $!'
    argv = ("docker-proxy", "-proto", "tcp", *held, *nobody)
    inside = int(host.run("sh", "-c", script, "sh", *argv).stdout)
    pid = host.pid_outside(inside)
    proxy = os.pidfd_open(pid)
    try:
        (host.unit_cgroup("docker.service") / "cgroup.procs").write_text(str(pid))
        host.wait(lambda: listening(host, port), LISTEN_TIMEOUT_S, f"port {port} to be held")
        yield inside
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(proxy, signal.SIGKILL)
        os.close(proxy)


def cut_name_server(host: LabHost, container: str) -> None:
    """Delete the rule that leads a container's questions to dockerd's name server, but not its
    chain. `docker restart` undoes it."""
    rule = ("OUTPUT", "-d", "127.0.0.11", "-j", "DOCKER_OUTPUT")
    _in_network(host, container, "iptables", "-t", "nat", "-D", *rule)


def flushed_loopback(host: LabHost, container: str) -> None:
    """Take a container's 127.0.0.1 away, where dockerd's name server listens, as whoever has
    NET_ADMIN can. `docker restart` undoes it."""
    _in_network(host, container, "ip", "address", "flush", "dev", "lo")


def _in_network(host: LabHost, container: str, *argv: str) -> None:
    pid = host.docker("inspect", "--format", "{{.State.Pid}}", container).stdout.strip()
    host.run("nsenter", "--target", pid, "--net", *argv)


def listening(host: LabHost, port: int) -> bool:
    """Tell whether a TCP port (IPv4) is held in the host."""
    sockets = (
        row.split() for row in Path(f"/proc/{host.leader}/net/tcp").read_text().splitlines()[1:]
    )
    return any(row[3] == "0A" and int(row[1].split(":")[1], 16) == port for row in sockets)


def _restart(host: LabHost) -> None:
    host.systemctl("reset-failed", check=False)
    host.systemctl("restart", "docker.service", timeout=RESTART_TIMEOUT_S, check=False)
    host.settle()
