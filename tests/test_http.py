"""One question, one answer, one deadline: against real sockets that do everything wrong."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerdoctor.errors import Exit, HostFault
from dockerdoctor.host.address import Address
from dockerdoctor.host.http import Stream, ask, asks, ping
from dockerdoctor.model import Fault
from tests.sockets import LONG_S, answer, request, saying, served

SOON_S = 0.3
NOBODY = 65534


def fault_of(address: Address, timeout_s: float = LONG_S) -> HostFault:
    with pytest.raises(HostFault) as caught:
        ping(address, timeout_s)
    assert caught.value.sentence
    assert caught.value.hint
    return caught.value


def test_a_daemon_that_answers_is_alive_and_tells_its_version(tmp_path: Path) -> None:
    with served(tmp_path, saying(answer(b"OK"))) as address:
        pong = ping(address, LONG_S)
    assert (pong.status, pong.api_version) == (200, "1.41")
    assert 0 < pong.latency_s < LONG_S


TOO_OLD = b"client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade"


@pytest.mark.parametrize(
    "head",
    [
        b"Api-Version: 1.41\r\nContent-Type: text/plain\r\nServer: Docker/20.10.24 (linux)",
        b"Api-Version: 1.45\r\nContent-Type: application/json\r\nServer: Docker/26.1.5 (linux)",
        b"Api-Version: 1.51\r\nContent-Type: text/plain\r\nServer: Docker/28.5.2 (linux)",
    ],
)
def test_a_daemon_that_finds_us_too_old_is_alive(tmp_path: Path, head: bytes) -> None:
    length = b"Content-Length: %d" % len(TOO_OLD)
    whole = b"\r\n".join([b"HTTP/1.1 400 Bad Request", head, length, b"", TOO_OLD])
    with served(tmp_path, saying(whole)) as address:
        assert ping(address, LONG_S).status == 400


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "404 Not Found", "500 Internal Server Error"]
)
def test_an_error_that_the_daemon_words_proves_life(tmp_path: Path, status: str) -> None:
    with served(tmp_path, saying(answer(b'{"message":"too old"}', status, head=""))) as address:
        assert ping(address, LONG_S).status == int(status[:3])


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable"])
def test_a_service_that_is_not_available_is_no_answer(tmp_path: Path, status: str) -> None:
    with served(tmp_path, saying(answer(b"<html>", status))) as address:
        assert fault_of(address).fault is Fault.REFUSED


def test_silence_ends_at_the_deadline(tmp_path: Path) -> None:
    done = threading.Event()
    with served(tmp_path, lambda _: done.wait(LONG_S)) as address:
        assert fault_of(address, SOON_S).fault is Fault.TIMEOUT
    done.set()


def test_dripping_does_not_stretch_the_deadline(tmp_path: Path) -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        for byte in answer(b"OK" * 1000):
            connection.sendall(bytes([byte]))
            if stop.wait(0.2):
                return

    with served(tmp_path, drip) as address:
        began = time.monotonic()
        assert fault_of(address, 1.0).fault is Fault.TIMEOUT
        assert time.monotonic() - began < 40  # the whole answer would have dripped for 400 s
        stop.set()


def test_a_full_backlog_is_a_daemon_that_hangs(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    waiting: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        while True:
            client = socket.socket(socket.AF_UNIX)
            waiting.append(client)
            client.setblocking(False)
            try:
                client.connect(str(path))
            except BlockingIOError:
                break
        assert fault_of(Address("unix", path=str(path)), SOON_S).fault is Fault.TIMEOUT
        for client in waiting:
            client.close()


@pytest.mark.parametrize("head", ["", "Server: nginx\r\n"])
@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "302 Found"])
def test_a_page_of_something_else_is_garbled(tmp_path: Path, status: str, head: str) -> None:
    with served(tmp_path, saying(answer(b"<html>hello</html>", status, head))) as address:
        fault = fault_of(address)
    assert fault.fault is Fault.GARBLED
    assert "something else" in fault.sentence


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nOK",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nOK",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nOK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 9000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\nOK\r\n",
    ],
)
def test_what_is_not_http_is_garbled(tmp_path: Path, data: bytes) -> None:
    with served(tmp_path, saying(data)) as address:
        assert fault_of(address).fault is Fault.GARBLED


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhalf",
    ],
)
def test_half_an_answer_is_garbled_and_none_at_all_is_refused(tmp_path: Path, data: bytes) -> None:
    with served(tmp_path, saying(data)) as address:
        assert fault_of(address).fault is Fault.GARBLED
    (tmp_path / "none").mkdir()
    with served(tmp_path / "none", saying(b"")) as address:
        assert fault_of(address).fault is Fault.REFUSED


def test_an_endless_answer_is_garbled(tmp_path: Path) -> None:
    def pour(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with (
        served(tmp_path, pour) as address,
        pytest.raises(HostFault, match="more than 1 MiB") as caught,
    ):
        ask(address, "GET", "/", LONG_S, max_body=1 << 20)
    assert caught.value.fault is Fault.GARBLED


def test_bodies_come_whole_however_they_are_sent(tmp_path: Path) -> None:
    bodies = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"
        b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
    ]
    for data in bodies:
        for step in (1, 7, len(data)):
            pieces = iter([data[i : i + step] for i in range(0, len(data), step)])
            stream = Stream(lambda pieces=pieces: next(pieces, b""), Address("unix"))  # type: ignore[misc]
            assert b"".join(stream.body(stream.head(), 100)) == b"hello"


def test_there_is_no_body_where_http_says_so(tmp_path: Path) -> None:
    with served(tmp_path, saying(b"HTTP/1.1 204 No Content\r\n\r\n")) as address:
        assert ask(address, "POST", "/containers/a/start", LONG_S).body == b""


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 "]))
def test_no_bytes_raise_anything_but_a_host_fault(noise: bytes, head: bytes) -> None:
    pieces = iter([head + noise])
    stream = Stream(lambda: next(pieces, b""), Address("unix"))
    try:
        stream.body(stream.head(), 200)
    except HostFault as fault:
        assert fault.fault in (Fault.GARBLED, Fault.REFUSED)


def test_no_socket_is_missing(tmp_path: Path) -> None:
    assert fault_of(Address("unix", path=str(tmp_path / "none"))).fault is Fault.MISSING
    (tmp_path / "file").touch()
    assert fault_of(Address("unix", path=str(tmp_path / "file" / "x"))).fault is Fault.MISSING


def test_a_path_that_is_no_socket_is_garbled_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(tmp_path / "dgram"))
        for path in (tmp_path / "file", tmp_path / "fifo", tmp_path, tmp_path / "dgram"):
            fault = fault_of(Address("unix", path=str(path)))
            assert fault.fault is Fault.GARBLED
            assert "not a socket" in fault.sentence


def test_a_socket_that_nobody_listens_on_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / "d.sock"))
    fault = fault_of(Address("unix", path=str(tmp_path / "d.sock")))
    assert fault.fault is Fault.REFUSED
    assert "nobody listens" in fault.sentence


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root may open everything: give that up for one test."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    yield
    if was_root:
        os.seteuid(0)


def test_no_permission_says_what_to_do(tmp_path: Path, unprivileged: None) -> None:
    path = tmp_path / "d.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        if os.geteuid() != NOBODY:
            listener.bind(str(path))
            listener.listen()
            path.chmod(0)
        fault = fault_of(Address("unix", path=str(path)))
    assert fault.fault is Fault.DENIED
    assert fault.exit is Exit.PERMISSION
    assert "group docker" in fault.hint


def test_a_closed_port_is_refused() -> None:
    with socket.socket() as sock:  # taken, so that nobody else comes to listen on it meanwhile
        sock.bind(("127.0.0.1", 0))
        address = Address("tcp", host="127.0.0.1", port=int(sock.getsockname()[1]))
        assert fault_of(address).fault is Fault.REFUSED


def test_a_name_that_no_server_knows_is_missing() -> None:
    fault = fault_of(Address("tcp", host="no..such..host", port=1))
    assert fault.fault is Fault.MISSING


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"
COUNTED = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\ntwo"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nthree"


def test_many_questions_share_a_connection_for_as_long_as_the_daemon_keeps_it(
    tmp_path: Path,
) -> None:
    connections: list[list[str]] = []

    def answering(connection: socket.socket) -> None:
        connections.append([])
        for say in (CHUNKED, COUNTED, LAST):
            connections[-1].append(request(connection)[1])
            for byte in say:  # the end of the chunks comes when the next answer is waited for
                connection.sendall(bytes([byte]))

    targets = [f"/{number}" for number in range(5)]
    with served(tmp_path, answering) as address:
        told = [(each.head.status, each.body) for each in asks(address, targets, LONG_S)]
    assert told == [(200, b"one"), (404, b"two"), (200, b"three"), (200, b"one"), (404, b"two")]
    assert connections == [["/0", "/1", "/2"], ["/3", "/4"]]


def test_the_first_of_many_that_is_late_ends_them(tmp_path: Path) -> None:
    go_on = threading.Event()

    def answering(connection: socket.socket) -> None:
        while request(connection)[1] != "/late":
            connection.sendall(COUNTED)
        go_on.wait(LONG_S)

    with served(tmp_path, answering) as address:
        answers = asks(address, ["/0", "/late", "/2"], SOON_S)
        assert next(answers).body == b"two"
        with pytest.raises(HostFault) as caught:
            next(answers)
        go_on.set()
    assert caught.value.fault is Fault.TIMEOUT


def test_nobody_is_asked_when_there_is_nothing_to_ask(tmp_path: Path) -> None:
    assert list(asks(Address("unix", path=str(tmp_path / "none")), [], LONG_S)) == []
