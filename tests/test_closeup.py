"""The closer look at this very machine: files, callers and programs, and nothing that hangs."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from dockerdoctor.errors import HostFault
from dockerdoctor.host.address import parse
from dockerdoctor.host.closeup import Closeup
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.host.pidfile import PidFileKeeper
from dockerdoctor.model import Fault


def asleep() -> None:
    raise HostFault(Fault.REFUSED, "to connect would start it")


@pytest.fixture
def lens(tmp_path: Path) -> Closeup:
    keeper = PidFileKeeper(tmp_path / "docker.pid", tmp_path)
    address = parse(f"unix://{tmp_path}/docker.sock")
    return Closeup(address, keeper, Lanes(), lambda: None)


def test_a_file_is_told_by_kind_owner_and_mode(lens: Closeup, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    path.chmod(0o640)
    seen = lens.entry(path)
    assert (seen.kind, seen.mode, seen.size) == ("file", 0o640, 5)
    assert seen.changed == path.stat().st_mtime
    assert lens.entry(tmp_path).kind == "directory"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert lens.entry(tmp_path / "s").kind == "socket"


def test_only_plain_files_are_read_and_no_more_than_asked(lens: Closeup, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert lens.content(path, 3) == b"123"
    os.mkfifo(tmp_path / "fifo")
    for wrong in (tmp_path / "fifo", tmp_path):
        with pytest.raises(HostFault) as told:
            lens.content(wrong)
        assert told.value.fault is Fault.REFUSED
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


@pytest.mark.parametrize("look", ["entry", "content", "names"])
def test_what_is_not_there_is_missing(lens: Closeup, tmp_path: Path, look: str) -> None:
    with pytest.raises(HostFault) as told:
        getattr(lens, look)(tmp_path / "nothing")
    assert told.value.fault is Fault.MISSING


def test_names_come_sorted(lens: Closeup, tmp_path: Path) -> None:
    inside = tmp_path / "d"
    inside.mkdir()
    for name in ("b", "a", "c"):
        (inside / name).touch()
    assert lens.names(inside) == ["a", "b", "c"]


def test_the_caller_is_the_one_who_runs_it(lens: Closeup) -> None:
    assert lens.caller().uid == os.geteuid()
    assert lens.caller().groups


def test_without_a_unit_the_words_are_those_of_the_process(lens: Closeup) -> None:
    assert lens.command() == []


def test_nobody_is_woken_by_a_closer_look(tmp_path: Path) -> None:
    keeper = PidFileKeeper(tmp_path / "docker.pid", tmp_path)
    lens = Closeup(parse(f"unix://{tmp_path}/docker.sock"), keeper, Lanes(), asleep)
    with pytest.raises(HostFault) as told:
        lens.networks(1.0)
    assert told.value.fault is Fault.REFUSED
