"""What is asked of a daemon to be done: removals, starts, and on which version of its API."""

from __future__ import annotations

import datetime
import json
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dockerdoctor.host.address import Address
from dockerdoctor.host.engine import Engine, agreed
from dockerdoctor.host.storage.facts import Kind, Removal
from dockerdoctor.model import Fault
from tests.sockets import LONG_S, Answering, answer, request, served
from tests.test_engine import fault_of


def routes(said: Mapping[str, bytes]) -> Answering:
    """Answers by the path's end; notes nothing, forgives nothing."""

    def answering(connection: socket.socket) -> None:
        method, target = request(connection)
        path = target.partition("?")[0]
        for end, data in said.items():
            if f"{method} {path}".endswith(end):
                connection.sendall(data)
                return
        connection.sendall(answer(b'{"message":"page not found"}', "404 Not Found"))

    return answering


@pytest.mark.parametrize(
    ("spoken", "oldest", "newest", "used"),
    [
        ("1.41", "1.12", "1.45", "1.41"),
        ("1.51", "1.24", "1.45", "1.45"),
        ("1.52", "1.47", "1.45", "1.47"),
        ("1.52", "", "1.45", "1.45"),
        ("1.9", "1.5", "1.45", "1.9"),
    ],
)
def test_the_version_is_one_that_both_sides_know(
    spoken: str, oldest: str, newest: str, used: str
) -> None:
    assert agreed(spoken, oldest, newest) == used


def acting(said: Mapping[str, bytes], version: str = "1.41") -> dict[str, bytes]:
    """What a daemon answers to the calls before the first act, and to these."""
    pong = answer(b"OK", head=f"Api-Version: {version}\r\n")
    return {"GET /_ping": pong, "GET /version": answer(b'{"MinAPIVersion":"1.24"}'), **said}


def stopped(ago_s: float, policy: str = "no", status: str = "exited") -> dict[str, object]:
    ended = datetime.datetime.fromtimestamp(time.time() - ago_s, datetime.UTC)
    finished = ended.strftime("%Y-%m-%dT%H:%M:%S.123456789Z") if ago_s else "0001-01-01T00:00:00Z"
    return {
        "Id": "x",
        "State": {"Status": status, "FinishedAt": finished},
        "HostConfig": {"RestartPolicy": {"Name": policy}},
    }


def test_only_containers_that_nobody_wants_back_are_removed(tmp_path: Path) -> None:
    inspected = {
        "long-gone": stopped(7200),
        "stopped-just-now": stopped(60),
        "wanted": stopped(7200, policy="always"),
        "runs-again": stopped(7200, status="running"),
        "never-ended": stopped(0),
        "busy": stopped(7200),
    }
    removed: list[str] = []

    def daemon(connection: socket.socket) -> None:
        method, target = request(connection)
        url = urlsplit(target)
        ident = url.path.split("/")[3] if url.path.count("/") > 2 else ""
        if method == "DELETE":
            removed.append(f"{ident}?{url.query}")
            said = b"HTTP/1.1 204 No Content\r\n\r\n"
            connection.sendall(
                answer(b'{"message":"it runs"}', "409 No") if ident == "busy" else said
            )
        elif target == "/_ping":
            connection.sendall(answer(b"OK"))
        else:
            connection.sendall(answer(json.dumps(inspected[ident]).encode()))

    before = time.time() - 3600
    with served(tmp_path, daemon) as address:
        engine = Engine(address)
        why = {
            name: engine.remove(Removal(Kind.CONTAINER, name, before), LONG_S) for name in inspected
        }
    assert why == {
        "long-gone": "",
        "stopped-just-now": "has run or was renamed since, or is wanted back",
        "wanted": "has run or was renamed since, or is wanted back",
        "runs-again": "has run or was renamed since, or is wanted back",
        "never-ended": "has run or was renamed since, or is wanted back",
        "busy": "is in use (it runs)",
    }
    assert removed == [
        "long-gone?v=False&link=False&force=False",
        "busy?v=False&link=False&force=False",
    ]


def test_an_action_on_a_daemon_that_is_not_there_says_so() -> None:
    engine = Engine(Address("unix", path="/nowhere/docker.sock"))
    assert fault_of(lambda: engine.start_container("web", LONG_S)).fault is Fault.MISSING


def test_a_start_goes_to_the_container_by_name(tmp_path: Path) -> None:
    said = acting({"POST /v1.41/containers/web/start": b"HTTP/1.1 204 No Content\r\n\r\n"})
    with served(tmp_path, routes(said)) as address:
        Engine(address).start_container("web", LONG_S)
        assert fault_of(lambda: Engine(address).start_container("x", LONG_S)).fault is Fault.MISSING


def test_an_action_that_hangs_or_breaks_off_is_a_fault(tmp_path: Path) -> None:
    go_on = threading.Event()

    def hang(connection: socket.socket) -> None:
        method, _ = request(connection)
        if method == "POST":
            go_on.wait(LONG_S)
            return
        connection.sendall(answer(b"OK"))

    with served(tmp_path, hang) as address:
        engine = Engine(address)
        assert fault_of(lambda: engine.start_container("a", 1)).fault is Fault.TIMEOUT
        go_on.set()
        assert fault_of(lambda: engine.start_container("b", LONG_S)).fault is Fault.REFUSED


def test_a_new_daemon_is_met_on_ground_that_both_know_and_asked_anew_when_told(
    tmp_path: Path,
) -> None:
    pings: list[str] = []
    version = "1.99"

    def note(connection: socket.socket) -> None:
        _, target = request(connection)
        pings.append(target)
        if target == "/_ping":
            connection.sendall(answer(b"OK", head=f"Api-Version: {version}\r\n"))
        elif target == "/version":
            connection.sendall(answer(b'{"MinAPIVersion":"1.98"}'))
        else:
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with served(tmp_path, note) as address:
        engine = Engine(address)
        for _ in range(2):
            engine.start_container("web", LONG_S)
        assert (pings.count("/_ping"), pings.count("/version")) == (1, 1)
        assert pings[-1].startswith("/v1.98/containers/web/start")
        engine.forget()
        version = "1.41"
        engine.start_container("web", LONG_S)
        assert pings[-1].startswith("/v1.41/")
