"""A directory that nothing knows goes, and only such a one."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dockerdoctor.allowed import Allowed
from dockerdoctor.host.nouns import DiskUse
from dockerdoctor.host.storage import tmp
from dockerdoctor.host.storage.aside import OURS
from dockerdoctor.host.storage.facts import Kind
from dockerdoctor.host.storage.orphans import remove
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.survey import survey
from dockerdoctor.reclaim import plan
from tests.dataroot import DataRoot, ident
from tests.test_survey import counted

CACHE = "0123456789abcdefghijklmno"
LOST = ident("lost")
PATIENCE_S = 60.0


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """With one of each that must stay, and one that nothing knows, with a link out of it."""
    made = DataRoot(tmp_path / "docker")
    web = made.image("web:1", {"base": 10, "web": 10}, 1.0)
    made.container("one", web, "exited", ended=1.0)
    made.cache(CACHE, 10)
    lost = made.tree(LOST, 10, files=5)
    (lost / "diff/out").symlink_to(tmp_path)
    (lost / "diff/name\nof\x1b two lines").write_text("x")
    short = made.path / "overlay2/l" / LOST[:26].upper()
    short.symlink_to(f"../{LOST}/diff")
    return made


def later() -> float:
    """A moment before which all of it was made."""
    return time.time() + 10


def names(root: DataRoot) -> set[str]:
    return {each.name for each in (root.path / "overlay2").iterdir()}


def test_what_nothing_knows_goes_with_its_short_name_and_nothing_else(root: DataRoot) -> None:
    before = names(root)
    assert remove(root.path, LOST, later(), PATIENCE_S) == ""
    assert before - names(root) == {LOST}
    assert list((root.path / "overlay2/l").iterdir()) == []
    assert list((root.path / "tmp").iterdir()) == []
    assert root.path.parent.is_dir()


def test_what_anything_knows_stays(root: DataRoot) -> None:
    known = names(root) - {LOST, "l"}
    assert len(known) == 5  # two layers, a container's two, one of the build cache
    for name in known:
        assert "known" in remove(root.path, name, later(), PATIENCE_S)
    for name in ("l", "..", "a/b", ""):
        assert remove(root.path, name, later(), PATIENCE_S)
    assert known < names(root)


def test_what_has_changed_lately_stays_wherever_it_changed(root: DataRoot) -> None:
    began = time.time() - 1
    assert "changed since" in remove(root.path, LOST, began, PATIENCE_S)
    ahead = time.time() + 3600
    os.utime(root.path / "overlay2" / LOST / "diff", (ahead, ahead))
    assert "changed since" in remove(root.path, LOST, later(), PATIENCE_S)


def below_a_container(root: DataRoot) -> None:
    short = f"l/{LOST[:26].upper()}:l/OTHER"
    (root.path / "overlay2" / ident("mount one") / "lower").write_text(short)


def below_a_container_by_its_path(root: DataRoot) -> None:
    place = root.path / "overlay2" / LOST / "diff"
    (root.path / "overlay2" / ident("mount one") / "lower").write_text(str(place))


def hole_in_the_layer_database(root: DataRoot) -> None:
    (next((root.database / "layerdb/sha256").iterdir()) / "cache-id").write_text("")


def image_without_a_layer(root: DataRoot) -> None:
    for entry in (root.database / "layerdb/sha256").iterdir():
        if (entry / "parent").exists():
            subprocess.run(["rm", "-rf", str(entry)], check=True)


def no_layer_database(root: DataRoot) -> None:
    subprocess.run(["rm", "-rf", str(root.database / "layerdb")], check=True)


def container_without_a_layer(root: DataRoot) -> None:
    for entry in (root.database / "layerdb/mounts").iterdir():
        subprocess.run(["rm", "-rf", str(entry)], check=True)


def garbled_repositories(root: DataRoot) -> None:
    (root.database / "repositories.json").write_text("{")


@pytest.mark.parametrize(
    "broken",
    [
        below_a_container,
        below_a_container_by_its_path,
        hole_in_the_layer_database,
        image_without_a_layer,
        no_layer_database,
        container_without_a_layer,
        garbled_repositories,
    ],
)
def test_it_stays_where_it_may_be_needed_after_all(
    root: DataRoot, broken: Callable[[DataRoot], None]
) -> None:
    broken(root)
    why = remove(root.path, LOST, later(), PATIENCE_S)
    assert "lies below" in why or "may not be unknown" in why
    assert LOST in names(root)


def test_a_link_in_its_place_and_a_file_stay(root: DataRoot, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root.path / "overlay2/link").symlink_to(tmp_path / "elsewhere")
    (root.path / "overlay2/backingFsBlockDev").touch()
    for name in ("link", "backingFsBlockDev"):
        assert "no plain directory" in remove(root.path, name, later(), PATIENCE_S)
    assert {"link", "backingFsBlockDev"} < names(root)


def test_one_that_was_cut_off_is_finished_by_the_next(root: DataRoot) -> None:
    (root.path / "overlay2" / ident("other")).mkdir()
    cut_off = root.path / "tmp" / f"{OURS}{ident('third')}"
    (cut_off / "diff").mkdir(parents=True)
    (root.path / "tmp/GetImageBlob1").touch()
    assert "goes on" in remove(root.path, LOST, later(), 0.0)
    assert LOST in names(root)
    assert remove(root.path, ident("other"), later(), PATIENCE_S) == ""
    assert [each.name for each in (root.path / "tmp").iterdir()] == ["GetImageBlob1"]


def test_one_that_was_cut_off_is_finished_where_nothing_else_is_left_to_do(root: DataRoot) -> None:
    cut_off = root.path / "tmp" / f"{OURS}{LOST}"
    (root.path / "overlay2" / LOST).rename(cut_off)
    found = survey(root.path, Remembered(None))
    use = DiskUse(root.path, 1 << 30, 0, 1.0, 0.1, 1000)
    (step,) = plan(found, use, Allowed(orphans=True), {}, found.taken, daemon=False).steps
    assert (step.what.kind, step.frees.bytes > 0) == (Kind.TMP, True)
    assert tmp.remove(root.path, step.what.ident, step.what.before, PATIENCE_S) == ""
    assert not cut_off.exists()


def test_orphans_are_planned_only_where_that_is_allowed_and_only_old_ones(root: DataRoot) -> None:
    found = survey(root.path, Remembered(None), now=later)
    use = DiskUse(root.path, 1 << 30, 0, 1.0, 0.1, 1000)
    steps = plan(found, use, Allowed(), {}, found.taken).steps
    assert Kind.ORPHAN not in {step.what.kind for step in steps}
    week = plan(found, use, Allowed(orphans=True), {}, found.taken).steps
    assert Kind.ORPHAN not in {step.what.kind for step in week}
    allowed = Allowed(orphans=True, orphan_age_s=1.0)
    for daemon in (True, False):
        first = plan(found, use, allowed, {}, found.taken, daemon=daemon).steps[0]
        assert (first.what.kind, first.what.ident) == (Kind.ORPHAN, LOST)
        assert first.frees.bytes > 0


BLOB = "GetImageBlob1"
"""What a pull under way is called in tmp."""


@pytest.fixture
def left(root: DataRoot, tmp_path: Path) -> Path:
    """A file in tmp, and a tree with a link out of it."""
    place = root.path / "tmp"
    (place / BLOB).write_bytes(b"x" * 10_000)
    (place / "docker-builder2/deep").mkdir(parents=True)
    (place / "docker-builder2/out").symlink_to(tmp_path)
    return place


def test_what_lies_in_tmp_goes_once_it_is_old_and_nobody_has_it_open(
    root: DataRoot, left: Path
) -> None:
    outside = set(root.path.parent.iterdir())
    with (left / BLOB).open("rb"):
        assert f"(pid {os.getpid()})" in tmp.remove(root.path, BLOB, later(), PATIENCE_S)
    assert "changed since" in tmp.remove(root.path, BLOB, time.time() - 60, PATIENCE_S)
    for name in ("", "..", "../containers", f"../tmp/{BLOB}"):
        assert "no name" in tmp.remove(root.path, name, later(), PATIENCE_S)
    assert tmp.remove(root.path, "none", later(), PATIENCE_S) == "is gone already"
    for name in (BLOB, "docker-builder2"):
        assert tmp.remove(root.path, name, later(), PATIENCE_S) == ""
    assert list(left.iterdir()) == []
    assert set(root.path.parent.iterdir()) == outside


def test_a_tree_in_tmp_in_which_something_was_made_lately_stays(root: DataRoot, left: Path) -> None:
    began = time.time()
    ahead = began + 3600
    os.utime(left / "docker-builder2/deep", (ahead, ahead))
    assert "changed" in tmp.remove(root.path, "docker-builder2", began + 60, PATIENCE_S)
    assert (left / "docker-builder2/deep").is_dir()


def test_a_link_in_tmp_goes_itself_and_not_what_it_leads_to(root: DataRoot, left: Path) -> None:
    (left / "link").symlink_to(root.path / "volumes")
    precious = root.volume("precious", 100) / "file"
    assert tmp.remove(root.path, "link", later(), PATIENCE_S) == ""
    assert precious.read_bytes() == b"x" * 100


def test_what_lies_in_tmp_is_planned_with_the_orphans_and_counted_once(
    root: DataRoot, left: Path
) -> None:
    found = survey(root.path, Remembered(None), now=later)
    assert found.total.bytes == counted(root.path)[0]
    use = DiskUse(root.path, 1 << 30, 0, 1.0, 0.1, 1000)
    allowed = Allowed(orphans=True, orphan_age_s=1.0)
    steps = plan(found, use, allowed, {}, found.taken, daemon=False).steps
    assert {step.what.ident for step in steps} == {BLOB, "docker-builder2", LOST}
    assert next(step for step in steps if step.name == BLOB).frees.bytes >= 10_000
    assert not plan(found, use, Allowed(orphans=True), {}, found.taken, daemon=False).steps
    assert not plan(found, use, Allowed(), {}, found.taken, daemon=False).steps
