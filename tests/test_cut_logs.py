"""A log's head becomes a hole: its writer goes on, and nothing but a plain log is ever touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.cli.logs import text
from dockerdoctor.host.storage.boxes import rotates
from dockerdoctor.host.storage.logs import cut, readers
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.survey import survey
from dockerdoctor.loglook import growths
from tests.dataroot import DataRoot
from tests.fakehost import disk_use
from tests.test_survey import counted

MIB = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "docker")


@pytest.fixture
def box(root: DataRoot) -> str:
    return root.container("web", "sha256:none", "running", logged=4 * MIB)


def log_of(root: DataRoot, box: str) -> Path:
    return root.path / "containers" / box / f"{box}-json.log"


def test_the_head_becomes_a_hole_and_writers_go_on(root: DataRoot, box: str) -> None:
    log = log_of(root, box)
    with log.open("ab") as writer:
        before = log.stat()
        assert cut(root.path, box, MIB) == ""
        writer.write(b"more\n")
    after = log.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size + 5)
    assert after.st_blocks * 512 < 1.2 * MIB
    content = log.read_bytes()
    assert content[: 3 * MIB] == bytes(3 * MIB)
    assert content[3 * MIB :] == b"x" * MIB + b"more\n"


def test_who_reads_a_log_is_named_before_it_is_cut(root: DataRoot, box: str) -> None:
    log = log_of(root, box)
    with log.open("ab"):
        assert readers(box) == []
        with log.open("rb"), log.open("rb"):
            (reader,) = readers(box)
    assert f"(pid {os.getpid()}), 2 times" in reader


def test_what_is_short_enough_stays(root: DataRoot, box: str) -> None:
    assert "not longer" in cut(root.path, box, 4 * MIB)
    assert log_of(root, box).read_bytes() == b"x" * 4 * MIB


def test_a_link_a_hard_link_a_pipe_and_anothers_file_are_left_alone(
    root: DataRoot, box: str, tmp_path: Path
) -> None:
    log = log_of(root, box)
    other = tmp_path / "other"
    other.write_bytes(b"x" * 4 * MIB)
    log.unlink()
    log.symlink_to(other)
    assert "cannot be cut" in cut(root.path, box, 0)
    log.unlink()
    log.hardlink_to(other)
    assert "hard links" in cut(root.path, box, 0)
    log.unlink()
    os.mkfifo(log)
    assert "no plain file" in cut(root.path, box, 0)
    log.unlink()
    if os.geteuid() == 0:
        log.write_bytes(b"x" * 4 * MIB)
        os.chown(log, 12345, 12345)
        assert "own file" in cut(root.path, box, 0)
    assert other.read_bytes() == b"x" * 4 * MIB


@pytest.mark.parametrize("ident", ["", "..", "../../etc", "web", "a" * 63, "A" * 64])
def test_only_a_containers_id_names_a_log(root: DataRoot, ident: str) -> None:
    assert cut(root.path, ident, 0) == "is no container's id"


def test_a_log_that_is_gone_is_said(root: DataRoot, box: str) -> None:
    log_of(root, box).unlink()
    assert cut(root.path, box, 0) == "is gone already"


@pytest.mark.parametrize(
    ("driver", "options", "bounded"),
    [
        ("json-file", {}, False),
        ("json-file", {"max-file": "3"}, False),
        ("json-file", {"max-size": "-1"}, False),
        ("json-file", {"max-size": "10m"}, True),
        ("local", {}, True),
        ("journald", {}, True),
    ],
)
def test_which_logs_are_bounded(driver: str, options: dict[str, str], bounded: bool) -> None:
    assert rotates(driver, options) is bounded


def test_the_lasting_fix_has_the_exact_commands_of_compose(root: DataRoot) -> None:
    made = "com.docker.compose"
    new = {f"{made}.project": "shop", f"{made}.project.config_files": "/srv/a b/compose.yaml"}
    old = {f"{made}.project": "old", f"{made}.project.config_files": "docker-compose.yml"}
    old[f"{made}.project.working_dir"] = "/srv/old"
    for name, labels in (("web", new), ("db", new), ("cron", old), ("alone", {})):
        about = {**labels, f"{made}.service": name} if labels else {}
        root.container(name, "sha256:none", "running", logged=10, labels=about)
    found = growths(survey(root.path, Remembered(None)), None, MIB)
    told = text(found, disk_use(root.path), 80).splitlines()
    anew = "up -d --no-deps --force-recreate"
    assert f"     docker compose -p shop -f '/srv/a b/compose.yaml' {anew} db web" in told
    assert f"     docker compose -p old -f /srv/old/docker-compose.yml {anew} cron" in told
    assert "     alone" in told


def test_what_is_kept_of_a_log_that_goes_elsewhere_is_a_log_too(root: DataRoot) -> None:
    box = root.container("away", "sha256:none", "running", log="gelf")
    home = root.path / "containers" / box
    for name in ("container-cached.log", "container-cached.log.1", "container-cached.log.2.gz"):
        (home / name).write_bytes(b"x" * MIB)
    (home / "container-cached.logs").write_bytes(b"x" * MIB)
    found = survey(root.path, Remembered(None))
    assert found.logs[box].usage.bytes == 3 * MIB
    assert found.total.bytes == counted(root.path)[0]


def test_growth_and_the_time_until_the_disk_is_full_are_told(root: DataRoot, box: str) -> None:
    root.container("calm", "sha256:none", "running", logged=10, log_options={"max-size": "1m"})
    first = survey(root.path, Remembered(None), measure=False)
    with log_of(root, box).open("ab") as file:
        file.write(b"x" * MIB)
    second = survey(root.path, Remembered(None), measure=False)
    second = replace(second, taken=first.taken + 3600)
    (told,) = growths(first, second, 10 * MIB)
    assert told.name == "web"
    assert told.per_hour == pytest.approx(MIB, rel=0.01)
    assert told.full_in_s == pytest.approx(36_000, rel=0.01)
    assert [each.name for each in growths(first, None, MIB, all_of_them=True)] == ["web", "calm"]
    shown = text((told,), disk_use(root.path), 80)
    assert "max-size" in shown
    assert "--cut web" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80
    both = growths(first, second, 10 * MIB, all_of_them=True)
    for columns in (40, 80):
        rows = text(both, disk_use(root.path), columns).splitlines()[:3]
        assert [row.split()[0] for row in rows] == ["CONTAINER", "web", "calm"]
