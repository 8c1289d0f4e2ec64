"""HTTP/1.1 for one question and one answer, with one deadline for all of it.

In: an Address, a method, a path and a time-out (s). Out: an `Answer`, or a HostFault: TIMEOUT,
MISSING, REFUSED, DENIED as `wire.explain` says; GARBLED for what is not HTTP, is cut short or too
large, or does not come from a docker daemon. `ping` is `GET /_ping` on top. No library: the docker
SDK counts its time-out per read (a dripping daemon held a 2 s ping for 19.5 s), takes a full
backlog for a dead daemon, and costs 20 MB.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from dockerdoctor.errors import HostFault
from dockerdoctor.host.address import Address
from dockerdoctor.host.nouns import Pong
from dockerdoctor.host.wire import Wire, broke_off
from dockerdoctor.model import Fault

MAX_HEAD = 1 << 16
MAX_BODY = 1 << 24
"""16 MiB: hundreds of times the largest honest answer but the container list's."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |$)")
_HEX = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?=;|\r)")
_DECIMAL = re.compile(r"[0-9]{1,18}")
_MAX_CHUNK_LINE = 1 << 12


class Head(Struct, frozen=True):
    """Status and headers of an answer; names in lower case."""

    status: int
    headers: Mapping[str, str]

    def lasts(self) -> bool:
        """Whether the connection can be used again after this answer."""
        told = self.headers.keys() & {"content-length", "transfer-encoding"}
        return bool(told) and self.headers.get("connection", "").lower() != "close"


class Answer(Struct, frozen=True):
    """A whole answer, and the seconds from the first connect to its last byte."""

    head: Head
    body: bytes
    took_s: float


def ask(
    address: Address,
    method: str,
    target: str,
    timeout_s: float,
    max_body: int = MAX_BODY,
    content: bytes | None = None,
    media: str = "application/json",
) -> Answer:
    """One request, with `content` of the type `media` if any, on a connection of its own. Any
    status is an answer."""
    began = time.monotonic()
    with Wire(address, timeout_s) as wire:
        wire.send(request_bytes(method, target, content, media))
        stream = Stream(wire.receive, address)
        head = stream.head()
        body = b"".join(stream.body(head, max_body)) if _has_body(method, head) else b""
    return Answer(head, body, time.monotonic() - began)


def asks(address: Address, targets: Sequence[str], timeout_s: float) -> Iterator[Answer]:
    """GET each of these, one after the other, `timeout_s` for each. Over one connection as long as
    the daemon keeps it, which costs both sides a third."""
    left = deque(targets)
    while left:
        with Wire(address, timeout_s) as wire:
            stream = Stream(wire.receive, address)
            lasts = True
            while left and lasts:
                began = time.monotonic()
                wire.extend(timeout_s)
                wire.send(request_bytes("GET", left.popleft(), lasts=bool(left)))
                head = stream.head()
                body = b"".join(stream.body(head, MAX_BODY))
                lasts = head.lasts()
                yield Answer(head, body, time.monotonic() - began)


def ping(address: Address, timeout_s: float) -> Pong:
    """`GET /_ping`: whether a docker daemon answers, whatever it says but 503.

    Raises HostFault: REFUSED for a 502 to 504, GARBLED when something else answers here."""
    answer = ask(address, "GET", "/_ping", timeout_s, max_body=MAX_HEAD)
    head = answer.head
    if head.status in (502, 503, 504):
        raise HostFault(
            Fault.REFUSED,
            f"{address} answers {head.status}: the service is not available",
            "the daemon, or the proxy in front of it, says it cannot serve now",
        )
    if head.status == 400 and answer.body.startswith(b"Client sent an HTTP request to an HTTPS"):
        raise HostFault(
            Fault.GARBLED, f"{address} wants TLS", "set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"
        )
    if not is_docker(answer):
        raise something_else(address)
    return Pong(head.status, answer.took_s, head.headers.get("api-version", ""))


def is_docker(answer: Answer) -> bool:
    """Whether a daemon said this: by its headers, or by an error as its API words them."""
    headers = answer.head.headers
    if "api-version" in headers or "ostype" in headers:
        return True
    if headers.get("server", "").startswith("Docker/"):
        return True
    return answer.head.status >= 400 and answer.body.lstrip().startswith(b'{"message"')


def something_else(address: Address) -> HostFault:
    """The fault of an answer that no docker daemon gives."""
    return HostFault(
        Fault.GARBLED,
        f"something else than a docker daemon answers on {address}",
        "check the address: a proxy or another service listens there",
    )


def request_bytes(
    method: str,
    target: str,
    content: bytes | None = None,
    media: str = "application/json",
    lasts: bool = False,
) -> bytes:
    """A request on the wire. Unless the connection `lasts`, the daemon is to forget us at once.

    It notices all the same when we hang up too soon: Go's server reads on while it works at a
    request, `close` or not (with content, once it has read that to its end). Whether it stops its
    work then is another matter: see CONTRIBUTING.md."""
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: docker\r\nUser-Agent: dockerdoctor\r\n"
        f"Accept: application/json\r\nConnection: {'keep-alive' if lasts else 'close'}\r\n"
    )
    if content is not None:
        head += f"Content-Type: {media}\r\nContent-Length: {len(content)}\r\n"
    return f"{head}\r\n".encode("ascii") + (content or b"")


class Stream:
    """Reads head and body piece by piece, for answers and for event streams alike. `receive`
    gives the next bytes, none at the end; `address` is for the sentences of faults."""

    def __init__(self, receive: Callable[[], bytes], address: Address) -> None:
        self._receive = receive
        self._address = address
        self._buffer = bytearray()
        self._heard = False

    def head(self) -> Head:
        """The status line and the headers."""
        self._skip_line_ends()
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD or not _may_be_http(self._buffer):
                raise something_else(self._address)
            self._more()
            self._skip_line_ends()
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        status = _STATUS.match(lines[0])
        if status is None:
            raise something_else(self._address)
        return Head(int(status[1]), _headers(lines[1:]))

    def body(self, head: Head, max_body: int) -> list[bytes]:
        """All pieces of the body. Raises GARBLED beyond `max_body` bytes."""
        pieces: list[bytes] = []
        total = 0
        for piece in self.pieces(head):
            total += len(piece)
            if total > max_body:
                raise HostFault(
                    Fault.GARBLED,
                    f"{self._address} answers more than {max_body >> 20} MiB",
                    "no honest answer is that large: see what listens there",
                )
            pieces.append(piece)
        return pieces

    def pieces(self, head: Head) -> Iterator[bytes]:
        """The body as it comes: chunked, of a known length, or until the connection ends."""
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = head.headers.get("content-length")
        if length is None:
            return self._until_end()
        if not _DECIMAL.fullmatch(length):
            raise something_else(self._address)
        return self._counted(int(length))

    def _skip_line_ends(self) -> None:
        """What is left of the answer before this one: the end of its chunks."""
        while self._buffer.startswith((b"\r", b"\n")):
            del self._buffer[:1]

    def _chunks(self) -> Iterator[bytes]:
        while True:
            while (end := self._buffer.find(b"\r\n")) < 0:
                if len(self._buffer) > _MAX_CHUNK_LINE:
                    raise something_else(self._address)
                self._more()
            size = _HEX.match(self._buffer)
            if size is None or size.end() > end:
                raise something_else(self._address)
            left = int(size[1], 16)
            del self._buffer[: end + 2]
            if left == 0:
                return  # trailers and the end: of no use to us
            yield from self._counted(left)
            while len(self._buffer) < 2:
                self._more()
            del self._buffer[:2]

    def _counted(self, left: int) -> Iterator[bytes]:
        while left > 0:
            if not self._buffer:
                self._more()
            piece = bytes(self._buffer[:left])
            del self._buffer[: len(piece)]
            left -= len(piece)
            yield piece

    def _until_end(self) -> Iterator[bytes]:
        if self._buffer:
            yield bytes(self._buffer)
            self._buffer.clear()
        while piece := self._receive():
            yield piece

    def _more(self) -> None:
        piece = self._receive()
        if not piece:
            raise broke_off(self._address, self._heard)
        self._heard = True
        self._buffer += piece


def _may_be_http(beginning: bytearray) -> bool:
    """Whether so many bytes can still become an answer: silence is cheaper to tell from noise."""
    return b"HTTP/1.".startswith(beginning[:7])


def _has_body(method: str, head: Head) -> bool:
    return method != "HEAD" and head.status not in (204, 304)


def _headers(lines: list[bytes]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.decode("latin-1").strip().lower()] = value.decode("latin-1").strip()
    return headers
