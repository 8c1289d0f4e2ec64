"""A disk is full to its last byte or inode, dockerdoctor makes room, and nobody misses anything.

One host for each suite, whose data-root is a loop-mounted ext4 with few inodes. What must not be
touched is there from the beginning: a named volume, running containers, an image with a label.
What fills it: images, build cache, orphans, logs; but no log uses up inodes, as long as it may be.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator

import pytest

from dockerdoctor.model import Outcome
from tests.lab import faults, outer, showing
from tests.lab.conftest import suites
from tests.lab.faults.disks import DATA_ROOT
from tests.lab.filling import (
    CONFIG,
    INODES,
    PRODUCT,
    SIZE_MB,
    Litter,
    Room,
    a_build,
    an_image,
    an_orphan,
    cured,
    furnished,
    lines_of_a_log,
)
from tests.lab.host import LabHost
from tests.lab.watchdog import WAIT_S, rungs

RULES = """
[disk-full]
says = "the data-root is {disk.used_ratio} full"
when = ["disk.used_ratio >= 95%"]
clear = ["disk.used_ratio < 90%"]
severity = "critical"
ladder = ["dump-stacks", "prune"]

[inodes-high]
says = "{disk.inodes_ratio} of the data-root's inodes are used"
when = ["disk.inodes_ratio >= 95%"]
clear = ["disk.inodes_ratio < 90%"]
severity = "critical"
ladder = ["dump-stacks", "prune"]
"""
"""The shipped ones, without the time that they must hold for."""
RULES_WITHOUT_THE_DAEMON = (
    RULES.replace('"prune"]', '"prune", "free-space-outside"]', 1)
    + """
[daemon-unresponsive]
ladder = ["dump-stacks"]
"""
)
"""A daemon that hangs is left so: it is the disk that is looked at."""
ORPHANS = 'orphans = true\norphan_age = "0s"\n'


@pytest.fixture(scope="module")
def shared_room(lab: None, suite: str) -> Iterator[Room]:
    with LabHost(suite, product=True, data_root_mb=SIZE_MB, inodes=INODES) as host:
        yield furnished(host)


@pytest.fixture
def room(shared_room: Room) -> Iterator[Room]:
    """Without what other tests filled it with."""
    if left := [tag for tag in shared_room.tags() if tag.startswith("fill")]:
        shared_room.host.docker("rmi", *left, timeout=180)
    shared_room.host.docker("image", "prune", "--force", timeout=180)
    shared_room.host.docker("builder", "prune", "--all", "--force", timeout=180)
    yield shared_room
    shared_room.watchdog.stop()


def shown_on(room: Room, suite: str) -> None:
    """Skip what does not depend on the engine where another suite of this run shows it; for the
    table each suite shows all."""
    if not showing.wanted() and room.host.suite != suite and suite in suites():
        pytest.skip(f"shown on {suite}")


@pytest.mark.fault("F16", "disk-full", "prune")
def test_a_disk_full_of_images_is_healed_to_the_mark_least_recently_used_first(room: Room) -> None:
    shown_on(room, "trixie")
    made = room.fill(0.96, an_image)
    with faults.full_data_root(room.host):
        cured(room, room.begin(RULES), "disk-full")
        room.assert_at_the_mark()
    left = [tag for tag in made if tag in room.tags()]
    assert left
    assert left == made[-len(left) :]


@pytest.mark.fault("F16", "disk-full", "prune")
def test_what_builds_leave_is_given_back(room: Room) -> None:
    shown_on(room, "bookworm")
    room.fill(0.96, a_build)
    with faults.full_data_root(room.host):
        cured(room, room.begin(RULES), "disk-full")
        assert room.used() <= 0.80  # all of the cache, as long as nobody has measured it
        room.assert_untouched()


@pytest.mark.fault("F16i", "inodes-high", "prune")
@pytest.mark.parametrize(
    "make",
    [
        an_image,
        pytest.param(a_build, marks=pytest.mark.thorough),
        pytest.param(an_orphan, marks=pytest.mark.thorough),
    ],
)
def test_inodes_that_are_used_up_are_given_back(room: Room, make: Litter) -> None:
    shown_on(room, "trixie")
    room.fill(0.96, make, "inodes")
    with faults.no_inodes_in_data_root(room.host):
        cured(room, room.begin(RULES, ORPHANS), "inodes-high")
        assert room.used("inodes") <= 0.80
        room.assert_untouched()


def test_what_eats_the_disk_is_told_while_no_daemon_runs(room: Room) -> None:
    host = room.host
    room.watchdog.begin(CONFIG)  # and not what another test allowed
    room.watchdog.stop()
    with faults.frozen(host):
        told = json.loads(room.doctor("disk", "--json", "--all"))
        du = host.run("du", "-sxB1", DATA_ROOT).stdout.split()[0]
        whole = told["places"][0]
        assert abs(whole["bytes"] - int(du)) < 0.01 * int(du)
        names = {each["name"] for part in whole["parts"] for each in part["parts"]}
        assert {"precious", "runs", "talks"} <= names
        assert not told["skipped"]
        again = json.loads(room.doctor("disk", "--json"))
        assert again["walked"] < told["walked"]
        said = host.run(PRODUCT, "disk", "reclaim", "--to", "1%", "--apply", "--yes", check=False)
        assert said.returncode == 69
    host.settle()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_reclaim_that_is_cut_off_is_on_record_and_the_next_one_goes_on(
    room: Room, signum: signal.Signals
) -> None:
    shown_on(room, "trixie")
    room.fill(0.8, an_image)
    room.watchdog.begin(CONFIG)
    room.watchdog.stop()
    act = (PRODUCT, "disk", "reclaim", "--to", "40%", "--apply", "--yes")
    process = room.host.spawn(*act)
    record = room.watchdog.record
    room.host.wait(
        lambda: any(each.attempts for each in record.incidents()), WAIT_S, "its first step"
    )
    for child in outer.children(process.pid):
        os.kill(child, signum)
    process.wait(WAIT_S)
    first = record.incidents()[0]
    assert first.rule == "by-hand"
    assert first.attempts[0].note
    if signum != signal.SIGKILL and first.outcome is not Outcome.CURED:
        assert first.closed
        assert "stopped by its user" in first.why
        assert all(each.ended for each in first.attempts)
    room.host.run(*act, timeout=180)
    assert room.used() <= 0.40
    closed = {each.id: each for each in record.incidents()}
    assert all(each.closed for each in closed.values())
    assert closed[first.id].outcome is (Outcome.GAVE_UP if not first.closed else first.outcome)
    if closed[first.id].outcome is Outcome.GAVE_UP:
        assert "NOT ENOUGH" in room.doctor("incidents", "show", first.id)
    assert "given back" in room.doctor("incidents", "show", record.incidents()[0].id)
    room.assert_untouched()


@pytest.mark.fault("F19", "disk-full", "prune, where orphans may go")
def test_a_disk_full_of_orphans_is_healed_to_the_mark_where_that_is_allowed(room: Room) -> None:
    shown_on(room, "trixie")
    known = room.layers()
    made = room.fill(0.97, an_orphan)
    assert set(made) <= room.layers()
    assert "no database knows" in room.doctor("disk") or "not yet known" in room.doctor("disk")
    with faults.full_data_root(room.host):
        cured(room, room.begin(RULES, ORPHANS), "disk-full")
        room.assert_at_the_mark()
    assert known - set(made) <= room.layers()  # another test may have left some of the same names
    assert set(made) & room.layers(), "all of them"
    act = ("disk", "reclaim", "--to", "1%", "--orphans", "--apply", "--yes")
    room.doctor(*act, check=False)
    assert not set(made) & room.layers()
    room.assert_untouched()


def test_room_is_made_without_the_daemon_while_it_hangs(room: Room) -> None:
    shown_on(room, "trixie")
    made = room.fill(0.97, an_orphan)
    began = time.time()
    with faults.frozen(room.host):
        room.watchdog.begin(CONFIG + ORPHANS, RULES_WITHOUT_THE_DAEMON)
        incident = room.watchdog.wait_closed(began, "disk-full")
        acted = [each for each in rungs(incident) if each not in ("dump-stacks", "bring-back")]
        assert acted == ["(prune)", "free-space-outside"]
        assert incident.outcome is Outcome.CURED
        assert room.used() <= 0.80
        assert set(made) - room.layers()
        act = ("disk", "reclaim", "--to", "1%", "--orphans", "--apply", "--yes")
        room.doctor(*act, check=False)
        assert not set(made) & room.layers()
    room.host.settle()
    room.assert_untouched()


@pytest.mark.fault("F18", "disk-full", "prune, which cuts logs where that is allowed")
def test_a_full_disk_of_one_log_is_cut_where_that_is_allowed_and_its_writer_goes_on(
    room: Room,
) -> None:
    host = room.host
    ident = host.docker("inspect", "--format", "{{.Id}}", "talks").stdout.strip()
    log = host.outside(f"{DATA_ROOT}/containers/{ident}/{ident}-json.log")
    room.fill(0.96, lines_of_a_log)
    before = log.stat()
    with faults.full_data_root(host):
        cured(room, room.begin(RULES, "cut_logs = true\nkeep_log = '1MiB'\n"), "disk-full")
        assert room.used() <= 0.80
    after = log.stat()
    assert after.st_ino == before.st_ino
    assert after.st_size >= before.st_size
    assert after.st_blocks < before.st_blocks
    host.wait(lambda: log.stat().st_size > after.st_size, 60, "its writer to go on")
    assert "a line that nobody reads" in host.docker("logs", "--tail", "3", "talks").stdout
    room.assert_untouched()


def test_unused_images_of_containerds_store_are_given_back_least_recently_used_first(
    lab: None, suite: str
) -> None:
    if suite == "bookworm":
        pytest.skip("20.10 has no such image store")
    files = {
        "/etc/docker/daemon.json": '{"features": {"containerd-snapshotter": true}}',
        "/etc/containerd/config.toml": f'version = 2\nroot = "{DATA_ROOT}/store"\n',
    }
    with LabHost(suite, product=True, data_root_mb=2 * SIZE_MB, files=files) as host:
        room = furnished(host)
        assert "containerd.snapshotter" in host.docker("info", "-f", "{{.DriverStatus}}").stdout
        made = room.fill(0.96, an_image)
        host.docker("create", "--name", "holds", made[0], "/bytes")
        began = room.begin(RULES)
        cured(room, began, "disk-full")
        assert room.used() <= 0.80
        left = [tag for tag in made if tag in room.tags()]
        assert left == [made[0], *made[len(made) - len(left) + 1 :]]
        assert 1 < len(left) < len(made)
        act = ("disk", "reclaim", "--to", "1%", "--apply", "--yes")
        room.doctor(*act, check=False)
        assert made[0] in room.tags()
        assert not set(made[1:]) & room.tags()
        room.assert_untouched()


FILLS_TO = 0.73
FILLS_B_S = 80_000
"""Of SIZE_MB: 85 % after some 320 s, when it has been looked at for long enough (300 s) to say how
soon it will be full; full after some 700 s."""
SOON_S = 1200.0


@pytest.mark.thorough
@pytest.mark.fault("F16s", "disk-full-soon", "prune, before it is full")
def test_a_disk_that_fills_within_the_hour_is_given_room_before_it_is_full(room: Room) -> None:
    """By a container that writes into its own layer, at a steady rate. The rules are those that are
    shipped."""
    room.fill(FILLS_TO, an_image)
    began = room.begin("")
    script = f"while :; do head -c {FILLS_B_S} /dev/urandom >>/grows; sleep 1; done"
    seen = [(time.monotonic(), room.used())]
    told: list[tuple[float, float]] = []

    def acted() -> bool:
        now, used = time.monotonic(), room.used()
        full_in = room.watchdog.metric("dockerdoctor_disk_full_in_seconds")
        if "prune" in room.watchdog.acts(began):  # the figures may be those after it
            return True
        seen.append((now, used))
        if full_in < 3600:
            told.append((full_in, rest_s(seen)))
        return False

    room.host.start_container("grows", cmd=("sh", "-c", script))
    try:
        room.host.wait(acted, SOON_S, "an act")
        incident = cured(room, began, "disk-full-soon")
        assert "and wholly in" in incident.says
        assert 0.85 <= max(used for _, used in seen) < 0.95
        assert all(0.5 < foretold / measured < 2 for foretold, measured in told), told
        assert told
        assert room.watchdog.incidents(began, "disk-full") == []
        assert room.watchdog.acts(began) == ["prune"]
        assert room.used() < 0.85
        room.host.docker("exec", "grows", "true")
        room.assert_untouched()
    finally:
        room.host.docker("rm", "--force", "grows", timeout=180)


def rest_s(seen: list[tuple[float, float]]) -> float:
    """How long it takes until all is used, as it went from the first value to the last, s."""
    (began, first), (now, last) = seen[0], seen[-1]
    return (1 - last) / max(1e-9, (last - first) / (now - began))
