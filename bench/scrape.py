"""What a scrape costs, alone and beside 300 silent clients: `python -m bench.scrape`.

The exporter is the real one, on a fake host with 1,000 containers and as many starts on its tally;
the sockets are real. Silent clients connect and say nothing, half of them in the middle of a
request (plain) or of a handshake (TLS). Needs openssl for the certificate.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

from msgspec.structs import replace
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from dockerdoctor.host import web
from dockerdoctor.host.nouns import Container, Start
from dockerdoctor.host.webserver import Server
from tests.prometheus.exporters import Exporter, exporter

CONTAINERS = 1000
SILENT = 300
ROUNDS = 200
Look: TypeAlias = Callable[[], None]
"""Makes the metrics newer, as a look does."""
HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01"


def busy(host: Exporter) -> None:
    """A thousand containers, each with a start of the last hour."""
    fake = host.story.host
    now = fake.now().wall
    fake.all_containers = [
        Container(f"{number:064x}", f"name-{number}", "running", inspected=True)
        for number in range(CONTAINERS)
    ]
    starts = tuple(
        Start(f"{number:064x}", now - number, number % 50 / 10) for number in range(CONTAINERS)
    )
    fake.tally = replace(fake.tally, starts_total=CONTAINERS, starts=starts)
    host.story.goes_on_for(60)


def certificate(directory: Path) -> Path:
    """A web configuration with TLS, of a certificate that nobody trusts."""
    names = ("-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost")
    command = ("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", *names)
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    config = directory / "web.yml"
    config.write_text("tls_server_config: { cert_file: cert.pem, key_file: key.pem }\n")
    return config


def timed(what: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """How long each round took, ms."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        what()
        took.append(1000 * (time.perf_counter() - began))
    return took


def row(what: str, took: list[float], note: str = "") -> None:
    """One line of the table."""
    most = statistics.quantiles(took, n=20)[-1]
    print(f"{what:44} {statistics.median(took):8.2f} {most:8.2f} {max(took):8.2f}  {note}".rstrip())


def scrape(server: Server, tls: ssl.SSLContext | None) -> int:
    """One scrape with a connection of its own, as Prometheus after a pause; bytes of its body."""
    connection: http.client.HTTPConnection
    if tls is None:
        connection = http.client.HTTPConnection(*server.address, timeout=30)
    else:
        connection = http.client.HTTPSConnection(*server.address, timeout=30, context=tls)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        return len(answer.read())
    finally:
        connection.close()


@contextmanager
def silent(server: Server, first_bytes: bytes) -> Iterator[None]:
    """SILENT clients that have just connected; the server sends them away after 3 s."""
    with ExitStack() as stack:
        for number in range(SILENT):
            sock = stack.enter_context(socket.create_connection(server.address, timeout=30))
            if number % 2:
                sock.sendall(first_bytes)
        yield


def measure(
    name: str, server: Server, tls: ssl.SSLContext | None, first_bytes: bytes, look: Look
) -> None:
    """After a look (its text is yet to be made), again before the next, and after a look beside the
    silent ones: three times as many of them, 20 scrapes each."""

    def after_a_look() -> int:
        look()
        return scrape(server, tls)

    row(f"{name} scrape after a look", timed(after_a_look))
    row(f"{name} scrape again", timed(lambda: scrape(server, tls)))
    threads = 0
    took: list[float] = []
    for _ in range(3):
        with silent(server, first_bytes):
            took += timed(after_a_look, rounds=20)
            threads = max(
                threads, sum(each.name.startswith("web") for each in threading.enumerate())
            )
    row(f"{name} scrape beside {SILENT} silent clients", took, f"{threads} threads serve")


def named(place: Path) -> None:
    """The text when a hundred containers have series of their own."""
    with exporter(place, 100) as host:
        busy(host)
        row("making it with 100 containers by name", timed(lambda: text_of(host)))


def text_of(host: Exporter) -> bytes:
    """The whole text, made anew."""
    return generate_latest(host.metrics.registry)


def main() -> None:
    """Print the table."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {CONTAINERS} containers known")
    trusting = ssl._create_unverified_context()
    with tempfile.TemporaryDirectory() as place, exporter(Path(place) / "host", 0) as host:
        busy(host)
        registry = host.metrics.registry
        text = text_of(host)
        series = sum(not line.startswith(b"#") for line in text.splitlines())
        print(f"{series} series, {len(text)} bytes\n")
        print(f"{'ms':44} {'median':>8} {'95 %':>8} {'worst':>8}")
        row("making the text", timed(lambda: text_of(host)))
        named(Path(place) / "named")
        row("making OpenMetrics", timed(lambda: generate_openmetrics(registry)))

        def look() -> None:
            host.metrics.generation += 1

        measure("plain", host.server, None, b"GET /metrics HTT", look)
        guarded = web.serve(("127.0.0.1", 0), host.pages, certificate(Path(place)))
        measure("TLS", guarded, trusting, HALF_A_HELLO, look)
        guarded.stop()


if __name__ == "__main__":
    main()
