"""Each command that looks, on a host without systemd whose real dockerd is well: none calls it
sick, none shows a traceback, and all that is JSON is whole."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.baredaemon import PATIENCE_S, BareDaemon, bare_daemon, require_engine
from tests.clirun import dockerdoctor
from tests.sockets import eventually

CONFIG = """\
{known}[watch]
state_dir = "{here}/state"
run_dir = "{here}/run"
[metrics]
listen = ""
"""
KNOWN = """\
[daemon]
host = "unix://{socket}"
pidfile = "{pidfile}"
"""
VERDICTS = ("check", "diagnose", "top --once")
LOOKS = (
    "check",
    "diagnose",
    "top --once",
    "probes run api",
    "heal --plan",
    "disk show",
    "disk reclaim --to 1%",
    "disk logs --for 0 --all",
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareDaemon]:
    require_engine()
    with bare_daemon(tmp_path_factory.mktemp("b", numbered=True)) as running:
        eventually(lambda: dockerdoctor("check", *at(running)).code in (0, 1), PATIENCE_S)
        yield running


def at(daemon: BareDaemon) -> tuple[str, str]:
    return "-H", f"unix://{daemon.socket}"


def config(daemon: BareDaemon, here: Path, known: bool) -> Path:
    """With the daemon's pid file in it, or with nothing but places for what we write."""
    told = KNOWN.format(socket=daemon.socket, pidfile=daemon.pidfile) if known else ""
    path = here / "dockerdoctor.toml"
    path.write_text(CONFIG.format(known=told, here=here))
    return path


@pytest.mark.parametrize("look", LOOKS)
def test_who_names_its_pid_file_is_told_that_it_is_well(
    daemon: BareDaemon, tmp_path: Path, look: str
) -> None:
    file = config(daemon, tmp_path, known=True)
    told = dockerdoctor(*look.split(), config=file)
    assert told.code in (0, 1), told.out + told.err
    assert "CRITICAL:" not in told.out + told.err
    inside = dockerdoctor(*look.split(), "--json", config=file)
    assert inside.code in (0, 1), inside.err
    assert json.loads(inside.out)["schema_version"]


@pytest.mark.parametrize("look", VERDICTS)
def test_who_only_names_its_socket_is_told_that_it_is_well(
    daemon: BareDaemon, tmp_path: Path, look: str
) -> None:
    file = config(daemon, tmp_path, known=False)
    told = dockerdoctor(*look.split(), *at(daemon), config=file)
    assert told.code in (0, 1), told.out + told.err
    assert "CRITICAL:" not in told.out + told.err


def test_what_gathers_everything_has_the_daemons_log_and_answers(
    daemon: BareDaemon, tmp_path: Path
) -> None:
    file = config(daemon, tmp_path, known=True)
    told = dockerdoctor("bundle", "--output", str(tmp_path / "bundle.tar.gz"), config=file)
    assert told.code == 0, told.out + told.err
    with tarfile.open(tmp_path / "bundle.tar.gz") as bundle:
        parts = {Path(name).name for name in bundle.getnames()}
    assert {"check.json", "info.json", "dockerd.log"} <= parts
