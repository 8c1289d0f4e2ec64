"""The record on disks that are really full or read-only (mounted here: needs root)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockerdoctor.model import Attempt, Impact, Incident, Instant, Outcome, Sample, Severity
from dockerdoctor.store import Store

WALL = 1_764_000_000.0
IDENT = "20251124-160000-aaaa"


def moment(seconds: float = 0.0) -> Instant:
    return Instant(WALL + seconds, 100.0 + seconds)


def incident(ident: str = IDENT) -> Incident:
    return Incident(ident, WALL, "disk-full", "it is full", Severity.CRITICAL)


def cannot(why: str) -> None:
    """Skip with the reason; on the machine that must run everything, fail with it."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def mounted(*arguments: str, at: Path) -> Iterator[Path]:
    """A mount that is gone afterwards."""
    if os.geteuid() != 0:
        cannot("mounting needs root")
    at.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", *arguments, str(at)], capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        cannot(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True, timeout=60)


@contextmanager
def small_disk(kind: str, base: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    if kind == "tmpfs":
        with mounted("-t", "tmpfs", "-o", "size=4m", "none", at=base / "disk") as disk:
            yield disk
        return
    image = base / "image"
    with image.open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run(
        ["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image)], check=True, timeout=60
    )
    with mounted("-o", "loop", str(image), at=base / "disk") as disk:
        yield disk


def fill(disk: Path) -> Path:
    """Take the last byte of a disk; returns the file that has them."""
    hog = disk / "hog"
    with hog.open("ab", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            block = bytes(size)
            try:
                while file.write(block) == size:
                    pass
            except OSError:
                continue
    return hog


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_disk_that_fills_up_stops_nothing_and_gets_all_of_it_later(
    tmp_path: Path, kind: str
) -> None:
    with small_disk(kind, tmp_path) as disk:
        path = disk / "state" / "record.sqlite"
        store = Store.open(path, moment())
        store.open_incident(incident())
        store.remember("live-restore", True)
        hog = fill(disk)
        store.began(IDENT, Attempt("restart", WALL + 1, Impact.DAEMON))
        assert "full" in store.trouble
        store.keep([Sample("ping", moment(1), 0.1)], moment(1), urgent=True)
        store.began(IDENT, Attempt("sigkill", WALL + 2, Impact.DAEMON))
        assert len(store.recent_attempts(WALL)) == 2
        known = store.current_incident()
        assert known is not None
        assert known.attempts[-1].rung == "sigkill"
        assert store.recall("live-restore", bool) is True

        store.keep([], moment(62), urgent=False)
        assert store.trouble, "the disk is still full"
        hog.unlink()
        store.close(IDENT, WALL + 70, Outcome.CURED, "well again")
        store.keep([], moment(124), urgent=False)
        assert store.trouble == ""
        assert "can be written again" in store.notes[-1]
        found = Store.read(path).find(IDENT)
        assert found.outcome is Outcome.CURED
        assert [one.rung for one in found.attempts] == ["restart", "sigkill"]
        assert len(Store.read(path).samples("ping")) == 1
        store.shut()


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_disk_that_is_full_from_the_start_is_used_once_it_has_room(
    tmp_path: Path, kind: str
) -> None:
    with small_disk(kind, tmp_path) as disk:
        hog = fill(disk)
        path = disk / "state" / "record.sqlite"
        store = Store.open(path, moment())
        store.open_incident(incident())
        store.began(IDENT, Attempt("restart", WALL, Impact.DAEMON))
        assert "carrying on in memory" in store.trouble
        hog.unlink()
        store.keep([], moment(60), urgent=False)
        assert store.trouble == ""
        assert len(Store.read(path).find(IDENT).attempts) == 1
        store.shut()


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_disk_with_a_last_bit_of_room_is_filled_by_us_without_harm(
    tmp_path: Path, kind: str
) -> None:
    with small_disk(kind, tmp_path) as disk:
        path = disk / "state" / "record.sqlite"
        store = Store.open(path, moment())
        store.open_incident(incident())
        count = 0
        while not store.trouble:
            count += 1
            attempt = Attempt(f"rung{count}", WALL + count, Impact.DAEMON, note="n" * 8000)
            store.began(IDENT, attempt)
            assert count < 2000
        assert len(store.recent_attempts(WALL)) == count
        store.shut()
        # The last one, where closing the file made room for it.
        assert len(Store.read(path).recent_attempts(WALL)) in (count - 1, count)


@pytest.mark.parametrize("died", [False, True])
def test_a_read_only_disk_is_read_and_its_incident_goes_on(tmp_path: Path, died: bool) -> None:
    writable = tmp_path / "writable"
    writable.mkdir()
    before = Store.open(writable / "record.sqlite", moment())
    before.open_incident(incident())
    before.began(IDENT, Attempt("restart", WALL, Impact.DAEMON))
    if died:  # the files as a crash leaves them, with the log beside them
        shutil.copytree(writable, tmp_path / "crashed")
        writable = tmp_path / "crashed"
        assert (writable / "record.sqlite-wal").stat().st_size > 0
    before.shut()
    with mounted("--bind", str(writable), at=tmp_path / "state") as state:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(state)], check=True, timeout=60)
        path = state / "record.sqlite"
        assert len(Store.read(path).find(IDENT).attempts) == 1
        store = Store.open(path, moment(10))
        assert "carrying on in memory" in store.trouble
        going_on = store.current_incident()
        assert going_on is not None
        assert [one.rung for one in going_on.attempts] == ["restart"]
        store.began(IDENT, Attempt("sigkill", WALL + 10, Impact.CONTAINERS))
        assert [one.rung for _, one in store.recent_attempts(WALL)] == ["restart", "sigkill"]
        store.keep([], moment(70), urgent=False)
        assert store.trouble
        subprocess.run(["mount", "-o", "remount,bind,rw", str(state)], check=True, timeout=60)
        store.keep([], moment(130), urgent=False)
        assert store.trouble == ""
        rungs = [one.rung for one in Store.read(path).find(IDENT).attempts]
        assert rungs == ["restart", "sigkill"]
        store.shut()
