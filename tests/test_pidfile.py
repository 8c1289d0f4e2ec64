"""The keeper of a daemon without systemd, on a shell that is called dockerd: no root, no engine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockerdoctor.errors import HostFault
from dockerdoctor.host import processes
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.pidfile import PidFileKeeper
from dockerdoctor.model import Fault, Process

# Its $0 and $1 are the last two words of its command line: --pidfile and the file.
SCRIPT = 'echo $$ >"$1.new" && mv "$1.new" "$1" && while :; do sleep 1 & wait; done'


class Daemon:
    """A shell that writes its pid file and waits; a SIGTERM ends it."""

    def __init__(self, directory: Path) -> None:
        self.pidfile = directory / "pid"
        self.program = directory / "dockerd"
        shutil.copy(shutil.which("sh") or "/bin/sh", self.program)
        self.child = self.spawn(self.pidfile)

    def spawn(self, pidfile: Path) -> subprocess.Popen[bytes]:
        argv = ["dockerd", "-c", SCRIPT, "--pidfile", str(pidfile)]
        return subprocess.Popen(
            argv, executable=self.program, start_new_session=True, stderr=subprocess.DEVNULL
        )


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    running = Daemon(tmp_path)
    try:
        until(running.pidfile.exists)
        yield running
    finally:
        for process in list(processes.all_named("dockerd")):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{process.pid}/exe").readlink() == running.program:
                    os.kill(process.pid, signal.SIGKILL)
        running.child.wait(60)


@pytest.fixture
def keeper(daemon: Daemon, tmp_path: Path) -> PidFileKeeper:
    return PidFileKeeper(daemon.pidfile, tmp_path / "state")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def active(keeper: PidFileKeeper) -> str:
    return keeper.state(Service.DOCKERD).active


def main(keeper: PidFileKeeper) -> Process:
    process = keeper.main_process(Service.DOCKERD)
    assert process is not None
    return process


def test_it_is_starting_until_it_has_answered(keeper: PidFileKeeper) -> None:
    assert active(keeper) == "activating"
    keeper.answered(False)
    assert active(keeper) == "activating"
    keeper.answered(True)
    assert active(keeper) == "active"


def test_one_that_stands_still_is_not_starting(keeper: PidFileKeeper) -> None:
    process = main(keeper)
    processes.signal(process, signal.SIGSTOP)
    until(lambda: active(keeper) == "active")
    processes.signal(process, signal.SIGCONT)
    until(lambda: active(keeper) == "activating")


def test_the_next_process_of_ours_knows_that_it_has_answered(
    daemon: Daemon, keeper: PidFileKeeper, tmp_path: Path
) -> None:
    keeper.answered(True)
    assert active(PidFileKeeper(daemon.pidfile, tmp_path / "state")) == "active"


def test_a_killed_one_is_started_again_as_it_was_by_whoever_comes_next(
    daemon: Daemon, keeper: PidFileKeeper, tmp_path: Path
) -> None:
    process = main(keeper)
    keeper.kill(Service.DOCKERD, signal.SIGKILL)
    daemon.child.wait(60)
    assert keeper.state(Service.DOCKERD).result == "signal"
    with pytest.raises(HostFault) as caught:
        keeper.kill(Service.DOCKERD, signal.SIGKILL)
    assert caught.value.fault is Fault.MISSING
    later = PidFileKeeper(daemon.pidfile, tmp_path / "state")
    later.start(Service.SOCKET, Service.DOCKERD)
    until(lambda: later.main_process(Service.DOCKERD) is not None)
    assert main(later) != process
    assert list(later.dockerd_argv()) == ["dockerd", "-c", SCRIPT, "--pidfile", str(daemon.pidfile)]


def test_a_restart_waits_for_the_old_one_in_the_background(
    daemon: Daemon, keeper: PidFileKeeper
) -> None:
    process = main(keeper)
    keeper.restart(Service.DOCKERD)
    daemon.child.wait(60)
    until(lambda: keeper.main_process(Service.DOCKERD) not in (None, process))


def test_a_stop_calls_a_waiting_start_off(daemon: Daemon, keeper: PidFileKeeper) -> None:
    main(keeper)
    keeper.restart(Service.DOCKERD)
    keeper.stop(Service.DOCKERD)
    daemon.child.wait(60)
    state = keeper.state(Service.DOCKERD)
    if state.main_pid:  # the start was faster than the stop, which then ended the new one
        keeper.stop(Service.DOCKERD)
        until(lambda: keeper.main_process(Service.DOCKERD) is None)
        state = keeper.state(Service.DOCKERD)
    assert (state.active, state.result) == ("inactive", "success")


def test_the_dockerd_of_another_pid_file_is_not_ours(
    daemon: Daemon, keeper: PidFileKeeper, tmp_path: Path
) -> None:
    main(keeper)
    keeper.kill(Service.DOCKERD, signal.SIGKILL)
    daemon.child.wait(60)
    other = daemon.spawn(tmp_path / "other")
    until((tmp_path / "other").exists)
    daemon.pidfile.write_text(f"{other.pid}\n")  # stale, and the pid was given out again
    assert keeper.main_process(Service.DOCKERD) is None
    keeper.start(Service.DOCKERD)
    until(lambda: keeper.main_process(Service.DOCKERD) is not None)
    assert main(keeper).pid != other.pid
    assert other.poll() is None
    other.kill()
    other.wait(60)


def test_a_daemon_nobody_has_seen_cannot_be_started(tmp_path: Path) -> None:
    keeper = PidFileKeeper(tmp_path / "none", tmp_path / "state")
    assert active(keeper) == "inactive"
    with pytest.raises(HostFault) as caught:
        keeper.start(Service.DOCKERD)
    assert caught.value.fault is Fault.MISSING
    assert active(keeper) == "failed"
    keeper.reset_failed(Service.DOCKERD)
    assert active(keeper) == "inactive"


def test_there_is_nothing_else_to_ask_for(keeper: PidFileKeeper) -> None:
    for ask in (
        lambda: keeper.state(Service.SOCKET),
        lambda: keeper.start(Service.SOCKET),
        lambda: keeper.stop(Service.SOCKET),
        keeper.reboot,
    ):
        with pytest.raises(HostFault) as caught:
            ask()
        assert caught.value.fault is Fault.MISSING
