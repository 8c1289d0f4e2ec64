"""A data-root that is full to the last byte, or has no inode left, of each kind of litter: room is
made to the mark, and nothing else is missed.

In test_space.py there is a little left for the daemon to write down what it removes; here there is
none. A log takes one inode however long it is: it never uses them up.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dockerdoctor.model import Outcome
from tests.lab import faults
from tests.lab.filling import (
    CONFIG,
    INODES,
    SIZE_MB,
    Room,
    a_build,
    an_image,
    an_orphan,
    furnished,
    lines_of_a_log,
)
from tests.lab.host import LabHost
from tests.lab.watchdog import climbed

QUICK = """[disk-full]
for = "1s"

[inodes-high]
for = "1s"
"""
ALLOWED = """cut_logs = true
keep_log = "1MiB"
orphans = true
orphan_age = "0s"
"""
LITTER = {
    "images": an_image,
    "build cache": a_build,
    "orphans": an_orphan,
    "logs": lines_of_a_log,
}


@pytest.fixture(scope="module")
def shared_room(lab: None, suite: str) -> Iterator[Room]:
    with LabHost(suite, product=True, data_root_mb=SIZE_MB, inodes=INODES) as host:
        yield furnished(host)


@pytest.fixture
def room(shared_room: Room) -> Iterator[Room]:
    """With room in it."""
    shared_room.watchdog.stop()
    act = ("disk", "reclaim", "--to", "30%", "--logs", "--orphans", "--apply", "--yes")
    shared_room.watchdog.configure(CONFIG + ALLOWED)
    shared_room.doctor(*act, check=False)
    yield shared_room
    shared_room.watchdog.stop()


@pytest.mark.fault("F16", "disk-full", "prune")
@pytest.mark.parametrize("kind", LITTER)
def test_a_disk_without_a_byte_left_is_healed_to_the_mark(room: Room, kind: str) -> None:
    room.fill(0.97, LITTER[kind])
    with faults.full_data_root(room.host):
        healed(room, "disk-full")


@pytest.mark.fault("F16i", "inodes-high", "prune")
@pytest.mark.parametrize("kind", [kind for kind in LITTER if kind != "logs"])
def test_a_disk_without_an_inode_left_is_healed_to_the_mark(room: Room, kind: str) -> None:
    room.fill(0.96, LITTER[kind], "inodes")
    with faults.no_inodes_in_data_root(room.host):
        healed(room, "inodes-high")


def healed(room: Room, rule: str) -> None:
    """By the ladder that is shipped, down to the mark, and nobody misses anything."""
    began = room.begin(QUICK, ALLOWED)
    incident = room.watchdog.wait_closed(began, rule)
    assert climbed(incident) == ["dump-stacks", "prune"], incident
    assert incident.outcome is Outcome.CURED
    assert room.used() <= 0.80
    assert room.used("inodes") <= 0.80
    assert room.watchdog.acts(began) == ["prune"]
    room.assert_untouched()
