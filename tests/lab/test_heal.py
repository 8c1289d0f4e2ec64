"""A real daemon breaks, dockerdoctor heals it or leaves it alone, and the record tells how."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator

import pytest

from dockerdoctor.model import Outcome
from tests.lab import faults, outer
from tests.lab.watchdog import WAIT_S, Watchdog, has_given_up, note, rungs, vitals, volume_file

DEAF = ("sh", "-c", "exec sleep 1000000")
"""PID 1 of a container without a trap is deaf to SIGTERM: its stop takes 10 s."""
DATA_BYTES = 1 << 20
WRITES = (
    f"[ -s /data/file ] || head -c {DATA_BYTES} /dev/urandom >/data/file; "
    "trap 'exit 0' TERM; sleep 1000000 & wait"
)
"""A container with data, written at its first start alone."""
APP = "/run/systemd/system/app.service"
NEEDS_DOCKER = """[Unit]
Requires=docker.service
After=docker.service
[Service]
ExecStart=sleep 1000000
"""
STILL_S = 25.0
"""A containerd that hangs is restarted after 15 s and two looks."""
Tell = Callable[[str, object], None]


@contextlib.contextmanager
def household(watchdog: Watchdog) -> Iterator[None]:
    """Two containers run, and what one of them has written to a named volume is on disk. At the end
    both run, and the volume is as it was."""
    host = watchdog.host
    host.docker("volume", "rm", "--force", "precious")
    options = ("-v", "precious:/data", "--restart", "always")
    host.start_container("kind", *options, cmd=("sh", "-c", WRITES))
    host.start_container("once")
    file = volume_file(host, "precious", "file")
    host.wait(lambda: file.exists() and file.stat().st_size == DATA_BYTES, WAIT_S, "its data")
    written = hashlib.sha256(file.read_bytes()).digest()
    watchdog.begin()  # its first look sees them
    watchdog.wait_known("kind", "once")
    yield
    host.wait(lambda: {"kind", "once"} <= running(watchdog), WAIT_S, "what ran to run again")
    assert hashlib.sha256(file.read_bytes()).digest() == written


@pytest.mark.fault("F1", "daemon-unresponsive", "sigkill, once it is seen to be deaf")
def test_a_frozen_daemon_is_killed_and_serves_again_with_its_containers_and_volumes(
    watchdog: Watchdog, record_property: Tell
) -> None:
    host = watchdog.host
    host.start_container("deaf", "--restart", "always", cmd=DEAF)
    host.put(APP, NEEDS_DOCKER)
    host.systemctl("daemon-reload")
    host.systemctl("start", "app.service")
    with household(watchdog):
        watchdog.wait_known("deaf")
        before, began = host.main_pid(), time.time()
        with faults.frozen(host):
            served = lambda: host.serving() and host.main_pid() != before  # noqa: E731
            host.wait(served, WAIT_S, "it to serve again")
            took = time.time() - began
        record_property("frozen → serving, s", f"{took:.1f}")
        incident = watchdog.wait_closed(began, "daemon-unresponsive")
    assert rungs(incident) == [
        *("dump-stacks", "restart", "(systemd-kill)", "sigkill", "bring-back")
    ]
    assert incident.outcome is Outcome.CURED
    assert "has not even taken its SIGTERM" in note(incident, "restart")
    assert "cgroup is frozen" in note(incident, "dump-stacks")
    assert all(host.outside(path).stat().st_size for path in incident.attempts[0].evidence)
    assert "started once" in note(incident, "bring-back")
    assert "deaf" in running(watchdog)
    host.wait(lambda: faults.state(host, "app.service") == "active", WAIT_S, "what needs docker")
    assert took < 90


@pytest.mark.fault("F1t", "daemon-unresponsive", "nothing: the debugger is named")
def test_a_daemon_held_by_a_debugger_is_left_alone_and_the_debugger_named(
    watchdog: Watchdog,
) -> None:
    before, began = vitals(watchdog.host), time.time()
    with faults.traced(watchdog.host) as gdb:
        gave_up = watchdog.wait_for(began, "daemon-unresponsive", has_given_up)
        assert f"gdb (pid {gdb})" in gave_up.why
        assert rungs(gave_up) == [
            "dump-stacks",
            "(restart)",
            "(systemd-kill)",
            "(sigkill)",
            "(reboot)",
        ]
        assert vitals(watchdog.host) == before
    closed = watchdog.wait_closed(began, "daemon-unresponsive")
    assert closed.id == gave_up.id
    assert closed.outcome is Outcome.GAVE_UP
    assert watchdog.acts(began) == []
    assert vitals(watchdog.host) == before


@pytest.mark.fault("F1", "daemon-unresponsive", "restart")
def test_a_stopped_daemon_is_cured_by_a_gentle_restart_and_its_containers_run_again(
    watchdog: Watchdog, record_property: Tell
) -> None:
    host = watchdog.host
    with household(watchdog):
        before, began = host.main_pid(), time.time()
        with faults.stopped_unit(host):
            served = lambda: host.serving() and host.main_pid() != before  # noqa: E731
            host.wait(served, WAIT_S, "it to serve again")
            record_property("SIGSTOP → serving, s", f"{time.time() - began:.1f}")
        incident = watchdog.wait_closed(began, "daemon-unresponsive")
    assert rungs(incident) == ["dump-stacks", "restart", "bring-back"]
    assert incident.outcome is Outcome.CURED


@pytest.mark.fault("killed", "nothing: systemd is at it", "nothing: systemd starts it")
def test_a_killed_daemon_is_left_to_systemd(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    dead = faults.kill_unit(host)
    host.wait(lambda: host.main_pid() not in (0, dead), WAIT_S, "systemd to start another")
    another = vitals(host)
    host.wait(host.serving, WAIT_S, "it to serve")
    watchdog.watch_for(12)
    assert watchdog.acts(began) == []
    assert vitals(host) == another
    assert another["docker.service NRestarts"] == "1"


@pytest.mark.fault("shims", "nothing: systemd is at it", "nothing: dockerd starts what it may")
def test_a_daemon_killed_with_its_shims_gets_back_what_it_may_restart_and_no_act_of_ours(
    watchdog: Watchdog,
) -> None:
    host = watchdog.host
    with household(watchdog):
        began = time.time()
        faults.kill_unit_with_shims(host)
        host.wait(lambda: "kind" in running(watchdog), WAIT_S, "dockerd to start it again")
        watchdog.watch_for(8)
        assert watchdog.acts(began) == []
        host.docker("start", "once")  # without a policy nobody else does


@pytest.mark.fault("F5", "containerd-hung", "restart-containerd")
def test_a_hung_containerd_is_restarted_and_neither_dockerd_nor_a_container(
    watchdog: Watchdog, record_property: Tell
) -> None:
    host = watchdog.host
    host.start_container("c1")
    watchdog.begin()  # its first look sees it
    watchdog.wait_known("c1")
    container = ("inspect", "--format", "{{.State.Pid}}", "c1")
    init = host.docker(*container).stdout
    before, hung, began = vitals(host), host.main_pid("containerd.service"), time.time()
    with faults.stopped_unit(host, "containerd.service"):
        incident = watchdog.wait_closed(began, "containerd-hung")
        record_property("containerd SIGSTOP → cured, s", f"{time.time() - began:.1f}")
    assert rungs(incident) == ["dump-stacks", "restart-containerd"]
    assert incident.outcome is Outcome.CURED
    assert vitals(host) == before
    assert host.main_pid("containerd.service") not in (0, hung)
    assert host.docker(*container).stdout == init
    assert outer.program(host.pid_outside(int(init))).endswith("busybox")
    host.docker("exec", "c1", "true")
    assert watchdog.acts(began) == ["restart-containerd"]


@pytest.mark.fault("F5s", "containerd-stopped")
def test_a_containerd_that_an_operator_stopped_stays_so(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    before = vitals(host)
    host.systemctl("stop", "containerd.service", timeout=WAIT_S)
    try:
        watchdog.wait_said(began, "told: containerd.service was stopped on purpose")
        watchdog.watch_for(STILL_S)
        assert faults.state(host, "containerd.service") == "inactive"
        assert vitals(host) == before
    finally:
        host.systemctl("start", "containerd.service")
    watchdog.wait_says("well: answered in")
    assert watchdog.incidents(began) == []
    assert watchdog.acts(began) == []


def running(watchdog: Watchdog) -> set[str]:
    """The names of the containers that run; none while nobody answers."""
    asked = watchdog.host.docker("ps", "--format", "{{.Names}}", check=False)
    return set(asked.stdout.split())
