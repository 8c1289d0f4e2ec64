"""The event stream over a real socket: breaks, gaps, rubbish, and what is made good afterwards."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from dockerdoctor.host.address import Address
from dockerdoctor.host.events import EventWatch
from dockerdoctor.host.nouns import EventTally
from tests.fakehost import FakeHost
from tests.sockets import LONG_S, Answering, answer, eventually, request, served
from tests.test_tally import ENGINES, recorded
from tests.values import PROBES

STREAM = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(line: bytes) -> bytes:
    return b"%x\r\n%s\n\r\n" % (len(line) + 1, line)


def event(action: str, ident: str, at: float | None = None) -> bytes:
    nano = int((time.time() if at is None else at) * 1e9)
    actor = {"ID": ident, "Attributes": {"name": f"name-{ident}"}}
    return json.dumps(
        {"Type": "container", "Action": action, "Actor": actor, "timeNano": nano}
    ).encode()


class Script:
    """Plays a daemon's part on a socket: each stream that is opened gets the next of `streams`."""

    def __init__(self, *streams: Answering) -> None:
        self.streams = list(streams)
        self.targets: list[str] = []
        self.listed: list[dict[str, object]] = []
        self.lists = 0
        self.errors: dict[str, str] = {}

    def __call__(self, connection: socket.socket) -> None:
        _, target = request(connection)
        path = urlsplit(target).path
        if path == "/events":
            self.targets.append(target)
            self.streams.pop(0)(connection)
        elif path == "/containers/json":
            self.lists += 1
            connection.sendall(answer(json.dumps(self.listed).encode()))
        else:
            error = self.errors.get(path.split("/")[2], "")
            state = {"Status": "created", "Pid": 0, "Error": error}
            connection.sendall(answer(json.dumps({"Id": "x", "State": state}).encode()))


def sending(
    *lines: bytes, until: threading.Event | None = None
) -> Callable[[socket.socket], object]:
    """Sends these events, then holds the stream open until told, else ends it."""

    def stream(connection: socket.socket) -> None:
        connection.sendall(STREAM + b"".join(chunk(line) for line in lines))
        if until is not None:
            until.wait(LONG_S * 2)

    return stream


@contextmanager
def watched(address: Address) -> Iterator[Callable[[], EventTally]]:
    watch = EventWatch(address)
    try:
        yield watch.tally
    finally:
        watch.stop()


@pytest.fixture
def end() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_recorded_engine_is_told_as_it_was(
    tmp_path: Path, engine: str, end: threading.Event
) -> None:
    lines = [json.loads(line) for line in recorded(engine)]
    shift = time.time_ns() - 20_000_000_000 - lines[0]["timeNano"]
    errors = {"badcmd", "sharedbad", "badmount"}
    script = Script()
    for line in lines:
        line["timeNano"] += shift
        if line["Actor"]["Attributes"].get("name") in errors:
            script.errors[line["Actor"]["ID"]] = "no such file"
        if line["Type"] == "container":
            script.listed.append({"Id": line["Actor"]["ID"], "State": "exited"})
    # What the asking must still find alive is not removed yet.
    lines = [line for line in lines if line["Action"] != "destroy" or "badrm" in json.dumps(line)]
    script.streams = [sending(*(json.dumps(line).encode() for line in lines), until=end)]
    with served(tmp_path, script) as address, watched(address) as tally:
        eventually(lambda: tally().failed_starts_total == 5)
        told = tally()
    assert told.alive
    assert (told.events_total, told.starts_total, told.gaps_total) == (len(lines), 11, 0)
    assert told.fault == ""


def test_a_break_is_a_gap_and_nothing_is_lost_or_told_twice(
    tmp_path: Path, end: threading.Event
) -> None:
    before = [event(action, "a") for action in ("create", "start")]
    missed = [event("create", "b"), event("start", "b")]
    script = Script(sending(*before), sending(*before, *missed, until=end))
    with served(tmp_path, script) as address, watched(address) as tally:
        eventually(lambda: tally().events_total >= 4 and tally().alive)
        told = tally()
    assert (told.events_total, told.starts_total, told.gaps_total) == (4, 2, 1)
    last = json.loads(before[-1])["timeNano"]
    since = parse_qs(urlsplit(script.targets[1]).query)["since"][0]
    assert since == f"{last // 10**9}.{last % 10**9:09d}"
    assert "since" not in script.targets[0]


def test_a_list_after_the_gap_finds_what_no_event_told(
    tmp_path: Path, end: threading.Event
) -> None:
    again = threading.Event()
    script = Script(sending(event("create", "a"), event("start", "a"), until=again))
    script.streams.append(sending(until=end))
    script.listed = [{"Id": "a", "Names": ["/a"], "State": "running"}]
    with served(tmp_path, script) as address, watched(address) as tally:
        eventually(lambda: tally().starts_total == 1 and script.lists == 1)
        script.listed = [
            {"Id": "a", "Names": ["/a"], "State": "exited"},
            {"Id": "b", "Names": None, "State": "running"},
        ]
        again.set()
        eventually(lambda: tally().reconciled_total == 2)
        assert tally().gaps_total == 1


def test_a_daemon_that_comes_later_is_found_and_until_then_said(
    tmp_path: Path, end: threading.Event
) -> None:
    address = Address("unix", path=str(tmp_path / "d.sock"))
    with watched(address) as tally:
        eventually(lambda: "no socket" in tally().fault)
        assert not tally().alive
        with served(tmp_path, Script(sending(event("start", "a"), until=end))):
            eventually(lambda: tally().alive and tally().events_total == 1)
            assert (tally().fault, tally().gaps_total) == ("", 0)


def test_rubbish_in_the_stream_is_skipped_and_counted(tmp_path: Path, end: threading.Event) -> None:
    rubbish = [b"{", b"\x00\xff", b"x" * 1_000_000, event("start", "b", at=1.0), b'{"Type":1}']
    lines = [event("start", "a"), *rubbish, event("start", "c")]
    script = Script(sending(*lines, until=end))
    with served(tmp_path, script) as address:
        watch = EventWatch(address)
        eventually(lambda: watch.tally().events_total == 2)
        assert watch.garbled_total() == len(rubbish)
        assert watch.tally().alive
        watch.stop()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"SSH-2.0\r\n", "something else"),
        (answer(b"<html>", "502 Bad Gateway"), "something else"),
        (answer(b'{"message":"not for you"}', "403 Forbidden"), "not for you"),
        (b"", "closed the connection"),
    ],
)
def test_what_is_no_stream_is_said_and_tried_again(
    tmp_path: Path, said: bytes, sentence: str, end: threading.Event
) -> None:
    script = Script(lambda c: c.sendall(said), lambda c: c.sendall(said), sending(until=end))
    with served(tmp_path, script) as address, watched(address) as tally:
        eventually(lambda: sentence in tally().fault)
        eventually(lambda: tally().alive)


def test_a_stream_that_breaks_at_once_is_not_opened_in_a_busy_loop(tmp_path: Path) -> None:
    opened: list[float] = []

    def stream(connection: socket.socket) -> None:
        opened.append(time.monotonic())
        connection.sendall(STREAM)

    with served(tmp_path, Script(*[stream] * 1000)) as address, watched(address) as tally:
        tally()
        eventually(lambda: len(opened) >= 4)
    assert opened[3] - opened[0] > 0.3  # 0.1, 0.2, 0.4 s, and jitter


def test_stopping_ends_the_threads(tmp_path: Path, end: threading.Event) -> None:
    with served(tmp_path, Script(sending(event("start", "a"), until=end))) as address:
        watch = EventWatch(address)
        eventually(lambda: watch.tally().alive)
        watch.stop()
        eventually(lambda: not any(thread.is_alive() for thread in watch._threads))
        assert not watch.tally().alive


def test_making_one_neither_connects_nor_starts_a_thread() -> None:
    before = threading.active_count()
    EventWatch(Address("unix", path="/nowhere"))
    assert threading.active_count() == before


def test_why_the_stream_is_not_there_is_a_reading(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.tally = replace(host.tally, alive=False, fault="there is no socket")
    assert PROBES["events"].run(host)["why"] == "there is no socket"
