"""Sockets that are no docker daemon: silent, dripping, deaf, a web server, something else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

Answer = Callable[[socket.socket, threading.Event], None]


@contextlib.contextmanager
def serving(path: Path, answer: Answer) -> Iterator[None]:
    """A server on a unix socket; each client gets `answer` in a thread of its own."""
    over = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        thread = threading.Thread(target=_accept, args=(listener, answer, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def silent(client: socket.socket, over: threading.Event) -> None:
    """Accepts, and says nothing."""
    over.wait()


def dripping(client: socket.socket, over: threading.Event) -> None:
    """A byte each 0.2 s: a time-out for each read would never end."""
    client.recv(4096)
    for byte in b"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\n" + b"X-Slow: yes\r\n" * 1000:
        with contextlib.suppress(OSError):
            client.send(bytes([byte]))
        if over.wait(0.2):
            return


def says(data: bytes) -> Answer:
    """Answers that, and closes."""

    def answer(client: socket.socket, over: threading.Event) -> None:
        client.recv(4096)
        client.sendall(data)

    return answer


def http(status: str, kind: str, body: str) -> Answer:
    """A web server."""
    return says(
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n{body}".encode()
    )


def _accept(listener: socket.socket, answer: Answer, over: threading.Event) -> None:
    while not over.is_set():
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, answer, over), daemon=True).start()


def _serve(client: socket.socket, answer: Answer, over: threading.Event) -> None:
    with client, contextlib.suppress(OSError):
        answer(client, over)
