"""The fake machine behaves as the lab's real ones did."""

from __future__ import annotations

import math
import signal
from pathlib import Path

import pytest

from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Container, Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Fault
from tests.fakehost import FakeHost


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


def fault_of_ping(host: HostControl) -> Fault | None:
    try:
        host.ping(1)
    except HostFault as fault:
        return fault.fault
    return None


def test_a_new_machine_is_well(host: FakeHost) -> None:
    assert host.ping(1).status == 200
    assert host.service(Service.DOCKERD).active == "active"
    assert host.containerd_answers(1) < 1
    assert host.ledger == []


def test_sigterm_to_a_frozen_daemon_stays_pending_and_sigkill_removes_it(host: FakeHost) -> None:
    process = host.main_process(Service.DOCKERD)
    assert process is not None
    host.dockerd_process.frozen = True
    host.restart(Service.DOCKERD)
    host.advance(5)
    seen = host.vitals(process)
    assert seen.pending == {signal.SIGTERM}
    assert seen.frozen
    assert host.service(Service.DOCKERD).active == "deactivating"
    assert host.service(Service.DOCKERD).job == "restart"
    assert fault_of_ping(host) is Fault.TIMEOUT
    host.signal(process, signal.SIGKILL)
    host.advance(2)
    assert fault_of_ping(host) is None
    assert host.main_process(Service.DOCKERD) != process
    with pytest.raises(HostFault) as caught:
        host.vitals(process)
    assert caught.value.fault is Fault.MISSING


def test_systemd_itself_kills_after_its_stop_timeout(host: FakeHost) -> None:
    host.dockerd_process.frozen = True
    host.restart(Service.DOCKERD)
    host.advance(89)
    assert fault_of_ping(host) is Fault.TIMEOUT
    host.advance(3)
    assert fault_of_ping(host) is None


def test_a_restart_cures_a_stopped_daemon_because_systemd_sends_sigcont(host: FakeHost) -> None:
    host.dockerd_process.state = "T"
    assert fault_of_ping(host) is Fault.TIMEOUT
    host.kill_service(Service.DOCKERD, signal.SIGTERM)
    host.advance(5)
    assert fault_of_ping(host) is Fault.TIMEOUT
    host.restart(Service.DOCKERD)
    host.advance(2)
    assert fault_of_ping(host) is None


def test_a_killed_daemon_is_started_again_by_systemd(host: FakeHost) -> None:
    host.crash()
    assert fault_of_ping(host) is Fault.TIMEOUT
    host.advance(4)
    assert fault_of_ping(host) is None
    assert host.service(Service.DOCKERD).restarts == 1


def test_three_failed_starts_hit_the_start_limit_until_it_is_reset(host: FakeHost) -> None:
    host.dockerd.start_fails = "exit-code"
    host.crash()
    host.advance(30)
    assert host.service(Service.DOCKERD).result == "start-limit-hit"
    assert host.service(Service.SOCKET).active == "failed"
    host.dockerd.start_fails = ""
    host.reset_failed(Service.DOCKERD, Service.SOCKET)
    host.start(Service.SOCKET, Service.DOCKERD)
    host.advance(2)
    assert fault_of_ping(host) is None


def test_sigkill_to_a_traced_daemon_leaves_a_zombie_until_the_tracer_lets_go(
    host: FakeHost,
) -> None:
    host.dockerd_process.tracer = host.containerd_process.identity
    process = host.dockerd_process.identity
    host.signal(process, signal.SIGKILL)
    host.advance(5)
    assert host.vitals(process).state == "Z"
    host.release()
    host.advance(4)
    assert fault_of_ping(host) is None


def test_containerd_hung_lets_ping_pass_and_holds_up_info_and_the_stop(host: FakeHost) -> None:
    host.containerd_process.state = "T"
    assert fault_of_ping(host) is None
    with pytest.raises(HostFault):
        host.info(1)
    host.restart(Service.DOCKERD)
    host.advance(20)
    assert host.service(Service.DOCKERD).active == "deactivating"
    host.signal(host.containerd_process.identity, signal.SIGCONT)
    host.advance(4)
    assert fault_of_ping(host) is None


def test_a_look_at_a_stopped_daemon_behind_its_socket_does_not_wake_it(host: FakeHost) -> None:
    host.dockerd.stop()
    host.advance(2)
    assert host.service(Service.DOCKERD).active == "inactive"
    assert fault_of_ping(host) is Fault.REFUSED
    assert host.service(Service.DOCKERD).active == "inactive"


def test_what_an_operator_stops_stays_down(host: FakeHost) -> None:
    host.operator_stops()
    host.advance(600)
    state = host.service(Service.DOCKERD)
    assert (state.active, state.result, state.job) == ("inactive", "success", "")
    assert fault_of_ping(host) is Fault.MISSING


def test_a_dump_appears_half_a_second_after_sigusr1_and_can_be_moved(host: FakeHost) -> None:
    host.kill_service(Service.DOCKERD, signal.SIGUSR1)
    (directory,) = host.dump_dirs()
    assert not list(directory.glob("goroutine-stacks-*"))
    host.pause(1)
    (dump,) = directory.glob("goroutine-stacks-*")
    assert host.keep_copy(dump).read_text().startswith("goroutine 1")
    assert not dump.exists()


def test_a_restart_without_live_restore_costs_the_containers_without_a_policy(
    host: FakeHost,
) -> None:
    host.all_containers = [
        Container("a" * 64, "web", "running", restart_policy="always"),
        Container("b" * 64, "job", "running", restart_policy="no"),
    ]
    host.restart(Service.DOCKERD)
    host.advance(4)
    assert [each.state for each in host.containers(1)] == ["running", "exited"]
    host.start_container("job", 5)
    assert [each.state for each in host.containers(1)] == ["running", "running"]


def test_a_bare_daemon_has_no_socket_and_nobody_else_restarts_it(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, bare=True)
    with pytest.raises(HostFault):
        host.service(Service.SOCKET)
    assert host.service(Service.DOCKERD).stop_timeout_s == math.inf
    host.crash()
    host.advance(600)
    assert host.service(Service.DOCKERD).active == "failed"
    host.start(Service.DOCKERD)
    host.advance(2)
    assert fault_of_ping(host) is None
