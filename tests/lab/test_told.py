"""Failures of a daemon that goes on: each is named with its remedy, and nobody is restarted for it.

One host, one watchdog that looks all the time: it must not act, whatever else is wrong.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import pytest

from tests.lab import faults
from tests.lab.host import IMAGE, LabHost
from tests.lab.watchdog import (
    COMMAND,
    POLICY,
    WAIT_S,
    Watchdog,
    found,
    rungs,
    vitals,
    wait_found,
)

DATA_ROOT_MB = 400
ON_ONE_SUITE = True
"""As in test_starts.py."""

RUN = ("run", "--rm", IMAGE, "true")
SOON = """
[kernel-holds-container]
when = ["kernel.others_held_s >= 10s"]
clear = ["kernel.others_held_s < 5s"]
severity = "critical"

[run-full]
for = "2s"

[rss-high]
when = ["process.rss_bytes >= {rss}"]
for = "2s"
severity = "critical"

[event-followers]
says = "{{api.listeners}} clients follow events"
when = ["api.listeners >= 500"]
severity = "critical"
"""
"""Nobody waits for 4 GiB, or for two minutes, in a test. What is critical is put on record."""


PRUNING = """
[prune-stuck]
when = ["builds.prunes >= 1", "builds.pruning_s >= 5s"]
looks = 1
severity = "critical"

[container-stuck]
ladder = ["dump-stacks"]
"""
"""Else the container that holds the prune up would be ended within a minute, and the prune too."""
LITTER = """
head -c 20000000 /dev/urandom >/root/litter
tar -C /root -c litter | docker import - litter:1
rm /root/litter
"""
"""An image that nobody uses."""


@pytest.fixture(scope="module")
def shared_watchdog(lab: None, suite: str) -> Iterator[Watchdog]:
    """A host whose data-root has a file system of its own, with an image."""
    with LabHost(suite, product=True, data_root_mb=DATA_ROOT_MB) as booted:
        booted.import_busybox()
        yield Watchdog(booted)


@pytest.fixture
def watching(watchdog: Watchdog) -> Iterator[Watchdog]:
    """The watchdog with hasty rules. At the end it must have done nothing at all."""
    began = time.time()
    watchdog.begin(POLICY, SOON.format(rss="4GiB"))
    yield watchdog
    assert watchdog.acts(began) == []
    assert all(set(rungs(each)) <= {"dump-stacks"} for each in watchdog.incidents(began))


def publish(port: int) -> tuple[str, ...]:
    return ("run", "--rm", "--publish", f"{port}:80", IMAGE, "true")


def fails(host: LabHost, *argv: str, times: int = 1) -> None:
    """Run a docker command that must fail."""
    for _ in range(times):
        assert host.docker(*argv, check=False).returncode != 0


@contextlib.contextmanager
def untouched(host: LabHost) -> Iterator[None]:
    """The daemon is the same process at the end."""
    before = vitals(host)
    yield
    assert vitals(host) == before


@pytest.mark.fault("F17", "run-full")
def test_a_full_run_is_not_blamed_on_the_data_root(watching: Watchdog) -> None:
    host, began = watching.host, time.time()
    with untouched(host), faults.full_run(host):
        fails(host, *RUN)
        incident = watching.wait_for(began, "run-full", lambda _: True)
        assert "no container can start" in incident.says
        seen = found(host)
        assert {"run-full", "no-space-told"} <= set(seen)
        assert not {"disk-full", "disk-high"} & set(seen)
    watching.wait_closed(began, "run-full")


@pytest.mark.fault("F14", "image-layer-missing")
def test_a_broken_layer_is_named(watching: Watchdog) -> None:
    host = watching.host
    with faults.broken_layer(host), untouched(host):
        fails(host, *RUN)
        wait_found(host, "image-layer-missing")


@pytest.mark.fault("F15", "container-without-layer")
def test_a_container_without_its_file_system_is_named(watching: Watchdog) -> None:
    host = watching.host
    ident = host.start_container("c1")
    with faults.lost_layer(host, "c1"), untouched(host):
        assert ident[:12] in wait_found(host, "container-without-layer")


@pytest.mark.fault("F11", "container-unreadable")
@pytest.mark.parametrize("truncate", [False, True], ids=["garbled", "empty"])
def test_a_container_that_cannot_be_read_is_named(watching: Watchdog, truncate: bool) -> None:
    host = watching.host
    ident = host.start_container("c1")
    with faults.garbled_container(host, "c1", truncate=truncate), untouched(host):
        assert ident[:12] in wait_found(host, "container-unreadable")


@pytest.mark.fault("F26", "container-not-removable")
def test_a_container_that_cannot_be_removed_is_named(watching: Watchdog) -> None:
    host = watching.host
    host.start_container("c1")
    with untouched(host), faults.unremovable(host, "c1"):
        assert "c1" in wait_found(host, "container-not-removable")


@pytest.mark.fault("F10", "name-held-by-nobody")
def test_a_name_that_nobody_is_seen_to_have_is_told(watching: Watchdog) -> None:
    host = watching.host
    create = ("create", "--name", "taken", IMAGE, "true")
    host.docker(*create)
    with untouched(host):
        assert "is already in use by container" in host.docker(*create, check=False).stderr
        assert "name-held-by-nobody" not in found(host)  # somebody has it, whom all can see
        host.docker("rm", "taken")
    with faults.kept_name(host, "taken"), untouched(host):
        said = host.docker(*create, check=False).stderr
        assert host.docker("ps", "--all", "--quiet").stdout == ""
        wait_found(host, "name-held-by-nobody")
        explained = host.run(COMMAND, "explain", "--said", said, "--json").stdout
        assert json.loads(explained)["name"] == "name-taken"
    host.docker(*create)
    assert "name-held-by-nobody" not in found(host)


@pytest.mark.thorough
@pytest.mark.fault("F25", "prune-stuck")
def test_a_prune_that_does_not_end_is_told_and_a_reclaim_beside_it_ends(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    watchdog.begin(POLICY + '[disk]\ngrace = "0s"\n', PRUNING)
    host.start_container("stuck")
    host.run("sh", "-ec", LITTER)
    prune = ("container", "prune", "--force")
    with untouched(host), faults.stuck_container(host, "stuck"):
        held = host.spawn("docker", *prune)
        told = watchdog.wait_for(began, "prune-stuck", lambda _: True)
        assert "dockerd refuses every other (409) until it ends" in told.says
        said = host.docker(*prune, check=False).stderr
        explained = host.run(COMMAND, "explain", "--said", said, "--json").stdout
        assert json.loads(explained)["name"] == "prune-running"
        words = ("disk", "reclaim", "--apply", "--yes", "--to", "1%", "--json")
        reclaimed = json.loads(host.run(COMMAND, *words, timeout=WAIT_S, check=False).stdout)
        (tried,) = reclaimed["done"]  # dockerd waits for the same container
        assert tried["name"] == "litter:1"
        assert "has not ended within" in tried["why_not"]
        assert tried["why_not"] in watchdog.record.find(reclaimed["incident"]).attempts[0].note
    assert held.wait(WAIT_S) == 0
    host.wait(lambda: "litter" not in host.docker("images").stdout, WAIT_S, "it to go after all")
    watchdog.wait_closed(began, "prune-stuck")
    assert set(watchdog.acts(began)) == {"reclaim"}


@pytest.mark.fault("F33", "firewall-flushed")
def test_a_flushed_firewall_is_told_with_what_its_cure_costs(watching: Watchdog) -> None:
    host = watching.host
    with faults.flushed_firewall(host), untouched(host):
        fails(host, *publish(18080))
        wait_found(host, "firewall-flushed")


@pytest.mark.fault("F33b", "bridge-gone")
def test_a_deleted_docker0_is_named(watching: Watchdog) -> None:
    host = watching.host
    with faults.no_bridge(host), untouched(host):
        fails(host, *RUN)
        assert "docker0" in wait_found(host, "bridge-gone")


@pytest.mark.fault("F37", "port-foreign")
def test_a_port_held_by_another_program_is_told(watching: Watchdog) -> None:
    host = watching.host
    with untouched(host), faults.foreign_listener(host, 18082):
        fails(host, *publish(18082), times=5)
        wait_found(host, "port-foreign")


@pytest.mark.fault("F22", "rss-high")
def test_much_memory_alone_is_told_and_costs_nobody_anything(watching: Watchdog) -> None:
    host, began = watching.host, time.time()
    watching.begin(POLICY, SOON.format(rss="40MiB"))
    with untouched(host):
        told = watching.wait_for(began, "rss-high", lambda _: True)
        assert told.says.startswith("dockerd uses ")


@pytest.mark.thorough
@pytest.mark.fault("F20", "nothing: a rule of the test's own")
def test_thousands_of_clients_that_follow_events_are_counted(watching: Watchdog) -> None:
    host, began = watching.host, time.time()
    with untouched(host), faults.event_clients(host, 2000):
        told = watching.wait_for(began, "event-followers", lambda _: True)
        assert told.says.endswith(" clients follow events")
    watching.wait_closed(began, "event-followers")


@pytest.mark.thorough
@pytest.mark.fault("F4c", "kernel-holds-container")
def test_a_container_that_the_kernel_holds_is_left_alone(watching: Watchdog) -> None:
    host, began = watching.host, time.time()
    write = "while :; do echo line >/data/file; sleep 0.1; done"
    host.start_container("writes", "-v", "data:/data", cmd=("sh", "-c", write))
    with untouched(host), faults.frozen_data_root(host):
        held = watching.wait_for(began, "kernel-holds-container", lambda _: True)
        assert "a frozen file system: `fsfreeze -u` thaws" in held.says
    watching.wait_closed(began, "kernel-holds-container")
