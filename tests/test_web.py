"""The metrics endpoint over real sockets: whatever some clients do, a scrape is answered."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from dockerdoctor.errors import ConfigError, HostFault
from dockerdoctor.host import webpages, webserver
from dockerdoctor.host.web import serve
from dockerdoctor.host.webpages import FORMATS, Pages, Texts
from dockerdoctor.host.webserver import Server
from dockerdoctor.model import Fault
from tests.sockets import LONG_S

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"


def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("looks", "Looks so far.", registry=made).inc(3)
    return made


def pages(healthy: str = "", ready: str = "") -> Pages:
    return Pages(Texts(registry(), lambda: 0), lambda: healthy, lambda: ready)


@contextmanager
def serving(healthy: str = "", ready: str = "", client_s: float = LONG_S) -> Iterator[Server]:
    server = serve(("127.0.0.1", 0), pages(healthy, ready), client_s=client_s)
    try:
        yield server
    finally:
        server.stop()


def get(
    server: Server, path: str, method: str = "GET", **headers: str
) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(*server.address, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def talk(server: Server, *parts: bytes) -> bytes:
    """Send these parts and read until the server closes."""
    with socket.create_connection(server.address, timeout=60) as sock:
        for part in parts:
            sock.sendall(part)
        found = b""
        while chunk := sock.recv(65536):
            found += chunk
        return found


def test_prometheus_gets_text_or_openmetrics_as_it_asks() -> None:
    with serving() as server:
        status, body, headers = get(server, "/metrics")
        assert (status, "looks_total 3.0" in body) == (200, True)
        assert headers["Content-Type"].startswith("text/plain; version=")
        asked = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
        _, body, headers = get(server, "/metrics", Accept=asked)
        assert headers["Content-Type"].startswith("application/openmetrics-text")
        assert body.endswith("# EOF\n")
        _, body, _ = get(server, "/metrics?name[]=nothing")
        assert "looks" not in body


def test_a_text_is_made_once_for_each_state_and_format() -> None:
    counted, state = registry(), [1]
    texts = Texts(counted, lambda: state[0])
    first = texts.text("")
    assert texts.text("")[0] is first[0]
    openmetrics, kind = texts.text("application/openmetrics-text;version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert openmetrics.endswith(b"# EOF\n")
    Counter("more", "More.", registry=counted)
    assert texts.text("")[0] is first[0]
    state[0] = 2
    assert b"more_total 0.0" in texts.text("")[0]


def test_a_client_that_thinks_out_versions_fills_no_memory() -> None:
    texts = Texts(registry(), lambda: 1)
    for number in range(100):
        texts.text(f"application/openmetrics-text;version=1.{number}.0")
    assert len(texts._made) <= FORMATS


def test_the_other_pages_say_what_is_here_and_how_it_goes() -> None:
    with serving() as server:
        assert "/metrics" in get(server, "/")[1]
        assert get(server, "/-/healthy")[:2] == (200, "healthy\n")
        assert get(server, "/-/ready")[:2] == (200, "ready\n")
        assert get(server, "/nothing")[0] == 404
        status, _, headers = get(server, "/metrics", method="POST")
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
        status, body, headers = get(server, "/metrics", method="HEAD")
        assert (status, body) == (200, "")
        assert int(headers["Content-Length"]) > 0
    with serving(healthy="the last look was 91 s ago", ready="not looked yet") as server:
        assert get(server, "/-/healthy")[:2] == (503, "not healthy: the last look was 91 s ago\n")
        assert get(server, "/-/ready")[:2] == (503, "not ready: not looked yet\n")


def test_three_hundred_silent_clients_block_nobody_and_cost_no_thread() -> None:
    server = Server(webserver.listen("127.0.0.1", 0), lambda _: OK, client_s=300)
    with ExitStack() as silent:
        silent.callback(server.stop)
        for number in range(300):
            sock = silent.enter_context(socket.create_connection(server.address, timeout=60))
            if number % 2:
                sock.sendall(b"GET /metrics HTT")
        # Within a minute: so nobody waited for any of those, who may stay for five.
        assert get(server, "/metrics")[:2] == (200, "fine")
        answering = [each for each in threading.enumerate() if each.name == "web-answer"]
        assert len(answering) <= webserver.WORKERS


def test_a_silent_client_is_sent_away_after_its_time() -> None:
    with serving(client_s=0.5) as server:
        assert talk(server) == b""
        assert talk(server, b"GET /metrics HTTP/1.1\r\nHost: x") == b""


def test_more_clients_than_there_is_room_for_push_out_the_most_silent() -> None:
    server = Server(webserver.listen("127.0.0.1", 0), lambda _: OK, client_s=300)
    with ExitStack() as silent:
        silent.callback(server.stop)
        socks = [
            silent.enter_context(socket.create_connection(server.address, timeout=60))
            for _ in range(webserver.CLIENTS + 20)
        ]
        assert get(server, "/metrics")[0] == 200
        assert socks[0].recv(1) == b""


def test_a_request_in_drips_is_answered_and_rubbish_is_refused() -> None:
    with serving() as server:
        request = b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n"
        assert b"200 OK" in talk(server, *[request[at : at + 1] for at in range(len(request))])
        assert b"400 Bad Request" in talk(server, b"\x16\x03\x01\x02\r\n\r\n")
        assert b"400 Bad Request" in talk(server, b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        assert b"400 Bad Request" in talk(server, b"GET / HTTP/2\r\n\r\n")
        huge = b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 8000
        with socket.create_connection(server.address, timeout=60) as sock:
            sock.sendall(huge[: webserver.HEAD_LIMIT + 1])
            assert b"HTTP/1.1" in sock.recv(100)


def test_many_scrapes_at_once_are_all_answered_by_at_most_eight_workers() -> None:
    statuses: list[int] = []
    with serving() as server:
        threads = [
            threading.Thread(target=lambda: statuses.append(get(server, "/metrics")[0]))
            for _ in range(40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        answering = [each for each in threading.enumerate() if each.name == "web-answer"]
        assert len(answering) <= webserver.WORKERS
    assert statuses == [200] * 40


def test_a_bug_in_a_metric_is_an_answer_and_the_server_goes_on() -> None:
    def broken() -> str:
        raise RuntimeError("boom")

    told = Pages(Texts(registry(), lambda: 0), broken, lambda: "")
    server = serve(("127.0.0.1", 0), told, client_s=LONG_S)
    try:
        status, body, _ = get(server, "/-/healthy")
        assert (status, body) == (500, "a bug of dockerdoctor: RuntimeError: boom\n")
        assert get(server, "/metrics")[0] == 200
    finally:
        server.stop()


def test_stopping_frees_the_address_and_closes_who_is_connected() -> None:
    server = serve(("127.0.0.1", 0), pages(), client_s=LONG_S)
    with socket.create_connection(server.address, timeout=60) as sock:
        assert get(server, "/-/ready")[0] == 200
        server.stop()
        assert sock.recv(1) == b""
    again = serve(server.address, pages())
    again.stop()


def test_an_address_that_is_taken_is_a_fault_that_names_it() -> None:
    with serving() as server:
        host, port = server.address
        with pytest.raises(HostFault, match=f"cannot be served at {host}:{port}") as caught:
            serve(server.address, pages())
        assert caught.value.fault is Fault.REFUSED
    with pytest.raises(HostFault, match="cannot be served at"):
        serve(("192.0.2.1", 0), pages(), allow_insecure=True)


def test_other_hosts_are_not_served_in_the_open_unless_that_is_meant() -> None:
    with pytest.raises(ConfigError, match="without TLS and users"):
        serve(("0.0.0.0", 0), pages())
    server = serve(("", 0), pages(), allow_insecure=True)
    server.stop()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_value_error(head: bytes) -> None:
    try:
        request = webpages.parse(head)
    except ValueError:
        return
    assert request.path.startswith("/") or not request.path
