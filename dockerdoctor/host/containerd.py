"""Asks containerd itself, without ctr: one gRPC call of its version service over the socket.

Goes in: the socket and one deadline for the whole answer. Comes out: seconds. A gRPC call is an
HTTP/2 POST; this speaks just enough of it (RFC 9113, RFC 7541 without the tables' compression).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from pathlib import Path

from dockerdoctor.errors import HostFault
from dockerdoctor.host.faults import from_os
from dockerdoctor.model import Fault

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_ACK, _END_STREAM, _END_HEADERS = 0x1, 0x1, 0x4
_MAX_FRAME = 1 << 14
"""RFC 9113: nobody may send more before we allow it."""


def answers(path: Path, timeout_s: float) -> float:
    """Seconds until containerd told its version.

    HostFault: MISSING (no socket), DENIED, REFUSED (nobody listens, or the call was turned down),
    TIMEOUT (no whole answer in time: hung), GARBLED (not containerd)."""
    began = time.monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        talk = _Talk(link, began + timeout_s)
        try:
            talk.connect(path)
            talk.ask()
            talk.hear()
        except TimeoutError as error:
            raise HostFault(
                Fault.TIMEOUT, f"containerd did not answer within {timeout_s:g} s"
            ) from error
        except OSError as error:
            raise from_os(error, f"cannot ask containerd at {path}") from error
    return time.monotonic() - began


def request() -> bytes:
    """Everything a client says: preface, settings, the headers, an empty message."""
    headers = b"".join(
        (
            b"\x83",  # :method: POST
            b"\x86",  # :scheme: http
            _literal(b"\x04", b"/containerd.services.version.v1.Version/Version"),  # :path
            _literal(b"\x01", b"localhost"),  # :authority
            _literal(b"\x0f\x10", b"application/grpc"),  # content-type
            _literal(b"\x00" + _text(b"te"), b"trailers"),
        )
    )
    empty_message = struct.pack(">BI", 0, 0)
    return b"".join(
        (
            _PREFACE,
            frame(_SETTINGS, 0, 0, b""),
            frame(_HEADERS, _END_HEADERS, 1, headers),
            frame(_DATA, _END_STREAM, 1, empty_message),
        )
    )


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field without indexing; `name` is the encoded index or name."""
    return name + _text(value)


def _text(value: bytes) -> bytes:
    return bytes((len(value),)) + value  # all of ours are shorter than 127


class _Talk:
    """One connection and its deadline, which counts for all reads together."""

    def __init__(self, link: socket.socket, deadline: float) -> None:
        self._link = link
        self._deadline = deadline

    def connect(self, path: Path) -> None:
        self._limit()
        self._link.connect(str(path))

    def ask(self) -> None:
        self._limit()
        self._link.sendall(request())

    def hear(self) -> None:
        """Returns once a message of our stream has come."""
        while True:
            head = self._take(9)
            length = int.from_bytes(head[:3])
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            if length > _MAX_FRAME or kind > 9:
                raise _garbled()
            payload = self._take(length)
            if kind == _DATA and stream == 1 and len(payload) >= 5:
                return
            if kind in (_RESET, _GOAWAY) or (kind == _HEADERS and flags & _END_STREAM):
                raise HostFault(Fault.REFUSED, "containerd turned the version call down")
            if kind in (_SETTINGS, _PING) and not flags & _ACK:
                self._limit()
                with contextlib.suppress(ConnectionError):  # its answer may be here already
                    self._link.sendall(frame(kind, _ACK, 0, payload if kind == _PING else b""))

    def _take(self, count: int) -> bytes:
        taken = bytearray()
        while len(taken) < count:
            self._limit()
            chunk = self._link.recv(count - len(taken))
            if not chunk:
                raise (
                    _garbled()
                    if taken
                    else HostFault(Fault.REFUSED, "containerd hung up before it answered")
                )
            taken += chunk
        return bytes(taken)

    def _limit(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._link.settimeout(left)


def _garbled() -> HostFault:
    return HostFault(Fault.GARBLED, "what listens on containerd's socket does not speak gRPC")
