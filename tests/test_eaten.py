"""What ate the data-root at the last survey: written once, read when it has changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.account import account
from dockerdoctor.eaten import CONSUMERS, LastSurvey, of, save
from dockerdoctor.host.storage.facts import Usage
from tests.dataroot import DataRoot
from tests.test_survey import fill, look


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    made = DataRoot(tmp_path / "docker")
    fill(made)
    return made


def test_every_byte_of_the_survey_is_one_consumer_s(root: DataRoot) -> None:
    found = look(root)
    eaten = of(found)
    assert tuple(eaten.bytes) == CONSUMERS
    assert sum(eaten.bytes.values()) == account(found).usage.bytes
    assert eaten.bytes["volumes"] > 4 << 20
    assert eaten.taken == found.taken


def test_containerd_s_own_root_counts_with_containerd(root: DataRoot) -> None:
    found = look(root)
    apart = replace(found, store={"content": Usage(5000, 1)}, store_root=Path("/x"))
    assert of(apart).bytes["containerd"] == of(found).bytes["containerd"] + 5000


def test_it_is_read_again_when_somebody_has_surveyed_again(root: DataRoot, tmp_path: Path) -> None:
    path = tmp_path / "eaten.json"
    last = LastSurvey(path)
    assert last() is None
    found = look(root)
    save(path, found)
    assert last() == of(found)
    assert last() is last()
    later = replace(found, taken=found.taken + 86400)
    save(path, later)
    assert last() == of(later)
    path.unlink()
    assert last() is None


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b'{"taken": "now", "bytes": {}}'])
def test_a_garbled_one_is_as_good_as_none(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "eaten.json"
    path.write_bytes(text)
    assert LastSurvey(path)() is None


def test_a_place_where_nothing_can_be_written_costs_nothing_else(
    root: DataRoot, tmp_path: Path
) -> None:
    save(tmp_path / "is-not-there" / "eaten.json", look(root))
