"""/proc as text, and real processes of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest
from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host import cgroups, processes
from dockerdoctor.host.progress import Progress, io_bytes, parse_io
from dockerdoctor.host.shims import belongs
from dockerdoctor.model import Fault, Process

STAT = (
    "50 (weird) (name) S 1 50 50 0 -1 4194560 9283 2110 0 0 7 6 1 2 20 0 9 0 218000 "
    "1459650560 19644 18446744073709551615 1 1 0 0 0 0 1002060288 0 2143420159"
)


def test_stat_survives_a_name_with_brackets_and_blanks() -> None:
    seen = processes.parse_stat(STAT)
    assert seen.process == Process(50, 218000, "weird) (name")
    assert (seen.state, seen.parent, seen.threads) == ("S", 1, 9)
    assert seen.cpu_s == 13 / processes.TICKS_PER_S


@pytest.mark.parametrize("text", ["", "50", "50 (x", "50 (x) S 1 2 3", "x (y) " + "1 " * 30])
def test_a_stat_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        processes.parse_stat(text)


def test_a_dead_leader_has_ended_only_when_no_thread_is_left() -> None:
    dead = STAT.replace(") S ", ") Z ")
    assert not processes.parse_stat(dead).ended
    assert processes.parse_stat(dead.replace(" 20 0 9 0 ", " 20 0 1 0 ")).ended


def test_pending_signals_are_read_from_the_mask() -> None:
    assert processes.signal_set("0000000000004000") == {signal.SIGTERM}
    assert processes.signal_set("0000000000000101") == {signal.SIGHUP, signal.SIGKILL}
    assert processes.signal_set("0000000000000000") == set()


def test_the_soft_limit_of_files() -> None:
    line = "Max open files            {}                524288               files     \n"
    assert processes.fd_limit("Limit  Soft Limit  Hard Limit\n" + line.format(1024)) == 1024
    assert processes.fd_limit(line.format("unlimited")) == 0
    assert processes.fd_limit("") == 0


def test_the_cgroup_v2_path_and_mount_of_a_pure_and_of_a_hybrid_host() -> None:
    hybrid = "9:name=systemd:/\n8:pids:/\n0::/system.slice/docker.service\n"
    assert cgroups.v2_path(hybrid) == PurePosixPath("/system.slice/docker.service")
    assert cgroups.v2_path("8:pids:/\n") is None
    pure = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
    beside = (
        "31 30 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
        "42 30 0:37 /a\\040b /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    )
    assert cgroups.v2_mount(pure) == (Path("/sys/fs/cgroup"), PurePosixPath("/"))
    assert cgroups.v2_mount(beside) == (Path("/sys/fs/cgroup/unified"), PurePosixPath("/a b"))
    assert cgroups.v2_mount("1 2 3:4 / /proc rw - proc proc rw\n") is None


def test_only_shims_of_this_containerd_and_namespace_are_ours() -> None:
    line = "/usr/bin/containerd-shim-runc-v2 -namespace moby -id abc -address /run/c/c.sock"
    ours = line.split()
    assert belongs(ours, Path("/run/c/c.sock"), "moby")
    assert not belongs(ours, Path("/run/other/c.sock"), "moby")
    assert not belongs(ours, Path("/run/c/c.sock"), "k8s.io")
    assert not belongs([], Path("/run/c/c.sock"), "moby")
    assert not belongs(["containerd-shim"], Path("/run/c/c.sock"), "moby")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing and has a few open files."""
    program = "import sys, time; print('up', flush=True); time.sleep(3600)"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def identity(child: subprocess.Popen[bytes]) -> Process:
    found = processes.identify(child.pid)
    assert found is not None
    return found


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_the_vitals_of_a_living_process(sleeper: subprocess.Popen[bytes]) -> None:
    seen = processes.vitals(identity(sleeper))
    assert seen.rss_bytes > 1 << 20
    assert seen.threads == 1
    assert 3 <= seen.fds < seen.fd_limit
    assert seen.tracer is None
    assert seen.cpu_s >= 0


def test_it_was_started_after_this_test_run(sleeper: subprocess.Popen[bytes]) -> None:
    assert 0 <= processes.age_s(identity(sleeper)) < 600
    me = processes.identify(os.getpid())
    assert me is not None
    assert processes.started_mono_s(identity(sleeper)) >= processes.started_mono_s(me)


def test_a_signal_reaches_exactly_the_process_that_was_meant(
    sleeper: subprocess.Popen[bytes],
) -> None:
    process = identity(sleeper)
    stranger = replace(process, started=process.started + 1)
    with pytest.raises(HostFault) as caught:
        processes.signal(stranger, signal.SIGKILL)
    assert caught.value.fault is Fault.MISSING
    processes.signal(process, signal.SIGSTOP)
    until(lambda: processes.vitals(process).state == "T")
    processes.signal(process, signal.SIGTERM)
    until(lambda: signal.SIGTERM in processes.vitals(process).pending)
    processes.signal(process, signal.SIGCONT)
    assert processes.wait_gone(process, 60)


def test_a_zombie_exists_and_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    process = identity(sleeper)
    assert processes.alive(process)
    processes.signal(process, signal.SIGKILL)
    assert processes.wait_gone(process, 60)
    assert processes.exists(process)
    assert not processes.alive(process)
    assert processes.vitals(process).state == "Z"
    assert processes.vitals(process).rss_bytes == 0
    sleeper.wait()
    assert not processes.exists(process)
    with pytest.raises(HostFault) as caught:
        processes.vitals(process)
    assert caught.value.fault is Fault.MISSING
    with pytest.raises(HostFault):
        processes.signal(process, signal.SIGTERM)


def test_waiting_for_an_end_that_does_not_come_has_an_end(
    sleeper: subprocess.Popen[bytes],
) -> None:
    assert not processes.wait_gone(identity(sleeper), 0.05)


def test_nobody_has_a_pid_that_is_too_large() -> None:
    assert processes.identify(1 << 22) is None
    assert processes.identify(0) is None


def test_a_process_that_only_waits_gets_nowhere() -> None:
    seen, process = Progress(), Process(7, 1, "dockerd")
    looks = [
        *((0.0, 0, 0.0), (0.05, 0, 10.0), (0.10, 0, 20.0)),  # 0.5 %: a Go program's timers
        *((0.15, 70_000, 30.0), (0.20, 70_010, 40.0), (1.20, 70_020, 50.0), (1.2, 70_030, 60.0)),
    ]
    idle = [seen.idle_s(process, cpu, io, now) for cpu, io, now in looks]
    assert idle == [0, 10, 20, 0, 10, 0, 10]
    for pid in range(20):
        assert seen.idle_s(Process(pid, 2, "other"), 5.0, 5, 70.0) == 0
    assert seen.idle_s(process, 1.2, 70_030, 70.0) == 0, "forgotten: as seen for the first time"


def test_what_a_process_reads_and_writes_is_counted() -> None:
    assert parse_io("rchar: 12\nwchar: 30\nsyscr: 5\nread_bytes: 4096\n") == 42
    assert parse_io("") == parse_io("rchar\nwchar: x\n") == 0
    before = io_bytes(os.getpid())
    Path("/proc/self/status").read_text()
    assert io_bytes(os.getpid()) > before
