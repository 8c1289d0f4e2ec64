"""What a killed daemon leaves on a real host: found, named, and mended where that costs nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from dockerdoctor.host.journalwatch import FOR_MEMORY
from dockerdoctor.model import Outcome, Value
from tests.lab import faults
from tests.lab.host import LabHost
from tests.lab.watchdog import WAIT_S, Watchdog, found, note, rungs, wait_found

ON_ONE_SUITE = True
"""`make table` asks all engines; this saves every other run three minutes."""
PORT, OTHER = 18081, 18080
KEEPS_CONTAINERS = {"/etc/docker/daemon.json": '{"live-restore": true}'}
HAIRPIN = (
    *("-A", "POSTROUTING", "-s", "172.17.0.9/32", "-d", "172.17.0.9/32", "-p", "tcp"),
    *("-m", "tcp", "--dport", "80", "-j", "MASQUERADE"),
)
CHECK = ("--health-cmd", "true", "--health-interval", "1s", "--health-timeout", "1s")
STILL_S = 8.0
"""Two looks, in which nobody may act."""
Tell = Callable[[str, object], None]


@pytest.fixture(scope="module")
def shared_watchdog(lab: None, suite: str) -> Iterator[Watchdog]:
    """A host whose containers outlive their daemon."""
    with LabHost(suite, product=True, files=KEEPS_CONTAINERS) as booted:
        yield Watchdog(booted)


@pytest.mark.fault("F8", "container-ghost")
@pytest.mark.fault("F9", "shim-lost")
def test_what_the_daemon_does_not_know_is_named_and_left_alone(
    watchdog: Watchdog, record_property: Tell
) -> None:
    host = watchdog.host
    for name in ("ghost", "lost", "well"):
        host.start_container(name)
    host.start_container("checked", *CHECK)
    started = time.monotonic()
    watchdog.stop()  # it would not let the daemon stand still for so long
    with faults.ghost(host, "ghost"):
        assert "ghost" in host.docker("ps", "--format", "{{.Names}}").stdout
        told = readings(host, "leftovers")
        assert (told["ghosts"], told["ghost_names"]) == (1, "ghost")
        removed = host.docker("rm", "--force", "ghost", timeout=30, check=False)
        record_property("docker rm -f of a ghost: code", removed.returncode)
    with faults.lost_shim(host, "lost"):  # dockerd has been killed or restarted: here it was
        # A shim that is younger than a minute may be one that starts; a check gets its time.
        host.wait(lambda: time.monotonic() - started > 65, WAIT_S, "a minute to pass")
        told = readings(host, "leftovers")
        assert told["shims"] == 1, told
        assert told["ghosts"] == 0, told
        assert "(shim pid " in str(told["shim_names"])
    assert set(host.docker("ps", "--format", "{{.Names}}").stdout.split()) >= {"well", "checked"}


@pytest.mark.fault("F40", "health-checks-stopped")
def test_health_checks_that_a_kill_has_stopped_are_named(
    watchdog: Watchdog, record_property: Tell
) -> None:
    """20.10 forgets them, later engines do not."""
    host = watchdog.host
    host.start_container("checked", *CHECK)
    dead = faults.kill_unit(host)
    host.wait(lambda: host.serving() and host.main_pid() != dead, WAIT_S, "the next daemon")
    began = time.monotonic()
    last = ("inspect", "--format", "{{len .State.Health.Log}}", "checked")
    host.wait(lambda: time.monotonic() - began > 70, WAIT_S, "the checks to be overdue")
    stops = host.docker(*last).stdout.strip() == "0"
    record_property("health checks stop at a kill", stops)
    told = readings(host, "health")
    assert told["checked"] == 1
    assert (told["stopped"], told["stopped_names"]) == ((1, "checked") if stops else (0, ""))
    if stops:
        host.docker("restart", "checked")
        host.wait(lambda: host.docker(*last).stdout.strip() != "0", WAIT_S, "the first check")
        assert readings(host, "health")["stopped"] == 0


@pytest.mark.fault("F38", "name-resolution-broken")
def test_containers_without_name_resolution_after_a_restart_are_named(
    watchdog: Watchdog, record_property: Tell
) -> None:
    """Where a restart finds dockerd's chain without the rule that leads to it, 20.10 writes the
    rule again; later engines give up on that container. Without a loopback all of them do."""
    host, began = watchdog.host, time.time()
    names = ("cut", "flushed", "well")
    host.docker("network", "create", "lan", check=False)
    for name in names:
        host.start_container(name, "--network", "lan")
    assert nameless(host, names) == set()
    faults.cut_name_server(host, "cut")
    faults.flushed_loopback(host, "flushed")
    host.systemctl("restart", "docker.service", timeout=WAIT_S)
    host.wait(host.serving, WAIT_S, "the next daemon")
    broken = nameless(host, names)
    record_property("without names after a restart", sorted(broken))
    assert broken == ({"flushed"} if host.suite == "bookworm" else {"cut", "flushed"})
    told = wait_found(host, "name-resolution-broken")
    assert {name for name in names if name in told} == broken
    host.docker("restart", *broken, timeout=WAIT_S)
    assert nameless(host, names) == set()
    assert "name-resolution-broken" not in found(host)
    assert watchdog.acts(began) == []


def nameless(host: LabHost, names: tuple[str, ...]) -> set[str]:
    """Those that cannot resolve one of these names."""
    ask = ("busybox", "nslookup", names[-1])
    return {
        name
        for name in names
        if host.docker("exec", name, *ask, timeout=WAIT_S, check=False).returncode != 0
    }


@pytest.mark.fault("F46", "dockerd-killed-by-oomd")
def test_a_daemon_that_was_killed_for_memory_is_started_by_systemd_alone(
    watchdog: Watchdog,
) -> None:
    """By systemd-oomd's own marks: the memory controller is not the lab's, so that the kernel can
    kill nobody for it. What systemd says then is known by an id that each version has."""
    host, began = watchdog.host, time.time()
    restarts = int(host.show("docker.service", "NRestarts")["NRestarts"])
    dead = faults.killed_by_oomd(host)
    host.wait(lambda: host.serving() and host.main_pid() != dead, WAIT_S, "the next daemon")
    assert "1 times in an hour" in wait_found(host, "dockerd-killed-by-oomd")
    watchdog.watch_for(STILL_S)
    assert host.show("docker.service", "NRestarts")["NRestarts"] == str(restarts + 1)
    assert watchdog.acts(began) == []
    catalog = host.read("/usr/lib/systemd/catalog/systemd.catalog")
    assert "OOM killer" in catalog.partition(f"-- {next(iter(FOR_MEMORY))}\n")[2].split("\n\n")[0]


@pytest.mark.fault("F31", "daemon-down", "clear-pid-file")
def test_a_daemon_whose_pid_file_names_somebody_else_is_started(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    with faults.stale_pid_file(host) as sleeper:
        cured = watchdog.wait_closed(began, "daemon-down")
        assert host.serving()
        assert host.read(f"/proc/{sleeper}/comm") == "sleep\n"
    assert rungs(cured) == ["dump-stacks", "clear-pid-file"]
    assert cured.outcome is Outcome.CURED
    assert f"it named sleep (pid {sleeper}), which is no dockerd" in note(cured, "clear-pid-file")
    kept = cured.attempts[1].evidence[0]
    assert host.read(kept) == str(sleeper)


@pytest.mark.fault("F36", "proxy-orphaned", "end-orphan-proxies")
def test_an_orphaned_proxy_is_ended_and_its_port_is_free(
    watchdog: Watchdog, record_property: Tell
) -> None:
    host = watchdog.host
    host.start_container("web", "--publish", f"{OTHER}:80")
    publish = ("--publish", f"{PORT}:80")
    began = time.time()
    with faults.orphan_proxy(host, PORT) as orphan:
        assert host.docker("create", "--name", "late", *publish, "busybox", "true").returncode == 0
        assert host.docker("start", "late", check=False).returncode != 0
        faults.kill_unit(host)
        ended = watchdog.wait_closed(began, "proxy-orphaned")
        record_property("kill → its orphaned proxy ended, s", f"{time.time() - began:.0f}")
        host.docker("start", "late")
    assert rungs(ended) == ["end-orphan-proxies"]
    assert f"{PORT}/tcp (pid {orphan})" in note(ended, "end-orphan-proxies")
    host.wait(lambda: faults.listening(host, OTHER), WAIT_S, "the proxy of web")


@pytest.mark.fault("F34", "firewall-doubled", "drop-doubled-rules")
def test_doubled_rules_are_dropped_down_to_one(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    before = nat_rules(host)
    with faults.doubled_rules(host, HAIRPIN, 25):
        assert nat_rules(host).count(" ".join(HAIRPIN)) == 25
        watchdog.begin()
        mended = watchdog.wait_closed(began, "firewall-doubled")
        assert nat_rules(host).count(" ".join(HAIRPIN)) == 1
    assert note(mended, "drop-doubled-rules").startswith("dropped 24 of 24 needless copies")
    assert nat_rules(host) == before


def nat_rules(host: LabHost) -> list[str]:
    """The rules of the nat table, as iptables-save writes them."""
    lines = host.run("iptables-save", "-t", "nat").stdout.splitlines()
    return [line for line in lines if line.startswith("-A")]


def readings(host: LabHost, probe: str) -> dict[str, Value]:
    """One look by one probe, inside."""
    told = json.loads(host.run("dockerdoctor", "probes", "run", probe, "--json").stdout)
    assert told["fault"] is None, told
    return dict(told["readings"])
