"""The HTTP server of the metrics endpoint, which nobody can block by being slow or silent.

One thread reads and writes all connections without blocking, TLS handshakes included, and closes
those that take longer than CLIENT_S; at most WORKERS more threads make the answers, and see only
requests that are complete. (The client library's own server waits for a TLS handshake in its one
accept loop, and grows a thread for every silent client.)
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import TypeAlias

from msgspec import Struct, field

from dockerdoctor.errors import HostFault
from dockerdoctor.model import Fault

CLIENT_S = 3.0
"""How long a client may take for its request, and again to take the answer."""
WORKERS = 8
CLIENTS = 512
"""The most connections at once; one more, and the one that is silent for the longest goes."""
HEAD_LIMIT = 16 * 1024
"""Bytes of a request's head; what is longer is cut there, and refused as garbled."""

Answer: TypeAlias = Callable[[bytes], bytes]
"""A request's head in, the whole response out. May take its time; may be called in parallel."""


class _Phase(Enum):
    HANDSHAKE = auto()
    REQUEST = auto()
    ANSWER = auto()
    RESPONSE = auto()


class _Client(Struct, eq=False):
    socket: socket.socket
    until: float
    phase: _Phase = _Phase.REQUEST
    head: bytearray = field(default_factory=bytearray)
    response: memoryview = field(default_factory=lambda: memoryview(b""))


class Server:
    """A running server. `address` is where it listens; `stop` ends it and all its connections."""

    def __init__(
        self,
        listener: socket.socket,
        answer: Answer,
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
        client_s: float = CLIENT_S,
    ) -> None:
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._listener = listener
        self._answer = answer
        self._tls = tls
        self._client_s = client_s
        self._clients: dict[_Client, None] = {}
        self._selector = selectors.DefaultSelector()
        self._work: queue.SimpleQueue[_Client | None] = queue.SimpleQueue()
        self._answered: deque[_Client] = deque()
        self._answering = 0
        self._workers: list[threading.Thread] = []
        self._waker, self._woken = socket.socketpair()
        self._stopping = False
        for each in (self._listener, self._waker, self._woken):
            each.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, close what is open, and wait for the thread (not for a slow answer)."""
        self._stopping = True
        self._wake()
        self._thread.join(10)

    def _run(self) -> None:
        try:
            while not self._stopping:
                for key, _ in self._selector.select(self._patience()):
                    self._serve(key)
                self._expire()
        finally:
            for client in list(self._clients):
                self._drop(client)
            for _ in self._workers:
                self._work.put(None)
            self._selector.close()
            for each in (self._listener, self._waker, self._woken):
                each.close()

    def _serve(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif key.fileobj is self._woken:
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(4096)
            while self._answered:
                self._begin_response(self._answered.popleft())
        elif key.data in self._clients:
            self._advance(key.data)

    def _accept(self) -> None:
        for _ in range(CLIENTS):
            try:
                sock, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:  # out of file descriptors: the longest silent one gives its own
                self._drop_oldest()
                return
            if len(self._clients) >= CLIENTS:
                self._drop_oldest()
            sock.setblocking(False)
            self._welcome(sock)

    def _welcome(self, sock: socket.socket) -> None:
        client = _Client(sock, time.monotonic() + self._client_s)
        context = self._tls()
        if context is not None:
            client.phase = _Phase.HANDSHAKE
            client.socket = context.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
        self._clients[client] = None
        self._selector.register(client.socket, selectors.EVENT_READ, client)

    def _advance(self, client: _Client) -> None:
        """Go on until the client would block, is to be answered, or is done."""
        try:
            while client in self._clients and client.phase is not _Phase.ANSWER:
                self._step(client)
        except ssl.SSLWantReadError:
            self._selector.modify(client.socket, selectors.EVENT_READ, client)
        except ssl.SSLWantWriteError:
            self._selector.modify(client.socket, selectors.EVENT_WRITE, client)
        except BlockingIOError:
            pass
        except (OSError, ValueError):  # gone, or no TLS
            self._drop(client)

    def _step(self, client: _Client) -> None:
        match client.phase:
            case _Phase.HANDSHAKE:
                if isinstance(client.socket, ssl.SSLSocket):
                    client.socket.do_handshake()
                client.phase = _Phase.REQUEST
            case _Phase.REQUEST:
                chunk = client.socket.recv(HEAD_LIMIT)
                client.head += chunk
                if not chunk:
                    self._drop(client)
                elif b"\r\n\r\n" in client.head or len(client.head) > HEAD_LIMIT:
                    self._hand_over(client)
            case _Phase.RESPONSE:
                client.response = client.response[client.socket.send(client.response) :]
                if not client.response:
                    self._drop(client)

    def _hand_over(self, client: _Client) -> None:
        client.phase = _Phase.ANSWER
        self._selector.unregister(client.socket)
        self._answering += 1
        if self._answering > len(self._workers) < WORKERS:
            worker = threading.Thread(target=self._make_answers, name="web-answer", daemon=True)
            self._workers.append(worker)
            worker.start()
        self._work.put(client)

    def _make_answers(self) -> None:
        while (client := self._work.get()) is not None:
            head = bytes(client.head[:HEAD_LIMIT]).partition(b"\r\n\r\n")[0]
            client.response = memoryview(self._answer(head))
            self._answered.append(client)
            self._wake()

    def _begin_response(self, client: _Client) -> None:
        self._answering -= 1
        client.phase = _Phase.RESPONSE
        client.until = time.monotonic() + self._client_s
        self._selector.register(client.socket, selectors.EVENT_WRITE, client)
        self._advance(client)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake already; closed: it has ended
            self._waker.send(b"!")

    def _patience(self) -> float | None:
        """Seconds until the next client has taken too long; None: nobody is waited for."""
        ends = [each.until for each in self._clients if each.phase is not _Phase.ANSWER]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _expire(self) -> None:
        now = time.monotonic()
        for client in list(self._clients):
            if client.phase is not _Phase.ANSWER and client.until <= now:
                self._drop(client)

    def _drop_oldest(self) -> None:
        silent = [each for each in self._clients if each.phase is not _Phase.ANSWER]
        if silent:
            self._drop(min(silent, key=lambda each: each.until))

    def _drop(self, client: _Client) -> None:
        del self._clients[client]
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.socket)
        with contextlib.suppress(OSError, ValueError):
            if isinstance(client.socket, ssl.SSLSocket) and client.phase is _Phase.RESPONSE:
                client.socket.unwrap()  # says goodbye; the other side's is not waited for
        client.socket.close()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; an empty host means every address of this machine. Raises HostFault."""
    place = f"{f'[{host}]' if ':' in host else host}:{port}"
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=CLIENTS
            )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=CLIENTS)
    except OSError as error:
        fault = Fault.DENIED if isinstance(error, PermissionError) else Fault.REFUSED
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise HostFault(
            fault,
            f"metrics cannot be served at {place}: {why}",
            "choose another address with `listen` in [metrics]; is another watchdog running?",
        ) from error
