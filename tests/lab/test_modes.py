"""Failure modes that nothing of ours can heal: the cause is named, and nobody is killed for it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import faults, outer
from tests.lab.host import IMAGE, LabHost
from tests.lab.watchdog import WAIT_S, Watchdog, has_given_up, rungs, vitals

DATA_ROOT_MB = 400


@pytest.fixture(scope="module")
def shared_watchdog(lab: None, suite: str) -> Iterator[Watchdog]:
    """A host whose data-root has a file system of its own."""
    with LabHost(suite, product=True, data_root_mb=DATA_ROOT_MB) as booted:
        yield Watchdog(booted)


@pytest.mark.fault("F4", "kernel-holds-daemon")
def test_what_a_frozen_file_system_holds_is_left_alone_until_it_thaws(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    host.import_busybox()
    before, pid = vitals(host), host.main_pid()
    with faults.frozen_data_root(host):
        host.spawn("docker", "run", "--rm", IMAGE, "true")
        host.wait(lambda: "D" in thread_states(pid), WAIT_S, "the kernel to hold a thread")
        with faults.stopped_unit(host):  # now it does not answer either
            hung = watchdog.wait_for(began, "daemon-unresponsive", has_given_up)
            held = watchdog.wait_for(began, "kernel-holds-daemon", lambda _: True)
            assert "in percpu_rwsem_wait (a frozen file system: `fsfreeze -u` thaws" in held.says
            assert rungs(hung)[0] == "dump-stacks"
            assert all(name.startswith("(") for name in rungs(hung)[1:])
            assert "a kill would only leave a zombie" in hung.why
            assert vitals(host) == before
    watchdog.wait_closed(began, "daemon-unresponsive")
    assert watchdog.acts(began) == []
    assert vitals(host) == before


@pytest.mark.fault("F45", "data-root-read-only")
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
