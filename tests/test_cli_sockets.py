"""`check` on sockets that are bad: a sentence, a hint and the right exit code, in time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.badsockets import Answer, dripping, http, says, serving, silent
from tests.clirun import Ran, dockerdoctor, write_config

HTML = "<html><body><h1>Welcome to the proxy</h1></body></html>"
IN_TIME_S = 60.0
"""The promise is 10 s on a machine that is not loaded as this one may be."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path / "c")


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory whose name leaves room for a socket's."""
    yield tmp_path_factory.mktemp("s")


def check(config: Path, address: str, *words: str) -> Ran:
    began = time.monotonic()
    ran = dockerdoctor("check", "-H", address, *words, config=config)
    assert time.monotonic() - began < IN_TIME_S
    return ran


def test_no_socket_is_critical(config: Path, short: Path) -> None:
    ran = check(config, f"unix://{short}/none.sock")
    assert ran.code == 2
    assert ran.out.startswith(f"CRITICAL: there is no socket {short}/none.sock\n")
    assert "is docker installed and started here?" in ran.out


def test_a_socket_that_nobody_serves_is_critical(config: Path, short: Path) -> None:
    with serving(short / "d.sock", silent):
        pass
    ran = check(config, f"unix://{short}/d.sock")
    assert ran.code == 2
    assert "ping.why = refused" in ran.out


@pytest.mark.parametrize("answer", [silent, dripping])
def test_a_daemon_that_is_silent_or_drips_is_critical_in_time(
    config: Path, short: Path, answer: Answer
) -> None:
    with serving(short / "d.sock", answer):
        ran = check(config, f"unix://{short}/d.sock")
    assert ran.code == 2
    assert ran.out.startswith("CRITICAL: ")
    assert "ping.why = timeout" in ran.out


@pytest.mark.parametrize(
    "answer",
    [
        http("200 OK", "text/html", HTML),
        http("404 Not Found", "text/html", HTML),
        says(b"SSH-2.0-OpenSSH_9.2\r\n"),
        says(b"\x00\x01\x02\x1b[31mred"),
    ],
)
def test_what_is_no_docker_daemon_is_unknown(config: Path, short: Path, answer: Answer) -> None:
    with serving(short / "d.sock", answer):
        ran = check(config, f"unix://{short}/d.sock")
    assert ran.code == 3
    assert ran.out.startswith("UNKNOWN: something else than a docker daemon answers on unix://")
    assert "is this the daemon's address?" in ran.out


def test_a_proxy_that_has_no_daemon_behind_it_is_critical(config: Path, short: Path) -> None:
    with serving(short / "d.sock", http("503 Service Unavailable", "text/html", HTML)):
        ran = check(config, f"unix://{short}/d.sock")
    assert ran.code == 2


def test_another_daemon_is_looked_at_whatever_the_unit_of_the_configuration_is(
    tmp_path: Path, short: Path
) -> None:
    config = tmp_path / "systemd.toml"  # its daemon is docker.service, which is not here, or down
    config.write_text(
        f'[daemon]\nunit = "no-such.service"\nsocket_unit = "no-such.socket"\n'
        f'[watch]\nstate_dir = "{tmp_path}/state"\nrun_dir = "{tmp_path}/run"\n'
    )
    with serving(short / "d.sock", http("200 OK", "text/plain", "OK")):
        ran = check(config, f"unix://{short}/d.sock")
    assert ran.out.startswith("UNKNOWN: something else than a docker daemon answers")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_socket_without_permission_is_unknown(config: Path, short: Path) -> None:
    with serving(short / "d.sock", silent):
        (short / "d.sock").chmod(0)
        ran = check(config, f"unix://{short}/d.sock")
    assert ran.code == 3
    assert "group docker" in ran.out


def test_a_file_that_is_no_socket_is_not_taken_for_a_daemon(config: Path, short: Path) -> None:
    (short / "d.sock").write_text("not a socket")
    ran = check(config, f"unix://{short}/d.sock")
    assert ran.code in (2, 3)
    assert len(ran.out.splitlines()[0]) < 200


def test_an_address_that_cannot_be_is_unknown_and_says_how_to_write_one(config: Path) -> None:
    for address in ("gopher://x", "unix://relative", "tcp://host:port"):
        ran = check(config, address)
        assert (ran.code, ran.out) == (3, "")
        assert "unix:///var/run/docker.sock or tcp://HOST:2376" in ran.err


def test_the_same_in_json_and_for_nagios(config: Path, short: Path) -> None:
    address = f"unix://{short}/none.sock"
    told = json.loads(check(config, address, "--json").out)
    assert told["state"] == "critical"
    assert told["findings"][0]["rule"] == "no-answer"
    ran = check(config, address, "-o", "nagios")
    assert ran.code == 2
    assert ran.out == f"DOCKERD CRITICAL - there is no socket {short}/none.sock\n"
