"""What spares a daemon a restart, or a restart its containers: builds that run are seen, who leaks
is named, live-restore is offered; and the canary, which shows that starts work."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dockerdoctor.host.nouns import Container
from tests.lab import faults
from tests.lab.faults.load import BUILD
from tests.lab.host import LabHost
from tests.lab.product import VENV
from tests.lab.watchdog import POLICY, WAIT_S, Watchdog, vitals

ON_ONE_SUITE = True
"""As in test_aftermath.py."""
CLASSIC, BUILDKIT = "1", "2"
ENDLESS = "FROM busybox\nRUN sleep 1000000\n"
OLD_ENOUGH = ', "unit.since_start_s >= 30s"'
MEMORY = f"""[rss-critical]
when = ["process.rss_bytes > 1MiB"{OLD_ENOUGH}]
for = "1s"
looks = 2
clear = ["unit.since_start_s < 30s"]
clear_for = "1s"
ladder = ["dump-stacks", "restart"]
"""
"""A finding about memory that a restart cures, for half a minute."""
PID = ("inspect", "--format", "{{.State.Pid}}", "web")
CLIENTS = """
from pathlib import Path
from dockerdoctor.host.clients import connected_to
for each in connected_to(Path("/run/docker.sock"))[:2]:
    print(each.process.name, each.process.pid, each.connections)
"""


FLY = """
import json, os, sys
import msgspec
from dockerdoctor import compose, config
host = compose.host(config.load(None, os.environ))
for seconds in sys.argv[1:]:
    host.fly(float(seconds))
print(msgspec.json.encode(host.flights()).decode())
"""


@contextlib.contextmanager
def build(host: LabHost, builder: str) -> Iterator[None]:
    """One that ends only when its client leaves."""
    host.import_busybox()
    client = host.spawn("python3", "-c", BUILD, builder, ENDLESS)
    try:
        host.wait(lambda: builds(host) == 1, WAIT_S, "the build to be seen")
        yield
    finally:
        host.end(client)
    host.wait(lambda: builds(host) == 0, WAIT_S, "its end to be seen")


def builds(host: LabHost) -> int:
    """How many we see."""
    told = host.run("dockerdoctor", "probes", "run", "builds", "--json", check=False).stdout
    return int(json.loads(told)["readings"].get("live", -1))


@pytest.mark.fault("F22", "hold: building", "nothing before the build has ended")
def test_a_build_keeps_a_finding_about_memory_from_its_restart(watchdog: Watchdog) -> None:
    host = watchdog.host
    watchdog.stop()
    with build(host, CLASSIC):
        pass
    with build(host, BUILDKIT):
        before, began = vitals(host), time.time()
        watchdog.begin(POLICY, MEMORY)
        watchdog.wait_said(began, "building: an image is being built")
        watchdog.wait_for(began, "rss-critical", lambda each: each.attempts)
        assert vitals(host) == before
        assert watchdog.acts(began) == []
    host.wait(lambda: watchdog.acts(began), WAIT_S, "the act that the build had held")
    assert watchdog.acts(began)[0] == "restart"
    watchdog.wait_for(began, "rss-critical", lambda each: each.closed)


def test_a_canary_comes_back_counts_for_nothing_and_tells_a_hung_containerd(
    watchdog: Watchdog,
) -> None:
    host, began = watchdog.host, time.time()
    starts = watchdog.metric("dockerdoctor_events_starts_total")
    told = fly(host, WAIT_S, WAIT_S)
    assert (told["total"], told["failed"], told["why"]) == (2, 0, "")
    assert 0 < told["took_s"] < WAIT_S
    assert host.docker("ps", "--all", "--quiet").stdout == ""
    host.start_container("dockerdoctor-canary", "--label", "dockerdoctor.canary")
    host.start_container("web")
    watchdog.wait_known("web")
    running = watchdog.record.recall("running", tuple[Container, ...]) or ()
    assert [each.name for each in running] == ["web"]
    counted = ("dockerdoctor_events_starts_total", "dockerdoctor_events_failed_starts_total")
    host.wait(lambda: watchdog.metric(counted[0]) == starts + 1, WAIT_S, "the one start to count")
    assert watchdog.metric(counted[1]) == 0
    assert watchdog.acts(began) == []
    host.docker("rm", "--force", "web")
    watchdog.stop()  # it would see to containerd
    with faults.stopped_unit(host, "containerd.service"):
        told = fly(host, 5.0, 5.0)
        assert told["failed_in_a_row"] == 2
        assert told["why"].startswith("canary ")  # has not ended, or hangs still
    # What the last one left is taken away, once the daemon is done with what hung in it.
    host.wait(lambda: fly(host, WAIT_S)["failed"] == 0, WAIT_S, "a canary to come back")
    assert host.docker("ps", "--all", "--quiet").stdout == ""


def fly(host: LabHost, *deadlines: float) -> dict[str, Any]:
    """One canary after the other, each with its deadline, s; what is told of them then."""
    words = (f"{VENV}/bin/python", "-I", "-c", FLY, *map(str, deadlines))
    told: dict[str, Any] = json.loads(host.run(*words, timeout=2 * WAIT_S).stdout)
    return told


def test_who_leaks_is_named_with_pid_and_connections(watchdog: Watchdog) -> None:
    host = watchdog.host
    with faults.event_clients(host, 2000):
        told = host.run(f"{VENV}/bin/python", "-I", "-c", CLIENTS).stdout.splitlines()
        name, pid, connections = told[0].split()
        assert "/events" in host.read(f"/proc/{pid}/cmdline")
    assert (name, int(connections)) == ("python3", 2000)
    assert int(told[1].split()[2]) < 10


def test_live_restore_as_a_plan_offers_it_spares_the_containers(watchdog: Watchdog) -> None:
    host = watchdog.host
    watchdog.stop()
    watchdog.configure(POLICY, MEMORY.replace(OLD_ENOUGH, ""))
    host.start_container("web")
    host.start_container("stuck")
    before = host.docker(*PID).stdout
    host.wait(lambda: planned(host), WAIT_S, "a plan")
    (offered,) = planned(host)
    assert (offered["live_restore"], offered["swarm"]) == (False, False)
    assert offered["reload"] == "systemctl reload docker.service"
    try:
        with faults.stuck_container(host, "stuck"):
            host.put("/etc/docker/daemon.json", '{"live-restore": true}')
            host.run(*offered["reload"].split())
            host.wait(lambda: planned(host)[0]["live_restore"], WAIT_S, "live-restore to be on")
            assert planned(host)[0]["reload"] == ""
        host.docker("rm", "--force", "stuck", timeout=WAIT_S)
        host.systemctl("restart", "docker.service", timeout=WAIT_S)
        assert host.docker(*PID).stdout == before
    finally:
        host.run("rm", "--force", "/etc/docker/daemon.json")
        host.systemctl("restart", "docker.service", timeout=WAIT_S)


def planned(host: LabHost) -> list[dict[str, Any]]:
    """The plans of `heal --plan`."""
    told = host.run("dockerdoctor", "heal", "--plan", "--json", check=False, timeout=WAIT_S)
    plans: list[dict[str, Any]] = json.loads(told.stdout)["plans"]
    return plans
