"""The metrics endpoint, put together: address, pages and web configuration in, a server out."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from dockerdoctor.configkeys import is_loopback
from dockerdoctor.errors import ConfigError
from dockerdoctor.host import webpages
from dockerdoctor.host.webpages import Pages
from dockerdoctor.host.webserver import CLIENT_S, Answer, Server, listen


class Guard(Protocol):
    """Who may ask, and how: TLS, users and extra headers of every answer."""

    def context(self) -> ssl.SSLContext | None:
        """The TLS context of a new connection; None: no TLS."""
        ...

    def admits(self, authorization: str) -> bool:
        """Whether this Authorization header is one of a user's. May take a quarter second."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Headers that every answer has."""
        ...

    def is_tight(self) -> bool:
        """Whether strangers are kept out, and nobody can listen."""
        ...


class Open:
    """No TLS, no users: for this host alone."""

    def context(self) -> ssl.SSLContext | None:
        """None."""
        return None

    def admits(self, authorization: str) -> bool:  # noqa: ARG002
        """Everybody."""
        return True

    def headers(self) -> Mapping[str, str]:
        """None."""
        return {}

    def is_tight(self) -> bool:
        """No."""
        return False


def serve(
    address: tuple[str, int],
    pages: Pages,
    web_config: Path | None = None,
    allow_insecure: bool = False,
    client_s: float = CLIENT_S,
) -> Server:
    """Serve the metrics until the server is stopped. A client may take `client_s` to ask.

    Raises ConfigError for a web configuration that cannot be used, or that leaves other hosts
    without TLS or users (unless `allow_insecure`); HostFault when the address cannot be had."""
    guard: Guard = Open()
    if web_config is not None:
        from dockerdoctor.host.webconfig import WebConfig  # yaml and bcrypt: an extra

        guard = WebConfig(web_config)
    if not (guard.is_tight() or allow_insecure or is_loopback(address[0])):
        raise ConfigError(
            [
                f"{web_config or '[metrics]'}: {address[0] or 'every address'} serves other hosts "
                "without TLS and users: add both, or set allow_insecure = true if you mean it"
            ]
        )
    return Server(listen(*address), _answers(guard, pages), guard.context, client_s)


def _answers(guard: Guard, pages: Pages) -> Answer:
    def answer(head: bytes) -> bytes:
        try:
            request = webpages.parse(head)
        except ValueError as error:
            return webpages.encoded(
                webpages.refusal(HTTPStatus.BAD_REQUEST, str(error)), guard.headers()
            )
        if not guard.admits(request.headers.get("authorization", "")):
            response = webpages.refusal(
                HTTPStatus.UNAUTHORIZED, "Unauthorized", WWW_Authenticate="Basic"
            )
        else:
            try:
                response = webpages.page(request, pages)
            except Exception as bug:  # noqa: BLE001  a scrape must not end the server
                says = f"a bug of dockerdoctor: {type(bug).__name__}: {bug}"
                response = webpages.refusal(HTTPStatus.INTERNAL_SERVER_ERROR, says)
        return webpages.encoded(response, guard.headers(), request.method != "HEAD")

    return answer
