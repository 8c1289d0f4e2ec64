"""What systemctl of systemd 252, 257 and 262 said on hosts with docker 20.10, 26.1 and 28.5."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from dockerdoctor.errors import HostFault
from dockerdoctor.host import processes
from dockerdoctor.host.commandline import CommandLine
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.systemd import SystemdKeeper
from dockerdoctor.host.unittext import parse_jobs, parse_show, seconds
from dockerdoctor.model import Fault

SYSTEMD_252 = """\
Restart=on-failure
TimeoutStopUSec=1min 30s
MainPID=50
Result=success
NRestarts=0
Id=docker.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
InactiveExitTimestampMonotonic=2180010459
Job=

TimeoutUSec=1min 30s
Result=success
Id=docker.socket
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
InactiveExitTimestampMonotonic=2179918552
Job=

Restart=no
TimeoutStopUSec=1min 30s
MainPID=0
Result=success
NRestarts=0
Id=nosuch.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
InactiveExitTimestampMonotonic=0
Job=

"""

SYSTEMD_257_RESTARTING = """\
Restart=always
TimeoutStopUSec=1min 30s
MainPID=80
Result=success
NRestarts=0
Id=docker.service
LoadState=loaded
ActiveState=deactivating
SubState=stop-sigterm
UnitFileState=enabled
InactiveExitTimestampMonotonic=2224891880
Job=139
"""

SYSTEMD_262 = """\
Id=docker.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
InactiveExitTimestampMonotonic=2256313528
Job=
Restart=always
TimeoutStopUSec=1min 30s
MainPID=84
Result=success
NRestarts=0
WatchdogUSec=30s
"""


def test_a_running_service_and_its_socket() -> None:
    service, socket, missing = parse_show(SYSTEMD_252)
    assert (service.name, service.active, service.sub) == ("docker.service", "active", "running")
    assert (service.main_pid, service.restart, service.restarts) == (50, "on-failure", 0)
    assert service.left_inactive_mono_s == 2180.010459
    assert service.stop_timeout_s == 90.0
    assert service.job == ""
    assert (socket.main_pid, socket.restart, socket.stop_timeout_s) == (0, "", 90.0)
    assert (missing.load, missing.left_inactive_mono_s) == ("not-found", None)


def test_who_is_restarted_along_with_it() -> None:
    said = "KillMode=mixed\nRequiredBy=\nBoundBy=docker.service\nConsistsOf=a.service b.service\n"
    (containerd,) = parse_show(SYSTEMD_262.rstrip() + "\n" + said)
    assert containerd.kill_mode == "mixed"
    assert containerd.along == {"docker.service", "a.service", "b.service"}


def test_the_order_of_properties_does_not_matter() -> None:
    (service,) = parse_show(SYSTEMD_262)
    assert (service.name, service.main_pid, service.load) == ("docker.service", 84, "loaded")
    assert service.watchdog_s == 30.0


def test_a_job_under_way_is_seen_and_its_type_comes_from_the_list() -> None:
    (service,) = parse_show(SYSTEMD_257_RESTARTING)
    assert (service.active, service.sub, service.job) == ("deactivating", "stop-sigterm", "139")
    jobs = parse_jobs("139 docker.service restart running\n140 x.service start waiting\n")
    assert jobs == {"docker.service": "restart", "x.service": "start"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1min 30s", 90.0),
        ("10min 5s", 605.0),
        ("5s", 5.0),
        ("1h 2min 3s", 3723.0),
        ("500ms", 0.5),
        ("1w 1d", 691200.0),
        ("1min 30.5s", 90.5),
        ("infinity", math.inf),
        ("0", 0.0),
    ],
)
def test_time_spans_as_systemctl_prints_them(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "s", "-1s", "1min nonsense 2s"])
def test_what_is_no_time_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time span"):
        seconds(text)


@pytest.mark.parametrize(
    "text", ["Id=docker.service\n", SYSTEMD_262.replace("MainPID=84", "MainPID=many"), "<html>\n"]
)
def test_what_is_no_answer_of_systemctl_is_garbled(text: str) -> None:
    with pytest.raises(HostFault) as caught:
        parse_show(text)
    assert caught.value.fault is Fault.GARBLED


@pytest.mark.parametrize(
    ("socket", "meant"),
    [
        ("LoadState=loaded\nActiveState=inactive", ["docker.socket", "docker.service"]),
        ("LoadState=masked\nActiveState=active", ["docker.socket", "docker.service"]),
        ("LoadState=masked\nActiveState=inactive", ["docker.service"]),
        ("LoadState=not-found\nActiveState=inactive", ["docker.service"]),
    ],
)
def test_a_socket_that_there_is_none_of_fails_no_start_of_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, socket: str, meant: list[str]
) -> None:
    """For the sake of a masked unit systemd 262 refuses the whole call."""
    service = "Id=docker.service\nLoadState=loaded\nActiveState=failed"
    shown, called = tmp_path / "shown", tmp_path / "called"
    shown.write_text(f"{service}\n\nId=docker.socket\n{socket}\n\n{service}\n")
    program = tmp_path / "systemctl"
    show = f'case "$*" in *show*) cat {shown};; *) echo "$*" >>{called};; esac'
    program.write_text(f"#!/bin/sh\n{show}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    keeper = SystemdKeeper()
    keeper.reset_failed(Service.SOCKET, Service.DOCKERD)
    keeper.start(Service.SOCKET, Service.DOCKERD)
    reset, start = (line.split(" -- ") for line in called.read_text().splitlines())
    assert (reset[0].split()[-1], start[0].split()[-2:]) == (
        "reset-failed",
        ["start", "--no-block"],
    )
    assert reset[1].split() == start[1].split() == meant


def test_a_command_line_is_the_processes_own_and_while_that_is_down_its_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = tmp_path / "unit"
    unit.write_text("[Service]\nExecStart=/usr/bin/dockerd --pidfile /run/mine.pid\n")
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\nexec cat {unit}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    line = CommandLine("docker.service")
    down = line.of(None)
    assert down == ["/usr/bin/dockerd", "--pidfile", "/run/mine.pid"]
    assert line.of(None) == down
    me = processes.identify(os.getpid())
    running = line.of(me)
    assert running == Path("/proc/self/cmdline").read_text().removesuffix("\0").split("\0")
    assert line.of(me) is running
    unit.write_text("[Service]\nExecStart=/opt/start-docker\n")
    assert line.of(None) is running
    unit.unlink()
    assert line.of(None) is running
    assert CommandLine("docker.service").of(None) == ()
