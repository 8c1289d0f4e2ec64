"""Faults of processes: frozen, held by a tracer, stopped, killed.

In: a lab host. Out: context managers; the fault holds inside the block and is undone at its end.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.lab import outer
from tests.lab.host import LabHost

SEEN_TIMEOUT_S = 60.0
LIMIT_TIMEOUT_S = 300.0
"""For three starts within a minute, on a machine that is busy with something else."""


@contextlib.contextmanager
def frozen(host: LabHost, unit: str = "docker.service") -> Iterator[None]:
    """Freeze a unit's processes behind systemd's back: deaf to SIGTERM, state S, SIGKILL works.

    In a cgroup below the unit's own, which systemd 252 would thaw to stop it.
    """
    group = host.unit_cgroup(unit)
    below = group / "lab-frozen"
    below.mkdir()
    _move(group, below)
    (below / "cgroup.freeze").write_text("1")
    try:
        events = below / "cgroup.events"
        host.wait(lambda: "frozen 1" in events.read_text(), SEEN_TIMEOUT_S, f"{unit} to freeze")
        yield
    finally:
        # It is gone where the unit was killed meanwhile.
        with contextlib.suppress(OSError):
            (below / "cgroup.freeze").write_text("0")
            _move(below, group)
            below.rmdir()


def _move(group: Path, to: Path) -> None:
    """Move all processes from one cgroup to another."""
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            (to / "cgroup.procs").write_text(pid)


@contextlib.contextmanager
def traced(host: LabHost, unit: str = "docker.service") -> Iterator[int]:
    """Hold a unit's main process with gdb at its prompt; yields gdb's pid inside the host."""
    held = host.main_pid(unit)
    quiet = ("-q", "-nx", "-iex", "set auto-solib-add off", "-iex", "set debuginfod enabled off")
    gdb = host.spawn("gdb", *quiet, "-p", str(outer.pid_inside(held)))

    def tracer() -> int:
        return int(outer.status(held).get("TracerPid", "0"))

    try:
        host.wait(lambda: tracer() and _state(held) == "t", SEEN_TIMEOUT_S, "gdb to hold it")
        yield outer.pid_inside(tracer())
    finally:
        host.end(gdb)


@contextlib.contextmanager
def stopped(host: LabHost, pid: int) -> Iterator[None]:
    """SIGSTOP a process (outer pid); SIGCONT at the end if it is still there."""
    process = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(process, signal.SIGSTOP)
        host.wait(lambda: _state(pid) in ("T", ""), SEEN_TIMEOUT_S, f"{pid} to stop")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGCONT)
        os.close(process)


@contextlib.contextmanager
def stopped_unit(host: LabHost, unit: str = "docker.service") -> Iterator[None]:
    """SIGSTOP the main process of a unit: docker.service or containerd.service."""
    with stopped(host, host.main_pid(unit)):
        yield


@contextlib.contextmanager
def stopped_shim(host: LabHost, container: str) -> Iterator[None]:
    """SIGSTOP a container's containerd-shim."""
    with stopped(host, host.shim(container)):
        yield


@contextlib.contextmanager
def stuck_container(host: LabHost, container: str) -> Iterator[None]:
    """SIGSTOP a container's shim while `docker stop` works on it: that one hangs, others do not."""
    with stopped_shim(host, container):
        stop = host.spawn("docker", "stop", container)
        try:
            hangs = ("docker", "inspect", container)
            host.wait(lambda: host.hangs(*hangs), SEEN_TIMEOUT_S, f"{container} to be stuck")
            yield
        finally:
            host.end(stop)


def kill_unit(host: LabHost, unit: str = "docker.service") -> int:
    """SIGKILL a unit's main process, as the kernel's OOM killer would; return its outer pid.

    Nothing to undo: systemd starts the unit again. live-restore off or on, containers live on until
    the next dockerd looks after them.
    """
    pid = host.main_pid(unit)
    kill(host, [pid])
    return pid


def kill_to_the_limit(host: LabHost) -> None:
    """SIGKILL dockerd whenever it runs, until systemd does not start it again. Nothing to undo."""

    def given_up() -> bool:
        if pid := host.main_pid():
            kill(host, [pid])
        return host.show("docker.service", "ActiveState")["ActiveState"] == "failed"

    host.wait(given_up, LIMIT_TIMEOUT_S, "the start limit")


def killed_by_oomd(host: LabHost, unit: str = "docker.service") -> int:
    """Do what systemd-oomd does when the host runs out of memory: mark the unit's cgroup and
    SIGKILL all that is in it; return the main process's outer pid. Nothing to undo."""
    group, pid = host.unit_cgroup(unit), host.main_pid(unit)
    for mark in ("user.oomd_ooms", "user.oomd_kill"):
        before = int(os.getxattr(group, mark)) if mark in os.listxattr(group) else 0
        os.setxattr(group, mark, str(before + 1).encode())
    kill(host, [int(each) for each in (group / "cgroup.procs").read_text().split()])
    return pid


def kill_unit_with_shims(host: LabHost) -> list[int]:
    """SIGKILL dockerd and every containerd-shim; return their outer pids. The containers go too."""
    shims = [pid for pid in host.processes() if "containerd-shim" in outer.program(pid)]
    pids = [host.main_pid(), *shims]
    kill(host, pids)
    return pids


def kill(host: LabHost, pids: list[int]) -> None:
    """SIGKILL processes by their outer pids, and wait until they are dead."""
    for pid in pids:
        process = os.pidfd_open(pid)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        os.close(process)
    host.wait(lambda: all(_state(p) in ("", "Z") for p in pids), SEEN_TIMEOUT_S, "them to die")


def _state(pid: int) -> str:
    """Return the letter of a process's state; empty when it is gone."""
    return outer.status(pid).get("State", "")[:1]
