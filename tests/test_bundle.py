"""The support bundle: each part by itself, nothing secret, and what is missing named."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
from pathlib import Path

from dockerdoctor.bundle import MAX_MASKED, Collected, Part, collect, pack, readme
from dockerdoctor.errors import StoreError
from tests.clirun import dockerdoctor, write_config
from tests.test_cli_commands import an_incident, recorded
from tests.test_stacks import STUCK, text_of

SECRET = "hunter2hunter2"


def unpacked(path: Path) -> dict[str, str]:
    """The files of a bundle without their common directory."""
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        assert len({member.name.partition("/")[0] for member in members}) == 1
        assert all(member.isfile() and member.mode == 0o600 for member in members)
        return {
            member.name.partition("/")[2]: (tar.extractfile(member) or io.BytesIO()).read().decode()
            for member in members
        }


def failing() -> str:
    raise StoreError("there is no record")


def buggy() -> str:
    raise ZeroDivisionError


def test_a_part_that_hangs_or_fails_costs_itself_alone() -> None:
    never = threading.Event()
    parts = [
        Part("hangs.txt", lambda: str(never.wait()), timeout_s=0.2),
        Part("fails.txt", failing),
        Part("bug.txt", buggy),
        Part("good.txt", lambda: "good"),
        Part("several", lambda: {"a": "x", "b": b"y"}),
    ]
    found = collect(parts, time.monotonic)
    never.set()
    assert found.files == {"good.txt": b"good", "several/a": b"x", "several/b": b"y"}
    assert found.missing["hangs.txt"] == "no answer within 0.2 s"
    assert found.missing["fails.txt"] == "there is no record"
    assert "ZeroDivisionError" in found.missing["bug.txt"]
    told = readme(found)
    assert "hangs.txt: no answer within 0.2 s" in told
    assert "good.txt  4 B" in told


def test_all_parts_together_have_one_deadline() -> None:
    never = threading.Event()
    parts = [Part(f"{each}", lambda: str(never.wait()), timeout_s=100) for each in range(20)]
    began = time.monotonic()
    found = collect(parts, time.monotonic, budget_s=0.5)
    never.set()
    assert time.monotonic() - began < 60
    assert len(found.missing) == 20


def test_the_first_parts_have_the_room_and_what_has_none_is_named() -> None:
    parts = [Part(name, lambda: b"x" * 600, raw=True) for name in ("a", "b", "c")]
    found = collect(parts, time.monotonic, max_bytes=1300)
    assert list(found.files) == ["a", "b"]
    assert "no room" in found.missing["c"]


def test_of_a_log_that_is_too_long_the_end_is_kept() -> None:
    text = "".join(f"line {each:08}\n" for each in range(MAX_MASKED // 13))
    found = collect([Part("log.txt", lambda: text)], time.monotonic)
    assert len(found.files["log.txt"]) <= MAX_MASKED
    assert found.files["log.txt"].startswith(b"line ")
    assert found.files["log.txt"].endswith(text[-14:].encode())
    assert "cut to 3 MiB" in found.missing["log.txt (a part)"]


def test_secrets_are_hidden_and_listed_also_in_json_that_is_broken() -> None:
    parts = [
        Part("a.json", lambda: json.dumps({"Env": [f"FOO={SECRET}"]})),
        Part("b.json", lambda: f'{{"password": "{SECRET}", cut'),
        Part("c.txt", lambda: f"http://bob:{SECRET}@proxy"),
    ]
    found = collect(parts, time.monotonic)
    assert not [name for name, each in found.files.items() if SECRET.encode() in each]
    assert found.hidden["a.json"] == ["1 x environment: FOO"]
    assert "c.txt: 1 x credentials in a URL" in readme(found)


def test_a_bundle_can_be_unpacked(tmp_path: Path) -> None:
    found = Collected(files={"a.txt": b"hello", "b/c.txt": b""})
    with (tmp_path / "x.tar.gz").open("wb") as out:
        pack(found, "root", 1_800_000_000.0, out)
    files = unpacked(tmp_path / "x.tar.gz")
    assert (files["a.txt"], files["b/c.txt"]) == ("hello", "")
    assert next(iter(files)) == "README.txt"


def container(root: Path) -> None:
    """A container as dockerd leaves it on the disk."""
    directory = root / "containers" / ("ab" * 32)
    directory.mkdir(parents=True)
    config = {"Name": "/web", "Config": {"Env": [f"MYSQL_PASSWORD={SECRET}"], "Labels": {}}}
    (directory / "config.v2.json").write_text(json.dumps(config))


def test_a_bundle_of_a_dead_daemon_has_what_can_be_had_and_no_secret(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    recorded(config, an_incident()).shut()
    container(tmp_path)
    evidence = tmp_path / "state" / "evidence"
    evidence.mkdir()
    (evidence / "1-journal-dockerd.txt").write_text(f"password={SECRET}\n")
    (evidence / "2-goroutine-stacks-x.log").write_text(text_of(STUCK[0]))
    (tmp_path / "state" / "dockerd.log").write_text("its last word\n")
    path = tmp_path / "bundle.tar.gz"
    ran = dockerdoctor("bundle", "-o", str(path), config=config)
    assert (ran.code, ran.out) == (0, "")
    assert f"written to {path}: " in ran.err
    assert path.stat().st_mode & 0o777 == 0o600
    files = unpacked(path)
    assert SECRET not in "".join(files.values())
    assert json.loads(files["check.json"])["state"] in ("warning", "critical")
    assert json.loads(files["incidents.json"])["incidents"][0]["rule"] == "daemon-unresponsive"
    assert "container-waits-for-containerd" in files["explained.txt"]
    assert files["dumps/2-goroutine-stacks-x.log"] == text_of(STUCK[0])
    assert '"MYSQL_PASSWORD=***"' in files[f"containers/{'ab' * 6}-config.v2.json"]
    assert files["dockerd.log"] == "its last word"
    assert not [name for name in files if ".service" in name or ".socket" in name]
    assert "info.json" in ran.err
    assert "1 x environment: MYSQL_PASSWORD" in files["README.txt"]
    assert not list(tmp_path.glob(".*tar*"))


def test_a_bundle_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    ran = dockerdoctor("bundle", "-o", str(tmp_path / "no" / "x.tar.gz"), config=config)
    assert (ran.code, ran.out) == (73, "")
    assert "cannot be written" in ran.err
    assert dockerdoctor("bundle", "--max-size", "many", config=config).code == 64
