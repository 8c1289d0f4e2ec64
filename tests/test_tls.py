"""Daemons behind TLS: real handshakes on loopback."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockerdoctor.host.address import Address, TlsFiles
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.http import ping
from dockerdoctor.model import Fault
from tests.sockets import LONG_S, answer, saying, served
from tests.test_http import fault_of


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here to make certificates")
    directory = tmp_path_factory.mktemp("certs")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        cwd=directory, check=True, capture_output=True, timeout=LONG_S,
    )  # fmt: skip
    return directory


@pytest.fixture
def tls_port(certificates: Path) -> Iterator[int]:
    """A port on loopback that speaks TLS and answers pings."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    saying(answer(b"{}"))(secure)
            except OSError:
                connection.close()

    threading.Thread(target=accept, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_tls_with_the_right_authority_works(tls_port: int, certificates: Path) -> None:
    tls = TlsFiles(ca=certificates / "cert.pem")
    assert ping(Address("tcp", host="127.0.0.1", port=tls_port, tls=tls), LONG_S).status == 200


def test_tls_without_the_right_authority_is_denied(tls_port: int) -> None:
    fault = fault_of(Address("tcp", host="127.0.0.1", port=tls_port, tls=TlsFiles()))
    assert fault.fault is Fault.DENIED
    assert "not trusted" in fault.sentence
    lax = Address("tcp", host="127.0.0.1", port=tls_port, tls=TlsFiles(verify=False))
    assert ping(lax, LONG_S).status == 200


def test_tls_files_that_are_not_there_or_rubbish_are_said(tls_port: int, tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_text("rubbish")
    for tls in (TlsFiles(ca=tmp_path / "none"), TlsFiles(ca=tmp_path / "rubbish")):
        fault = fault_of(Address("tcp", host="127.0.0.1", port=tls_port, tls=tls))
        assert fault.fault in (Fault.MISSING, Fault.GARBLED)


def test_a_port_that_wants_tls_says_so(tmp_path: Path) -> None:
    refusal = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    with served(tmp_path, saying(refusal)) as address:
        fault = fault_of(address)
    assert fault.fault is Fault.GARBLED
    assert "wants TLS" in fault.sentence


def test_tls_on_a_port_without_it_is_garbled() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])

        def plain() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        threading.Thread(target=plain, daemon=True).start()
        fault = fault_of(Address("tcp", host="127.0.0.1", port=port, tls=TlsFiles()))
    assert fault.fault is Fault.GARBLED
    assert "2376" in fault.hint


def test_actions_go_through_tls_too(tls_port: int, certificates: Path) -> None:
    tls = TlsFiles(ca=certificates / "cert.pem")
    engine = Engine(Address("tcp", host="127.0.0.1", port=tls_port, tls=tls))
    engine.start_container("web", LONG_S)  # no fault
