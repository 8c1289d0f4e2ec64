"""A data-root fills up, dockerdoctor makes room, and nobody misses anything.

One host for each suite, whose data-root is a loop-mounted ext4 with few inodes. What must not be
touched is there from the beginning: a named volume, running containers, an image with a label.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dockerdoctor.model import Incident, Outcome
from tests.lab import faults, outer, showing
from tests.lab.boot import SHARE
from tests.lab.conftest import suites
from tests.lab.faults.disks import DATA_ROOT
from tests.lab.host import LabHost
from tests.lab.watchdog import POLICY, WAIT_S, Watchdog, rungs, volume_file

SIZE_MB = 220
INODES = 5000
CHUNK_MB = 12
SMALL_MB = 3
GRACE = '[disk]\ngrace = "0s"\nkeep = ["wanted:*"]\n'
PRODUCT = "/opt/dockerdoctor/bin/dockerdoctor"
CONFIG = POLICY + GRACE
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
TALK = ("sh", "-c", "while :; do echo a line that nobody reads; sleep 0.2; done")


@dataclass
class Room:
    """A host with a small disk, and what must stay as it is."""

    watchdog: Watchdog
    pids: str
    checksum: str

    @property
    def host(self) -> LabHost:
        return self.watchdog.host

    def used(self) -> float:
        """Used share of the data-root's bytes."""
        told = os.statvfs(self.host.outside(DATA_ROOT))
        return 1 - told.f_bavail / (told.f_blocks - told.f_bfree + told.f_bavail)

    def inodes(self) -> float:
        """Used share of its inodes."""
        told = os.statvfs(self.host.outside(DATA_ROOT))
        return 1 - told.f_ffree / told.f_files

    def doctor(self, *words: str, timeout: float = 120, check: bool = True) -> str:
        """What a command of the product says."""
        return self.host.run(PRODUCT, *words, timeout=timeout, check=check).stdout

    def tags(self) -> set[str]:
        """The images that there are."""
        told = self.host.docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout
        return set(told.split())

    def begin(self, more: str = "") -> float:
        """Start the watchdog; since when its incidents count."""
        began = time.time()
        self.watchdog.begin(CONFIG + more, RULES)
        return began

    def assert_untouched(self) -> None:
        """The named volume, the running containers and the wanted images are as they were."""
        assert self.checksum == _checksum(self.host)
        assert self.pids == _pids(self.host)
        assert {"wanted:1", "labelled:1", "busybox:latest"} <= self.tags()
        for name in ("runs", "talks"):
            self.host.docker("exec", name, "true")


def _checksum(host: LabHost) -> str:
    return hashlib.sha256(volume_file(host, "precious", "file").read_bytes()).hexdigest()


def _pids(host: LabHost) -> str:
    names = ("runs", "talks", "idle")
    return host.docker("inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}}", *names).stdout


@pytest.fixture(scope="module")
def shared_room(lab: None, suite: str) -> Iterator[Room]:
    with LabHost(suite, product=True, data_root_mb=SIZE_MB, inodes=INODES) as host:
        yield furnished(host)


def furnished(host: LabHost) -> Room:
    """With what must stay as it is."""
    script = "dd if=/dev/urandom of=/data/file bs=1M count=3; exec sleep 1000000"
    host.start_container("runs", "-v", "precious:/data", cmd=("sh", "-c", script))
    host.start_container("talks", "--log-driver", "json-file", cmd=TALK)
    host.start_container("idle", "-v", "/anonymous")
    host.docker("import", f"{SHARE}/busybox.tar", "wanted:1")
    label = "LABEL keep=yes"
    host.docker("import", "--change", label, f"{SHARE}/busybox.tar", "labelled:1")
    host.wait(
        lambda: volume_file(host, "precious", "file").stat().st_size == 3 << 20, 60, "its data"
    )
    return Room(Watchdog(host), _pids(host), _checksum(host))


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


def fill_with_images(room: Room, until: float) -> list[str]:
    """Import images of random bytes, small ones last, until that share is used; oldest first."""
    made: list[str] = []
    for megabytes, share in ((CHUNK_MB, min(until, 0.88)), (SMALL_MB, until)):
        while room.used() < share:
            made.append(f"fill:{len(made):02}")
            assert import_image(room, made[-1], megabytes << 20, 0)
    return made


def fill_with_files(room: Room) -> list[str]:
    """Import images of many files, then of fewer, until few inodes are left."""
    made: list[str] = []
    for files, until in ((300, 0.85), (50, 0.96)):
        while room.inodes() < until:
            made.append(f"fill:{len(made):02}")
            assert import_image(room, made[-1], 1000, files)
    return made


def import_image(room: Room, tag: str, size: int, files: int) -> bool:
    """Whether there was room for it."""
    script = """set -e; d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"; mkdir -p fill/t
        head -c "$1" /dev/urandom >fill/bytes
        i=0; while [ $i -lt "$2" ]; do : >fill/t/$i; i=$((i+1)); done
        tar -C fill -cf all.tar . && docker import all.tar "$3" >/dev/null"""
    done = room.host.run("sh", "-c", script, "sh", str(size), str(files), tag, check=False)
    return done.returncode == 0


def cured(room: Room, began: float, rule: str) -> Incident:
    """The incident of this rule, cured by the rung prune."""
    incident = room.watchdog.wait_closed(began, rule)
    assert [each for each in rungs(incident) if each != "bring-back"] == ["dump-stacks", "prune"]
    assert incident.outcome is Outcome.CURED
    return incident


@pytest.mark.fault("F16", "disk-full", "prune")
def test_a_disk_full_of_images_is_healed_to_the_mark_least_recently_used_first(room: Room) -> None:
    shown_on(room, "trixie")
    made = fill_with_images(room, 0.96)
    began = room.begin()
    incident = cured(room, began, "disk-full")
    assert room.used() <= 0.80
    left = [tag for tag in made if tag in room.tags()]
    assert left == made[-len(left) :]
    assert left, incident
    assert room.used() > 0.80 - 2.5 * CHUNK_MB / SIZE_MB, "more was removed than needed"
    room.assert_untouched()


def test_what_builds_leave_is_given_back(room: Room) -> None:
    shown_on(room, "bookworm")
    host = room.host
    buildkit = "1" if room.watchdog.host.suite == "bookworm" else "0"  # later ones need a plugin
    number = 0
    for megabytes, share in ((CHUNK_MB, 0.88), (SMALL_MB, 0.96)):
        while room.used() < share:
            run = f"head -c {megabytes << 20} /dev/urandom >/bytes{number}"
            host.put("/tmp/build/Dockerfile", f"FROM busybox\nRUN {run}\n")
            build = "docker build -q --network none -t fill:built /tmp/build"
            host.run("sh", "-c", f"DOCKER_BUILDKIT={buildkit} {build}", timeout=120)
            number += 1
    assert number > 3
    cured(room, room.begin(), "disk-full")
    assert room.used() <= 0.80
    assert "fill:built" in room.tags()
    room.assert_untouched()


@pytest.mark.fault("F16i", "inodes-high", "prune")
def test_inodes_used_up_by_images_are_given_back(room: Room) -> None:
    shown_on(room, "trixie")
    fill_with_files(room)
    began = room.begin()
    cured(room, began, "inodes-high")
    assert room.inodes() <= 0.80
    room.assert_untouched()


def test_what_eats_the_disk_is_told_while_no_daemon_runs(room: Room) -> None:
    host = room.host
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
    fill_with_images(room, 0.8)
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


def fill_with_orphans(room: Room, until: float) -> list[str]:
    """Leave copies of a layer in overlay2 that nothing knows, as a crash does, until that share is
    used; small ones last. Returns their names, the oldest first."""
    made: list[str] = []
    asked = ("image", "inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", "fill:seed")
    for megabytes, share in ((CHUNK_MB, min(until, 0.88)), (SMALL_MB, until)):
        assert import_image(room, "fill:seed", megabytes << 20, 0)
        source = room.host.docker(*asked).stdout.strip().removesuffix("/diff")
        made.append(leave_orphan(room, source, len(made)))
        room.host.docker("rmi", "fill:seed")  # while there is room to note that
        source = f"{DATA_ROOT}/overlay2/{made[-1]}"
        while room.used() < share:
            made.append(leave_orphan(room, source, len(made)))
    return made


def leave_orphan(room: Room, source: str, number: int) -> str:
    """Copy one, with a short name of its own."""
    name = hashlib.sha256(f"orphan {number}".encode()).hexdigest()
    short, place = name[:26].upper(), f"{DATA_ROOT}/overlay2"
    script = 'set -e; cp -a "$1" "$2"; printf %s "$3" >"$2/link"; ln -s "../$4/diff" "$5"'
    words = (source, f"{place}/{name}", short, name, f"{place}/l/{short}")
    room.host.run("sh", "-c", script, "sh", *words)
    return name


def layers(room: Room) -> set[str]:
    """The directories of overlay2."""
    return {each.name for each in (room.host.outside(f"{DATA_ROOT}/overlay2")).iterdir()}


@pytest.mark.fault("F19", "disk-full", "prune, where orphans may go")
def test_a_disk_full_of_orphans_is_healed_to_the_mark_where_that_is_allowed(room: Room) -> None:
    shown_on(room, "trixie")
    known = layers(room)
    made = fill_with_orphans(room, 0.97)
    assert set(made) <= layers(room)
    assert "no database knows" in room.doctor("disk") or "not yet known" in room.doctor("disk")
    cured(room, room.begin('orphans = true\norphan_age = "0s"\n'), "disk-full")
    assert room.used() <= 0.80
    assert room.used() > 0.80 - 2.5 * CHUNK_MB / SIZE_MB, "more was removed than needed"
    assert known <= layers(room)
    left = [name for name in made if name in layers(room)]
    assert left, "all of them"
    room.assert_untouched()
    act = ("disk", "reclaim", "--to", "1%", "--orphans", "--apply", "--yes")
    room.doctor(*act, check=False)
    assert not set(made) & layers(room)
    room.assert_untouched()


def test_room_is_made_without_the_daemon_while_it_hangs(room: Room) -> None:
    shown_on(room, "trixie")
    made = fill_with_orphans(room, 0.97)
    began = time.time()
    with faults.frozen(room.host):
        config = CONFIG + 'orphans = true\norphan_age = "0s"\n'
        room.watchdog.begin(config, RULES_WITHOUT_THE_DAEMON)
        incident = room.watchdog.wait_closed(began, "disk-full")
        acted = [each for each in rungs(incident) if each not in ("dump-stacks", "bring-back")]
        assert acted == ["(prune)", "free-space-outside"]
        assert incident.outcome is Outcome.CURED
        assert room.used() <= 0.80
        assert set(made) - layers(room)
        act = ("disk", "reclaim", "--to", "1%", "--orphans", "--apply", "--yes")
        room.doctor(*act, check=False)
        assert not set(made) & layers(room)
    room.host.settle()
    room.assert_untouched()


@pytest.mark.fault("F18", "disk-full", "prune, which cuts logs where that is allowed")
def test_a_full_disk_of_one_log_is_cut_where_that_is_allowed_and_its_writer_goes_on(
    room: Room,
) -> None:
    host = room.host
    ident = host.docker("inspect", "--format", "{{.Id}}", "talks").stdout.strip()
    log = host.outside(f"{DATA_ROOT}/containers/{ident}/{ident}-json.log")
    # By the container itself: the engine counts what it has written.
    line = "a line of a log that nobody rotates, as long as lines are that tell what they do"
    script = f"yes '{line}' | head -c 8000000 >/proc/1/fd/1"
    while room.used() < 0.96:
        host.docker("exec", "talks", "sh", "-c", script, timeout=180)
    before = log.stat()
    began = room.begin("cut_logs = true\nkeep_log = '1MiB'\n")
    cured(room, began, "disk-full")
    after = log.stat()
    assert room.used() <= 0.80
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
        made = fill_with_images(room, 0.96)
        host.docker("create", "--name", "holds", made[0], "/bytes")
        began = room.begin()
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
