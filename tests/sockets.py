"""Real sockets that misbehave on purpose: bad input for the tests, not a stand-in for dockerd."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dockerdoctor.host.address import Address

LONG_S = 60.0
"""How long a test waits for what must happen; far more than even a starved machine needs."""
DOCKER_HEAD = "Api-Version: 1.41\r\nServer: Docker/20.10.24 (linux)\r\nOstype: linux\r\n"

Answering = Callable[[socket.socket], object]


@contextlib.contextmanager
def served(directory: Path, answering: Answering) -> Iterator[Address]:
    """A socket in `directory`; each connection goes to `answering` in a thread, then it closes."""
    path = directory / "d.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(64)
    open_now: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            answering(connection)
            _hang_up(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_now.append(connection)
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield Address("unix", path=str(path))
    finally:
        path.unlink(missing_ok=True)
        for sock in (listener, *open_now):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        accepting.join(LONG_S)  # else it may accept on the next test's, which gets the same number
        listener.close()


def _hang_up(connection: socket.socket) -> None:
    """End our side and read the other's to its end: to close on what is unread is a reset, and the
    answer is lost with it."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(LONG_S)
    while connection.recv(65536):
        pass


def request(connection: socket.socket) -> tuple[str, str]:
    """Read one request's head (and the body it announces); its method and target."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError
        data += piece
    method, target, _ = data.split(b"\r\n", 1)[0].decode().split(" ")
    return method, target


def answer(body: bytes, status: str = "200 OK", head: str = DOCKER_HEAD) -> bytes:
    """An answer as dockerd words it."""
    return (
        f"HTTP/1.1 {status}\r\n{head}Content-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def saying(data: bytes) -> Answering:
    """Answers every request with the same bytes."""

    def answering(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(data)

    return answering


def eventually(holds: Callable[[], object], within_s: float = LONG_S) -> None:
    """Wait until `holds()` is true; AssertionError when it is not within `within_s`."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
