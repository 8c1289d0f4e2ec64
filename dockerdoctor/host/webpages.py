"""The pages of the metrics endpoint: a request's head goes in, the bytes of a response come out.

`/` says what is here, `/metrics` is for Prometheus (text or OpenMetrics, as it asks), `/-/healthy`
and `/-/ready` answer 200 or 503 with the reason. Nothing here touches a socket.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct, field
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from dockerdoctor import __version__

TEXT = "text/plain; charset=utf-8"

LANDING = f"""dockerdoctor {__version__}: the watchdog of this host's Docker daemon

/metrics     for Prometheus
/-/healthy   whether the watchdog's loop advances
/-/ready     whether it has looked yet
"""


class Request(Struct, frozen=True):
    """The head of a request; names of headers in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]


class Response(Struct, frozen=True):
    """What is answered."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


FORMATS = 8
"""Texts that are kept at once: a client may name as many versions of a format as it likes."""


class Texts:
    """The registry's metrics as text, made once for each format until `state` is another: it
    changes when they do. The watchdog's own `process_...` are as old as the rest."""

    def __init__(self, registry: CollectorRegistry, state: Callable[[], int]) -> None:
        self._registry = registry
        self._state = state
        self._made: dict[str, bytes] = {}
        self._made_of = -1
        self._making = threading.Lock()

    def text(self, accept: str) -> tuple[bytes, str]:
        """The text and its content type, as the client accepts it."""
        encode, content_type = choose_encoder(accept)
        with self._making:
            # Asked before the text is made: what changes meanwhile makes it old.
            state = self._state()
            if state != self._made_of or len(self._made) >= FORMATS:
                self._made, self._made_of = {}, state
            if content_type not in self._made:
                self._made[content_type] = encode(self._registry)
            return self._made[content_type], content_type

    def of(self, names: Sequence[str], accept: str) -> tuple[bytes, str]:
        """Only the series of these names."""
        encode, content_type = choose_encoder(accept)
        chosen = self._registry.restricted_registry(names)
        return encode(chosen), content_type


class Pages(Struct, frozen=True):
    """What the pages show. `healthy` and `ready` say why not, or nothing."""

    metrics: Texts
    healthy: Callable[[], str]
    ready: Callable[[], str]


def parse(head: bytes) -> Request:
    """The request up to its empty line. Raises ValueError when it is no HTTP."""
    first, *rest = head.decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1.") or not target.startswith("/"):
        raise ValueError(f"no HTTP/1 request: {first[:100]!r}")
    headers = {}
    for line in filter(None, rest):
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"no header: {line[:100]!r}")
        headers[name.strip().lower()] = value.strip()
    parts = urlsplit(target)
    return Request(method, parts.path, parse_qs(parts.query), headers)


def page(request: Request, pages: Pages) -> Response:
    """The answer to a request that may be answered."""
    if request.method not in ("GET", "HEAD"):
        return _plain(HTTPStatus.METHOD_NOT_ALLOWED, "only GET", Allow="GET, HEAD")
    match request.path:
        case "/":
            return Response(HTTPStatus.OK, LANDING.encode())
        case "/metrics":
            return _metrics(request, pages.metrics)
        case "/-/healthy":
            return _verdict("healthy", pages.healthy())
        case "/-/ready":
            return _verdict("ready", pages.ready())
    return _plain(HTTPStatus.NOT_FOUND, "there is no such page")


def refusal(status: HTTPStatus, says: str, **headers: str) -> Response:
    """An answer that is none: bad request, not authorised, a bug of ours."""
    return _plain(status, says, **{name.replace("_", "-"): text for name, text in headers.items()})


def encoded(response: Response, extra: Mapping[str, str], with_body: bool = True) -> bytes:
    """The bytes on the wire, with `extra` headers. The connection is closed after them."""
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "Connection": "close",
        **extra,
        **response.headers,
    }
    lines = [f"HTTP/1.1 {response.status.value} {response.status.phrase}"]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
    return head + response.body if with_body else head


def _metrics(request: Request, metrics: Texts) -> Response:
    accept, names = request.headers.get("accept", ""), request.query.get("name[]")
    body, content_type = metrics.of(names, accept) if names else metrics.text(accept)
    return Response(HTTPStatus.OK, body, content_type)


def _verdict(word: str, why_not: str) -> Response:
    if why_not:
        return _plain(HTTPStatus.SERVICE_UNAVAILABLE, f"not {word}: {why_not}")
    return _plain(HTTPStatus.OK, word)


def _plain(status: HTTPStatus, says: str, **headers: str) -> Response:
    return Response(status, f"{says}\n".encode(), TEXT, headers)
