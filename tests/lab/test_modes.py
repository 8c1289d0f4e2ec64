"""Failure modes that nothing of ours can heal: the cause is named, and nobody is killed for it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockerdoctor.model import Incident, Outcome
from tests.lab import faults, outer
from tests.lab.host import IMAGE, LabHost
from tests.lab.watchdog import WAIT_S, Watchdog, rungs, vitals

DATA_ROOT_MB = 400


@pytest.fixture(scope="module")
def shared_watchdog(lab: None, suite: str) -> Iterator[Watchdog]:
    """A host whose data-root has a file system of its own."""
    with LabHost(suite, product=True, data_root_mb=DATA_ROOT_MB) as booted:
        yield Watchdog(booted)


def test_what_a_frozen_file_system_holds_is_left_alone_until_it_thaws(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    host.import_busybox()
    before, pid = vitals(host), host.main_pid()
    with faults.frozen_data_root(host):
        host.spawn("docker", "run", "--rm", IMAGE, "true")
        host.wait(lambda: "D" in thread_states(pid), WAIT_S, "the kernel to hold a thread")
        with faults.stopped_unit(host):  # now it does not answer either
            hung = watchdog.wait_for(began, "daemon-unresponsive", gave_up)
            held = watchdog.wait_for(began, "kernel-holds-daemon", lambda _: True)
            assert "in percpu_rwsem_wait (a frozen file system: `fsfreeze -u` thaws" in held.says
            assert rungs(hung)[0] == "dump-stacks"
            assert all(name.startswith("(") for name in rungs(hung)[1:])
            assert "a kill would only leave a zombie" in hung.why
            assert vitals(host) == before
    watchdog.wait_closed(began, "daemon-unresponsive")
    assert watchdog.acts(began) == []
    assert vitals(host) == before


def test_a_daemon_that_does_not_start_is_told_with_its_cause(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    with faults.garbled_network_db(host):
        down = watchdog.wait_for(began, "daemon-down", gave_up)
        assert "Error initializing network controller" in down.why
        assert "invalid database" in down.why
        watchdog.wait_for(began, "network-database-corrupt", lambda _: True)
    watchdog.wait_closed(began, "daemon-down")
    assert watchdog.acts(began) == []


def test_what_is_only_told_is_told(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    host.start_container("c1")
    with faults.garbled_container(host, "c1"):
        before = vitals(host)
        wait_found(host, "container-unreadable")
        with faults.flushed_firewall(host):
            publish = ("run", "--rm", "-p", "18080:80", IMAGE, "true")
            assert host.docker(*publish, check=False).returncode != 0
            wait_found(host, "firewall-flushed")
            assert vitals(host) == before
    assert watchdog.acts(began) == []


def test_a_data_root_that_went_read_only_is_told_and_nothing_is_restarted(
    watchdog: Watchdog,
) -> None:
    """Last: this host's data-root takes no writes any more."""
    host, began = watchdog.host, time.time()
    before = vitals(host)
    host.run("mount", "-o", "remount,errors=remount-ro", faults.DATA_ROOT)
    device = Path(host.run("findmnt", "-no", "SOURCE", faults.DATA_ROOT).stdout.strip()).name
    error = Path(f"/sys/fs/ext4/{device}/trigger_fs_error")
    if not os.access(error, os.W_OK):
        pytest.skip("this machine's /sys is read-only: no error can be made")
    error.write_text("lab")
    watchdog.wait_for(began, "data-root-read-only", lambda _: True)
    assert watchdog.acts(began) == []
    assert vitals(host) == before


def thread_states(pid: int) -> set[str]:
    """The letters of the states of a process's threads (outer pid)."""
    tasks = [int(task.name) for task in Path(f"/proc/{pid}/task").glob("*")]
    return {outer.status(task).get("State", "")[:1] for task in tasks}


def gave_up(incident: Incident) -> bool:
    return incident.outcome is Outcome.GAVE_UP


def wait_found(host: LabHost, rule: str) -> None:
    """Wait until `check` finds it."""

    def found() -> bool:
        told = host.run("dockerdoctor", "check", "--json", check=False).stdout
        return rule in {finding["rule"] for finding in json.loads(told)["findings"]}

    host.wait(found, WAIT_S, f"check to find {rule}")
