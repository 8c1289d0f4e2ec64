"""Every fault of the lab is what it says: it is seen while it lasts, and gone when it is over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockerdoctor.host.address import Address
from dockerdoctor.host.engine import Engine
from tests.lab import faults, outer
from tests.lab.conftest import Booted
from tests.lab.host import LabHost

SEEN_TIMEOUT_S = 90.0
SIGTERM_PENDING = 0x4000

ON_ONE_SUITE = True
"""The faults themselves are the same on every suite; `make lab` with all suites proves each."""


def test_a_frozen_daemon_hangs_deaf_to_sigterm(host: LabHost) -> None:
    pid = host.main_pid()
    with faults.frozen(host):
        assert host.hangs("docker", "ps")
        assert not host.serving()
        host.systemctl("kill", "docker.service")
        assert outer.status(pid)["State"].startswith("S")
        assert int(outer.status(pid)["ShdPnd"], 16) & SIGTERM_PENDING
    host.settle()


def test_a_frozen_daemon_is_well_once_it_thaws(host: LabHost) -> None:
    pid = host.main_pid()
    with faults.frozen(host):
        assert not host.serving()
    host.wait(host.serving, SEEN_TIMEOUT_S, "the thaw")
    assert host.main_pid() == pid


def test_a_traced_daemon_names_its_tracer(host: LabHost) -> None:
    pid = host.main_pid()
    with faults.traced(host) as tracer:
        assert host.hangs("docker", "ps")
        seen = host.read(f"/proc/{outer.pid_inside(pid)}/status")
        assert f"TracerPid:\t{tracer}\n" in seen
        assert "gdb" in host.read(f"/proc/{tracer}/comm")
    host.wait(host.serving, SEEN_TIMEOUT_S, "gdb to let go")
    assert host.main_pid() == pid


def test_a_stopped_daemon_hangs_and_goes_on(host: LabHost) -> None:
    with faults.stopped_unit(host):
        assert host.hangs("docker", "ps")
        assert outer.status(host.main_pid())["State"].startswith("T")
    host.wait(host.serving, SEEN_TIMEOUT_S, "the daemon to go on")


def test_a_stopped_containerd_hangs_version_but_not_ps(host: LabHost) -> None:
    with faults.stopped_unit(host, "containerd.service"):
        assert host.docker("ps").returncode == 0
        assert host.hangs("docker", "version")
    host.docker("version")


def test_a_stuck_container_hangs_alone_and_shows_by_who_waits_for_it(host: LabHost) -> None:
    engine = Engine(Address("unix", path=str(host.outside("/run/docker.sock"))))
    host.start_container("stuck")
    host.start_container("free")
    host.wait(lambda: engine.waiting(SEEN_TIMEOUT_S) == 0, SEEN_TIMEOUT_S, "nobody to wait")
    with faults.stuck_container(host, "stuck"):
        assert host.hangs("docker", "inspect", "stuck")
        assert host.docker("ps").returncode == 0
        assert host.docker("inspect", "free").returncode == 0
        assert engine.waiting(SEEN_TIMEOUT_S) >= 2  # the stop, and an inspect at least
    host.wait(lambda: not host.hangs("docker", "inspect", "stuck"), SEEN_TIMEOUT_S, "it to go on")
    host.wait(lambda: engine.waiting(SEEN_TIMEOUT_S) == 0, SEEN_TIMEOUT_S, "nobody to wait")


def test_a_killed_daemon_comes_back_under_another_pid(host: LabHost) -> None:
    dead = faults.kill_unit(host)
    host.wait(lambda: host.serving() and host.main_pid() != dead, SEEN_TIMEOUT_S, "the next one")


def test_killing_the_shims_too_takes_the_containers(host: LabHost) -> None:
    host.start_container("c1")
    assert len(faults.kill_unit_with_shims(host)) == 2
    host.wait(host.serving, SEEN_TIMEOUT_S, "the next daemon")
    running = ("docker", "ps", "-q", "--filter", "name=c1")
    host.wait(lambda: not host.run(*running).stdout, SEEN_TIMEOUT_S, "c1 to be seen dead")


def test_a_frozen_data_root_survives_sigkill(boot: Booted) -> None:
    host = boot(data_root_mb=300)
    host.import_busybox()
    pid = host.main_pid()
    with faults.frozen_data_root(host):
        host.docker("ps")
        assert host.hangs("docker", "run", "--rm", "busybox", "true")
        assert "D" in thread_states(pid)
        host.systemctl("kill", "--signal=KILL", "docker.service")
        host.wait(lambda: thread_states(pid) <= {"D", "Z", "X"}, SEEN_TIMEOUT_S, "the rest to die")
        assert "D" in thread_states(pid)
    host.wait(lambda: thread_states(pid) == set(), SEEN_TIMEOUT_S, "it to die at last")
    host.settle()


def thread_states(pid: int) -> set[str]:
    """Return the letters of the states of a process's threads."""
    tasks = [int(task.name) for task in Path(f"/proc/{pid}/task").glob("*")]
    return {state for task in tasks if (state := outer.status(task).get("State", "")[:1])}


def test_a_full_disk_has_no_block_left_until_it_is_over(boot: Booted) -> None:
    host = boot(data_root_mb=200)
    host.import_busybox()
    with faults.full_data_root(host):
        assert os.statvfs(host.outside("/var/lib/docker")).f_bavail == 0
        failed = host.docker("run", "--rm", "busybox", "true", check=False)
        assert "no space left on device" in failed.stderr
    host.docker("run", "--rm", "busybox", "true")


def test_a_disk_without_inodes_has_space_and_yet_is_full(boot: Booted) -> None:
    host = boot(data_root_mb=200, inodes=2000)
    host.import_busybox()
    with faults.no_inodes_in_data_root(host):
        disk = os.statvfs(host.outside("/var/lib/docker"))
        assert disk.f_ffree == 0
        assert disk.f_bfree > 0
        failed = host.docker("run", "--rm", "busybox", "true", check=False)
        assert "no space left on device" in failed.stderr
    host.docker("run", "--rm", "busybox", "true")


def test_the_outer_disk_is_never_filled(host: LabHost) -> None:
    with pytest.raises(ValueError, match="data_root_mb"), faults.full_data_root(host):
        raise AssertionError("not reached")


def test_a_full_run_starts_no_container(host: LabHost) -> None:
    host.import_busybox()
    with faults.full_run(host):
        assert os.statvfs(host.outside("/run")).f_bfree == 0
        assert host.docker("run", "--rm", "busybox", "true", check=False).returncode != 0
    host.docker("run", "--rm", "busybox", "true")


def test_an_endless_log_grows(host: LabHost) -> None:
    with faults.endless_log(host) as log:
        host.wait(lambda: log.stat().st_size > 2_000_000, SEEN_TIMEOUT_S, "the log to grow")
    assert not log.exists()


@pytest.mark.parametrize("truncate", [False, True])
def test_a_garbled_container_is_missing_until_its_file_is_back(
    host: LabHost, truncate: bool
) -> None:
    host.start_container("c1")
    with faults.garbled_container(host, "c1", truncate=truncate):
        assert "c1" not in host.docker("ps", "-a").stdout
    assert "c1" in host.docker("ps", "-a").stdout


def test_a_garbled_network_db_fails_the_daemon(host: LabHost) -> None:
    with faults.garbled_network_db(host):
        assert faults.state(host) == "failed"
    host.wait(host.serving, SEEN_TIMEOUT_S, "it to serve again")


def test_a_broken_layer_loses_its_image(host: LabHost) -> None:
    host.import_busybox()
    with faults.broken_layer(host):
        assert host.docker("run", "--rm", "busybox", "true", check=False).returncode != 0
    host.docker("run", "--rm", "busybox", "true")


def test_a_bad_daemon_json_fails_the_daemon(host: LabHost) -> None:
    with faults.bad_daemon_json(host):
        assert faults.state(host) == "failed"
        assert "unable to configure the Docker daemon" in host.journal("docker.service")
    host.wait(host.serving, SEEN_TIMEOUT_S, "it to serve again")


def test_a_flag_conflict_fails_the_daemon(host: LabHost) -> None:
    with faults.flag_conflict(host):
        assert "specified both as a flag and in the configuration" in host.journal("docker.service")
        assert faults.state(host) == "failed"
    host.wait(host.serving, SEEN_TIMEOUT_S, "it to serve again")


def test_a_drop_in_overrides_in_secret(host: LabHost) -> None:
    driver = ("info", "--format", "{{.LoggingDriver}}")
    with faults.drop_in(host):
        assert host.docker(*driver).stdout.strip() == "local"
    assert host.docker(*driver).stdout.strip() == "json-file"


def test_the_start_limit_holds_a_daemon_that_could_start(host: LabHost) -> None:
    with faults.start_limit_hit(host):
        # Up to systemd 257 the service itself still tells the result of its last start.
        assert host.show("docker.socket", "Result")["Result"] == "service-start-limit-hit"
        assert host.systemctl("start", "docker.service", check=False).returncode != 0
    host.wait(host.serving, SEEN_TIMEOUT_S, "it to serve again")


def test_a_slow_start_is_activating_and_connects_but_does_not_answer(host: LabHost) -> None:
    with faults.slow_start(host, seconds=600):
        assert faults.state(host) == "activating"
        assert host.hangs("docker", "ps")
    host.wait(host.serving, SEEN_TIMEOUT_S, "it to serve again")


def test_an_operators_stop_is_no_failure(host: LabHost) -> None:
    with faults.stopped_by_operator(host):
        told = host.show("docker.service", "ActiveState", "Result")
        assert told == {"ActiveState": "inactive", "Result": "success"}
    host.wait(host.serving, SEEN_TIMEOUT_S, "it to serve again")


def test_an_operators_mask_is_seen(host: LabHost) -> None:
    with faults.masked_by_operator(host):
        assert host.show("docker.service", "LoadState")["LoadState"] == "masked"
    host.wait(host.serving, SEEN_TIMEOUT_S, "it to serve again")


def test_a_flushed_firewall_has_no_chain_by_that_name(host: LabHost) -> None:
    host.import_busybox()
    publish = ("run", "--rm", "-p", "18080:80", "busybox", "true")
    with faults.flushed_firewall(host):
        failed = host.docker(*publish, check=False)
        assert "No chain/target/match by that name" in failed.stderr
    host.docker(*publish)


def test_without_docker0_no_container_gets_a_network(host: LabHost) -> None:
    host.import_busybox()
    with faults.no_bridge(host):
        assert host.docker("run", "--rm", "busybox", "true", check=False).returncode != 0
    host.docker("run", "--rm", "busybox", "true")


def test_a_held_port_cannot_be_published(host: LabHost) -> None:
    host.import_busybox()
    publish = ("run", "--rm", "-p", "18080:80", "busybox", "true")
    with faults.foreign_listener(host, 18080) as holder:
        assert "address already in use" in host.docker(*publish, check=False).stderr
        assert "python" in host.read(f"/proc/{holder}/comm")
    host.docker(*publish)


def test_an_orphan_proxy_holds_its_port_in_the_daemons_cgroup(host: LabHost) -> None:
    host.import_busybox()
    publish = ("run", "--rm", "-p", "18081:80", "busybox", "true")
    with faults.orphan_proxy(host, 18081) as proxy:
        assert host.docker(*publish, check=False).returncode != 0
        assert "docker.service" in host.read(f"/proc/{proxy}/cgroup")
        assert "PPid:\t1\n" in host.read(f"/proc/{proxy}/status")
    host.wait(lambda: not faults.listening(host, 18081), SEEN_TIMEOUT_S, "the port to be free")
    host.docker(*publish)


def test_event_clients_that_do_not_read_are_kept_by_the_daemon(host: LabHost) -> None:
    with faults.event_clients(host, 500):
        assert faults.event_listeners(host) >= 500
        assert len(list(Path(f"/proc/{host.main_pid()}/fd").iterdir())) > 500
    few = 50
    host.wait(lambda: faults.event_listeners(host) < few, SEEN_TIMEOUT_S, "the clients to go")


def test_an_event_storm_starts_containers_without_end(host: LabHost) -> None:
    with faults.event_storm(host):
        since = host.run("date", "+%s").stdout.strip()

        def events() -> int:
            seen = host.docker("events", "--since", since, "--until", "0s", check=False).stdout
            return len(seen.splitlines())

        host.wait(lambda: events() > 20, SEEN_TIMEOUT_S, "20 events")


def test_many_containers_are_there_and_go(host: LabHost) -> None:
    with faults.many_containers(host, 20):
        assert len(host.docker("ps", "-aq").stdout.split()) == 20
    assert host.docker("ps", "-aq").stdout == ""
