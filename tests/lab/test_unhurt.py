"""Those that must not be hurt, on real engines: a container whose lock a copy holds, one that swarm
has replaced while its daemon was down, and daemons that somebody is at work on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from dockerdoctor.model import Outcome
from tests.lab import faults
from tests.lab.host import IMAGE, LabHost
from tests.lab.watchdog import WAIT_S, Watchdog, note, rungs, vitals

ON_ONE_SUITE = True
"""The lock and the labels are the same on all; `make table` asks each."""
COPIED = ("sh", "-c", "head -c 64000000 /dev/zero >/big; exec sleep 1000000")
UNREAD = """
import socket, time
link = socket.socket(socket.AF_UNIX)
link.connect("/run/docker.sock")
link.sendall(b"GET /containers/copied/archive?path=/big HTTP/1.1\\r\\nHost: docker\\r\\n\\r\\n")
time.sleep(1000000)
"""
"""A `docker cp` to something slow: more than the daemon buffers, and nobody reads it."""
DAEMON_JSON = "/etc/docker/daemon.json"
ELSEWHERE = "/etc/systemd/system/docker.socket.d/zz-lab.conf"
PID = ("inspect", "--format", "{{.State.Pid}}", "copied")


@contextlib.contextmanager
def copied(host: LabHost) -> Iterator[None]:
    """A copy out of the container `copied` that does not end."""
    client = host.spawn("python3", "-c", UNREAD)
    try:
        host.wait(lambda: host.hangs("docker", *PID), WAIT_S, "the copy to hold its lock")
        yield
    finally:
        host.end(client)
    host.wait(lambda: not host.hangs("docker", *PID), WAIT_S, "the lock to be free again")


@pytest.mark.fault("F2c", "nothing: a copy holds the lock by right")
def test_a_copy_that_takes_its_time_is_no_stuck_container(watchdog: Watchdog) -> None:
    host = watchdog.host
    host.start_container("copied", cmd=COPIED)
    host.start_container("other")
    watchdog.wait_known("copied", "other")
    init, before, began = host.docker(*PID).stdout, vitals(host), time.time()
    with copied(host):
        stuck = "dockerdoctor_locks_stuck"
        host.wait(lambda: watchdog.metric(stuck) == 1, WAIT_S, "its inspect to hang for so long")
        watchdog.watch_for(8)
        assert watchdog.metric("dockerdoctor_builds_copies") == 1
        assert watchdog.incidents(began) == []
        assert watchdog.acts(began) == []
    assert host.docker(*PID).stdout == init
    assert vitals(host) == before


@pytest.fixture
def swarm(watchdog: Watchdog) -> Iterator[LabHost]:
    """A swarm of one node, with a service of one container."""
    host = watchdog.host
    host.import_busybox()
    host.docker("swarm", "init", "--advertise-addr", "127.0.0.1", timeout=WAIT_S)
    try:
        words = ("--detach", "--no-resolve-image", "--restart-delay", "1s", "--name", "svc")
        host.docker("service", "create", *words, IMAGE, "sleep", "1000000", timeout=WAIT_S)
        host.wait(lambda: len(tasks(host)) == 1, WAIT_S, "its container to run")
        yield host
    finally:
        host.docker("swarm", "leave", "--force", timeout=WAIT_S)


def tasks(host: LabHost) -> set[str]:
    """The names of the service's containers that run."""
    told = host.docker("ps", "--filter", "name=svc.", "--format", "{{.Names}}", check=False)
    return set(told.stdout.split())


@pytest.mark.fault("swarm", "daemon-unresponsive", "sigkill; what swarm keeps is left to it")
def test_what_swarm_has_replaced_is_not_started_once_more(
    watchdog: Watchdog, swarm: LabHost
) -> None:
    host = swarm
    host.start_container("mine")
    first = tasks(host)
    watchdog.wait_known("mine", *first)
    began = time.time()
    with faults.frozen(host):
        incident = watchdog.wait_closed(began, "daemon-unresponsive")
    assert incident.outcome is not Outcome.GAVE_UP
    assert rungs(incident)[-2:] == ["sigkill", "bring-back"]
    assert "started mine" in note(incident, "bring-back")
    host.wait(lambda: tasks(host) - first, WAIT_S, "swarm to begin another one")
    watchdog.watch_for(5)
    assert len(tasks(host)) == 1


def test_a_hung_daemon_that_would_not_start_again_is_ended_once_its_file_is_mended(
    watchdog: Watchdog,
) -> None:
    host = watchdog.host
    watchdog.wait_says("well: answered in")
    host.put(DAEMON_JSON, '{\n  "debug": true,\n}\n')
    before, began = vitals(host), time.time()
    try:
        with faults.stopped_unit(host):
            watchdog.wait_said(began, "configuration: /etc/docker/daemon.json: line 3, column 1: ")
            watchdog.watch_for(5)
            assert vitals(host) == before
            assert watchdog.acts(began) == []
            host.run("rm", DAEMON_JSON)
            incident = watchdog.wait_closed(began, "daemon-unresponsive")
    finally:
        host.run("rm", "-f", DAEMON_JSON)
    assert rungs(incident) == ["dump-stacks", "restart"]


def test_who_stops_a_daemon_in_the_middle_of_its_start_finds_it_down(watchdog: Watchdog) -> None:
    """docker.socket stays, and would start it for whoever had come to it meanwhile."""
    host = watchdog.host
    watchdog.wait_says("well: answered in")
    began = time.time()
    with faults.slow_start(host, seconds=600):
        watchdog.wait_said(began, "starting: the daemon is starting")
        watchdog.watch_for(5)
        host.systemctl("stop", "docker.service", timeout=WAIT_S)
        watchdog.wait_said(began, "stopped: docker.service was stopped on purpose")
        watchdog.watch_for(5)
        assert faults.state(host) == "inactive"
        assert faults.state(host, "docker.socket") == "active"
    assert watchdog.acts(began) == []


def test_a_socket_that_somebody_removed_costs_one_restart(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    host.run("rm", "/run/docker.sock")
    incident = watchdog.wait_closed(began, "daemon-unresponsive")
    assert rungs(incident) == ["dump-stacks", "restart"]
    assert incident.outcome is Outcome.CURED


def test_a_daemon_whose_socket_unit_listens_elsewhere_is_not_seen_and_not_touched(
    watchdog: Watchdog,
) -> None:
    host = watchdog.host
    units = ("docker.socket", "docker.service")
    host.put(ELSEWHERE, "[Socket]\nListenStream=\nListenStream=/run/elsewhere.sock\n")
    try:
        host.systemctl("daemon-reload")
        host.systemctl("stop", *units, timeout=WAIT_S)
        host.run("rm", "-f", "/run/docker.sock")
        began = time.time()
        host.systemctl("start", *units, timeout=WAIT_S)
        before = vitals(host)
        watchdog.wait_said(began, "dockerd does not listen on /var/run/docker.sock, but where")
        watchdog.watch_for(10)
        assert vitals(host) == before
        assert watchdog.acts(began) == []
    finally:
        host.run("rm", ELSEWHERE)
        host.systemctl("daemon-reload")
        host.systemctl("stop", *units, timeout=WAIT_S)
        host.settle()
