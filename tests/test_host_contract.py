"""The same questions to the fake machine and to a real one: what stories are told on must be true.

The real one is this machine with a private dockerd without systemd.
"""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host.address import parse
from dockerdoctor.host.linux import LinuxHost
from dockerdoctor.host.nouns import Place, Service
from dockerdoctor.host.pidfile import PidFileKeeper
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Fault, Process
from tests.baredaemon import PATIENCE_S, BareDaemon, bare_daemon, require_engine
from tests.fakehost import FakeHost


class Subject(Protocol):
    """A machine under test, and the ways to break it from outside."""

    @property
    def host(self) -> HostControl: ...

    def until(self, holds: Callable[[], bool]) -> None:
        """Let time pass until it holds; the test fails when it never does."""
        ...

    def freeze(self) -> None: ...

    def crash(self) -> None: ...


class FakeSubject:
    def __init__(self, directory: Path) -> None:
        self.fake = FakeHost(directory, bare=True)
        self.host: HostControl = self.fake

    def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(100):
            if holds():
                return
            self.fake.advance(0.5)
        pytest.fail("it never came true")

    def freeze(self) -> None:
        self.fake.dockerd_process.frozen = True

    def crash(self) -> None:
        self.fake.crash()


class RealSubject:
    def __init__(self, daemon: BareDaemon, directory: Path) -> None:
        self.daemon = daemon
        self.linux = LinuxHost(
            parse(f"unix://{daemon.socket}"),
            PidFileKeeper(daemon.pidfile, daemon.directory / "state"),
            directory / "evidence",
        )
        self.host: HostControl = self.linux

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            self.daemon.process()  # reaps the one that the fixture started
            if time.monotonic() > deadline:
                pytest.fail("it never came true")
            time.sleep(0.1)

    def mend(self) -> None:
        """Whatever a test has left: the next one meets a daemon that answers."""
        self.daemon.thaw()
        process = self.daemon.process()
        if process is not None:
            with contextlib.suppress(HostFault):
                self.host.signal(process, signal.SIGCONT)
        if not answers(self.host):
            self.host.start(Service.DOCKERD)
        self.until(lambda: answers(self.host))

    def freeze(self) -> None:
        self.daemon.freeze(main(self.host))

    def crash(self) -> None:
        self.host.signal(main(self.host), signal.SIGKILL)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareDaemon]:
    require_engine()
    # Short, since a socket's path has at most 107 bytes.
    with bare_daemon(tmp_path_factory.mktemp("d", numbered=True)) as running:
        yield running


@pytest.fixture(params=["fake", "real"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """A machine whose daemon answers, before and after."""
    if request.param == "fake":
        yield FakeSubject(tmp_path)
        return
    real = RealSubject(request.getfixturevalue("daemon"), tmp_path)
    real.until(lambda: answers(real.host))
    yield real
    real.mend()
    real.linux.close()


def answers(host: HostControl) -> bool:
    return fault_of(lambda: host.ping(30)) is None


def fault_of(call: Callable[[], object]) -> Fault | None:
    try:
        call()
    except HostFault as fault:
        return fault.fault
    return None


def main(host: HostControl, which: Service = Service.DOCKERD) -> Process:
    process = host.main_process(which)
    assert process is not None
    return process


def test_a_daemon_that_answers_is_active_and_has_a_main_process(subject: Subject) -> None:
    host = subject.host
    pong = host.ping(5)
    assert pong.status == 200
    assert 0 < pong.latency_s < 5
    state = host.service(Service.DOCKERD)
    assert (state.active, state.sub, state.result) == ("active", "running", "success")
    assert state.main_pid == main(host).pid
    assert state.left_inactive_mono_s is not None
    assert state.left_inactive_mono_s <= host.now().mono
    assert main(host).name == "dockerd"


def test_the_vitals_of_a_well_daemon(subject: Subject) -> None:
    seen = subject.host.vitals(main(subject.host))
    assert 10 << 20 < seen.rss_bytes < 10 << 30
    assert seen.state in "SR"
    assert seen.threads > 1
    assert 0 < seen.fds < seen.fd_limit
    assert not seen.frozen
    assert seen.tracer is None
    assert not seen.pending & {signal.SIGTERM, signal.SIGKILL}


def test_a_pid_with_another_start_time_is_another_process(subject: Subject) -> None:
    host = subject.host
    stranger = replace(main(host), started=1)
    assert fault_of(lambda: host.vitals(stranger)) is Fault.MISSING
    assert fault_of(lambda: host.signal(stranger, signal.SIGKILL)) is Fault.MISSING
    assert answers(host)


def test_there_is_no_socket_unit_without_systemd(subject: Subject) -> None:
    assert fault_of(lambda: subject.host.service(Service.SOCKET)) is Fault.MISSING


def test_nobody_sends_sigkill_without_systemd(subject: Subject) -> None:
    state = subject.host.service(Service.DOCKERD)
    assert (state.restart, state.stop_timeout_s) == ("no", math.inf)


def test_every_place_but_a_missing_one_has_a_disk(subject: Subject) -> None:
    host = subject.host
    use = host.disk(host.places()[Place.DATA_ROOT], 5)
    assert 0 < use.free_bytes <= use.total_bytes
    assert 0 <= use.used_ratio <= 1
    assert 0 <= use.inodes_used_ratio <= 1
    assert fault_of(lambda: host.disk(Path("/there/is/no/such"), 5)) is Fault.MISSING


def test_info_and_an_empty_list(subject: Subject) -> None:
    host = subject.host
    info = host.info(10)
    assert info.data_root == host.places()[Place.DATA_ROOT]
    assert (info.containers, info.running) == (0, 0)
    assert list(host.containers(10)) == []
    assert fault_of(lambda: host.container("no-such-one", 5)) is Fault.MISSING
    assert list(host.shims()) == []


def test_a_stopped_daemon_is_silent_until_it_goes_on(subject: Subject) -> None:
    host = subject.host
    process = main(host)
    host.signal(process, signal.SIGSTOP)
    # Its threads stop one after the other, so that one may still answer.
    subject.until(lambda: fault_of(lambda: host.ping(0.5)) is Fault.TIMEOUT)
    subject.until(lambda: host.vitals(process).state == "T")
    assert host.service(Service.DOCKERD).active == "active"
    host.signal(process, signal.SIGCONT)
    subject.until(lambda: answers(host))
    assert main(host) == process


def test_a_restart_wakes_a_stopped_daemon(subject: Subject) -> None:
    host = subject.host
    process = main(host)
    host.signal(process, signal.SIGSTOP)
    host.restart(Service.DOCKERD)
    subject.until(lambda: host.main_process(Service.DOCKERD) not in (None, process))
    subject.until(lambda: answers(host))


def test_a_frozen_daemon_does_not_take_sigterm_and_ends_by_sigkill(subject: Subject) -> None:
    host = subject.host
    process = main(host)
    subject.freeze()
    subject.until(lambda: host.vitals(process).frozen)
    subject.until(lambda: fault_of(lambda: host.ping(0.5)) is Fault.TIMEOUT)
    host.restart(Service.DOCKERD)
    subject.until(lambda: signal.SIGTERM in host.vitals(process).pending)
    assert host.service(Service.DOCKERD).active == "deactivating"
    host.signal(process, signal.SIGKILL)
    subject.until(lambda: answers(host))
    assert main(host) != process
    # Until it is reaped; a starved machine may see the next one answer before that.
    subject.until(lambda: fault_of(lambda: host.vitals(process)) is Fault.MISSING)


def test_a_restart_of_a_well_daemon_gives_another_process(subject: Subject) -> None:
    host = subject.host
    process = main(host)
    host.restart(Service.DOCKERD)
    assert host.service(Service.DOCKERD).active in ("deactivating", "activating")
    subject.until(lambda: host.main_process(Service.DOCKERD) not in (None, process))
    subject.until(lambda: answers(host))
    subject.until(lambda: host.service(Service.DOCKERD).active == "active")


def test_a_stop_stays_a_stop_until_a_start(subject: Subject) -> None:
    host = subject.host
    host.stop(Service.SOCKET, Service.DOCKERD)
    subject.until(lambda: host.service(Service.DOCKERD).active == "inactive")
    assert host.service(Service.DOCKERD).result == "success"
    assert host.main_process(Service.DOCKERD) is None
    assert fault_of(lambda: host.ping(5)) in (Fault.MISSING, Fault.REFUSED)
    host.start(Service.SOCKET, Service.DOCKERD)
    subject.until(lambda: answers(host))


def test_a_killed_daemon_has_failed_by_a_signal(subject: Subject) -> None:
    host = subject.host
    process = main(host)
    subject.crash()
    subject.until(lambda: host.service(Service.DOCKERD).active == "failed")
    assert host.service(Service.DOCKERD).result == "signal"
    assert fault_of(lambda: host.ping(5)) in (Fault.MISSING, Fault.REFUSED)
    host.reset_failed(Service.DOCKERD)
    host.start(Service.DOCKERD)
    subject.until(lambda: answers(host))
    assert main(host) != process


def test_containerd_hung_is_seen_by_its_own_answer_and_not_by_ping(subject: Subject) -> None:
    host = subject.host
    subject.until(lambda: fault_of(lambda: host.containerd_answers(30)) is None)
    containerd = main(host, Service.CONTAINERD)
    assert containerd.name == "containerd"
    host.signal(containerd, signal.SIGSTOP)
    try:
        subject.until(lambda: fault_of(lambda: host.containerd_answers(0.5)) is Fault.TIMEOUT)
        assert answers(host)
        subject.until(lambda: fault_of(lambda: host.info(1)) is Fault.TIMEOUT)
    finally:
        host.signal(containerd, signal.SIGCONT)
    subject.until(lambda: fault_of(lambda: host.containerd_answers(30)) is None)
    subject.until(lambda: fault_of(lambda: host.info(30)) is None)


def test_a_goroutine_dump_is_moved_to_the_evidence(subject: Subject) -> None:
    host = subject.host
    host.kill_service(Service.DOCKERD, signal.SIGUSR1)
    found: list[Path] = []
    kept: list[Path] = []

    def there() -> bool:
        found[:] = [
            path
            for directory in host.dump_dirs()
            for path in directory.glob("goroutine-stacks-*")
            if path.stat().st_size
        ]
        return bool(found)

    def moved() -> bool:
        """What is still being written when it is copied grows meanwhile, and stays."""
        kept.append(host.keep_copy(found[0]))
        return not found[0].exists()

    subject.until(there)
    subject.until(moved)
    assert b"goroutine" in kept[-1].read_bytes()
    assert fault_of(lambda: host.keep_copy(found[0])) is Fault.MISSING


def test_evidence_is_kept_under_a_name_of_ours(subject: Subject) -> None:
    first = subject.host.keep("journal.txt", b"one")
    second = subject.host.keep("journal.txt", b"two")
    assert first != second
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")


def test_proc_tells_of_a_living_process_only(subject: Subject) -> None:
    host = subject.host
    process = main(host)
    assert "State:" in host.proc_files(process)["status"]


def test_time_passes_by_pause(subject: Subject) -> None:
    before = subject.host.now()
    subject.host.pause(0.05)
    after = subject.host.now()
    assert after.mono >= before.mono + 0.05
    assert after.wall > before.wall


def test_a_daemon_that_is_well_is_held_by_nobody(subject: Subject) -> None:
    for _ in range(2):
        seen = subject.host.kernel()
        assert not [each for each in seen.held if each.held_s >= 5]
    assert seen.data_root_read_only is not True


def test_a_daemon_without_a_journal_has_said_nothing_that_is_known(subject: Subject) -> None:
    assert subject.host.said(5.0).counts_1h == {}
