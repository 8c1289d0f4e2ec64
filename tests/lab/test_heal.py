"""A real daemon breaks, dockerdoctor heals it or leaves it alone, and the record tells how."""

from __future__ import annotations

import time
from collections.abc import Callable

from dockerdoctor.model import Outcome
from tests.lab import faults, outer
from tests.lab.watchdog import WAIT_S, Watchdog, has_given_up, note, rungs, vitals, volume_file

DEAF = ("sh", "-c", "echo precious >/data/file; exec sleep 1000000")
"""PID 1 of a container without a trap is deaf to SIGTERM: its stop takes 10 s."""
Tell = Callable[[str, object], None]


def test_a_frozen_daemon_is_killed_and_serves_again_with_its_containers_and_volumes(
    watchdog: Watchdog, record_property: Tell
) -> None:
    host = watchdog.host
    host.start_container("deaf", "-v", "precious:/data", "--restart", "always", cmd=DEAF)
    host.start_container("kind", "--restart", "always")
    host.start_container("once")
    watchdog.begin()  # its first look sees them
    watchdog.wait_known("deaf", "kind", "once")
    before, began = host.main_pid(), time.time()
    with faults.frozen(host):
        host.wait(lambda: host.serving() and host.main_pid() != before, WAIT_S, "it to serve again")
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
    assert volume_file(host, "precious", "file").read_text() == "precious\n"
    assert "started once" in note(incident, "bring-back")
    assert running(watchdog) == {"deaf", "kind", "once"}
    assert took < 90


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


def test_a_stopped_daemon_is_cured_by_a_gentle_restart(
    watchdog: Watchdog, record_property: Tell
) -> None:
    host = watchdog.host
    before, began = host.main_pid(), time.time()
    with faults.stopped_unit(host):
        host.wait(lambda: host.serving() and host.main_pid() != before, WAIT_S, "it to serve again")
        record_property("SIGSTOP → serving, s", f"{time.time() - began:.1f}")
    incident = watchdog.wait_closed(began, "daemon-unresponsive")
    assert rungs(incident) == ["dump-stacks", "restart"]
    assert incident.outcome is Outcome.CURED


def test_a_killed_daemon_is_left_to_systemd(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    dead = faults.kill_unit(host)
    host.wait(lambda: host.main_pid() not in (0, dead), WAIT_S, "systemd to start another")
    another = vitals(host)
    host.wait(host.serving, WAIT_S, "it to serve")
    watchdog.watch_for(20)
    assert watchdog.acts(began) == []
    assert vitals(host) == another
    assert another["docker.service NRestarts"] == "1"


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


def running(watchdog: Watchdog) -> set[str]:
    """The names of the containers that run."""
    return set(watchdog.host.docker("ps", "--format", "{{.Names}}").stdout.split())
