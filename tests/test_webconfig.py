"""TLS and users of the metrics endpoint, with real certificates, and every file that is refused."""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bcrypt
import pytest
from prometheus_client import CollectorRegistry

from dockerdoctor.errors import ConfigError
from dockerdoctor.host import webserver
from dockerdoctor.host.web import serve
from dockerdoctor.host.webconfig import WebConfig
from dockerdoctor.host.webpages import Pages, Texts
from dockerdoctor.host.webserver import Server
from tests.sockets import LONG_S


def needs(command: str, package: str) -> str:
    """The command's path; skips where it is missing, and fails where all must run."""
    found = shutil.which(command)
    if found is None:
        why = f"{command} is not here: Debian has it in the package {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return found


def certificate(directory: Path, name: str, *, days: int = 30, signed_by: str = "") -> None:
    """NAME.pem and NAME.key: signed by itself, or by another."""
    openssl = needs("openssl", "openssl")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = [*key, "-keyout", f"{name}.key", "-subj", f"/CN={name}"]
    sign = ["-CA", f"{signed_by}.pem", "-CAkey", f"{signed_by}.key", "-CAcreateserial"]
    out = ["-out", f"{name}.pem", "-days", str(days)]
    commands = [["req", "-x509", *made, *out, "-addext", "subjectAltName=IP:127.0.0.1"]]
    if signed_by:
        commands = [
            ["req", *made, "-out", f"{name}.csr"],
            ["x509", "-req", "-in", f"{name}.csr", *sign, *out],
        ]
    for command in commands:
        subprocess.run(
            [openssl, *command], cwd=directory, check=True, capture_output=True, timeout=120
        )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """server, client (signed by the server's), expired (likewise, of yesterday), stranger."""
    directory = tmp_path_factory.mktemp("certificates")
    certificate(directory, "server")
    certificate(directory, "client", signed_by="server")
    certificate(directory, "expired", signed_by="server", days=-1)
    certificate(directory, "stranger")
    return directory


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def pages() -> Pages:
    return Pages(Texts(CollectorRegistry(), lambda: 0), lambda: "", lambda: "")


def written(directory: Path, text: str) -> Path:
    path = directory / "web.yml"
    path.write_text(text)
    return path


TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"


@contextmanager
def serving(web_config: Path) -> Iterator[Server]:
    server = serve(("127.0.0.1", 0), pages(), web_config, client_s=LONG_S)
    try:
        yield server
    finally:
        server.stop()


def get(
    server: Server, certificates: Path, user: str = "", client: str = ""
) -> tuple[int, http.client.HTTPMessage]:
    context = ssl.create_default_context(cafile=str(certificates / "server.pem"))
    if client:
        context.load_cert_chain(certificates / f"{client}.pem", certificates / f"{client}.key")
    connection = http.client.HTTPSConnection(*server.address, timeout=60, context=context)
    headers = {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"} if user else {}
    try:
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers
    finally:
        connection.close()


def test_only_users_with_their_password_are_answered_over_tls(certificates: Path) -> None:
    users = f"basic_auth_users:\n  alice: {hashed('secret')}\n"
    with serving(written(certificates, TLS + users)) as server:
        assert get(server, certificates, "alice:secret")[0] == 200
        assert get(server, certificates, "alice:secret")[0] == 200
        status, headers = get(server, certificates)
        assert (status, headers["WWW-Authenticate"]) == (401, "Basic")
        assert get(server, certificates, "alice:wrong")[0] == 401
        assert get(server, certificates, "bob:secret")[0] == 401
        assert get(server, certificates, "alice:" + "x" * 100)[0] == 401
        assert get(server, certificates, "alice:se\0cret")[0] == 401


def test_headers_of_the_file_are_in_every_answer(certificates: Path) -> None:
    headers = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
    with serving(written(certificates, TLS + headers)) as server:
        assert get(server, certificates)[1]["X-Frame-Options"] == "deny"


def test_a_client_certificate_is_checked(certificates: Path) -> None:
    wanted = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: server.pem\n"
    with serving(written(certificates, TLS + wanted)) as server:
        assert get(server, certificates, client="client")[0] == 200
        for name in ("", "expired", "stranger"):
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                get(server, certificates, client=name)
        assert get(server, certificates, client="client")[0] == 200


def test_three_hundred_silent_tls_clients_block_nobody(certificates: Path) -> None:
    config = WebConfig(written(certificates, TLS))
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
    listener = webserver.listen("127.0.0.1", 0)
    server = Server(listener, lambda _: ok, config.context, client_s=300)
    with ExitStack() as silent:
        silent.callback(server.stop)
        for number in range(300):
            sock = silent.enter_context(socket.create_connection(server.address, timeout=60))
            if number % 3 == 1:
                sock.sendall(b"\x16\x03\x01")  # a handshake that does not go on
            elif number % 3 == 2:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no TLS at all
        # Within a minute: so nobody waited for any of those, who may stay for five.
        assert get(server, certificates)[0] == 200


def test_a_changed_file_is_followed_and_a_garbled_one_is_not(certificates: Path) -> None:
    path = written(certificates, f"basic_auth_users:\n  alice: {hashed('one')}\n")
    config = WebConfig(path)

    def admitted(password: str) -> bool:
        config.context()
        return config.admits(f"Basic {base64.b64encode(f'alice:{password}'.encode()).decode()}")

    assert (admitted("one"), admitted("two")) == (True, False)
    written(certificates, f"basic_auth_users: # new\n  alice: {hashed('two')}\n")
    assert (admitted("one"), admitted("two")) == (False, True)
    written(certificates, "basic_auth_users: [alice]")
    assert (admitted("one"), admitted("two")) == (False, True)
    assert "basic_auth_users: must be a table of texts" in config.trouble
    written(certificates, f"basic_auth_users:\n  alice: {hashed('three')}\n")
    assert (admitted("two"), admitted("three"), config.trouble) == (False, True, "")


def test_a_new_certificate_is_used_for_the_next_connection(
    certificates: Path, tmp_path: Path
) -> None:
    for name in ("server.pem", "server.key"):
        shutil.copy(certificates / name, tmp_path / name)
    with serving(written(tmp_path, TLS)) as server:
        assert get(server, certificates)[0] == 200
        certificate(tmp_path, "server", days=31)
        assert get(server, tmp_path)[0] == 200
        with pytest.raises(ssl.SSLError):
            get(server, certificates)


WRONG = [
    ("users: {}\n", "there is no key users"),
    ("- a\n", "must be a table of keys"),
    ("tls_server_config: {cert_file: server.pem}\n", "key_file is missing"),
    (TLS + "  colour: red\n", "tls_server_config: there is no key colour"),
    (TLS + "  client_auth_type: Maybe\n", "client_auth_type: must be one of NoClientCert"),
    (TLS + "  client_ca_file: server.pem\n", "client_ca_file needs a client_auth_type"),
    (TLS + "  min_version: TLS9\n", "min_version: must be one of TLS12, TLS13"),
    ("tls_server_config: {cert_file: none, key_file: none}\n", "No such file or directory"),
    ("tls_server_config: {cert_file: server.pem, key_file: client.key}\n", "server.pem"),
    ("http_server_config: {headers: {Server: x}}\n", "Server cannot be set"),
    ("basic_auth_users: {alice: secret}\n", "the password of alice must be a bcrypt hash"),
    ("a: [\n", "is not YAML"),
]


@pytest.mark.parametrize(("text", "mistake"), WRONG)
def test_a_file_that_cannot_be_used_is_refused_with_its_place(
    certificates: Path, text: str, mistake: str
) -> None:
    with pytest.raises(ConfigError, match="web") as caught:
        WebConfig(written(certificates, text))
    assert mistake in caught.value.mistakes[0]
    assert str(certificates / "web.yml") in caught.value.mistakes[0]


@pytest.mark.parametrize("text", ["", TLS, *(text for text, _ in WRONG)])
def test_promtool_says_the_same(certificates: Path, text: str) -> None:
    done = subprocess.run(
        [needs("promtool", "prometheus"), "check", "web-config", written(certificates, text)],
        capture_output=True,
        timeout=120,
    )
    assert (done.returncode == 0) is (text in ("", TLS)), done.stderr


def test_all_mistakes_are_told_at_once_and_what_is_not_supported_by_name(
    certificates: Path,
) -> None:
    text = TLS + "  cipher_suites: [X]\nbasic_auth_users: {a: b}\nmore: 1\n"
    with pytest.raises(ConfigError) as caught:
        WebConfig(written(certificates, text))
    assert len(caught.value.mistakes) == 3
    assert any("cipher_suites is not supported" in found for found in caught.value.mistakes)


def test_other_hosts_are_served_with_tls_and_users_and_not_with_one_of_them(
    certificates: Path,
) -> None:
    users = f"basic_auth_users:\n  alice: {hashed('secret')}\n"
    for text in (TLS, users):
        with pytest.raises(ConfigError, match="without TLS and users"):
            serve(("0.0.0.0", 0), pages(), written(certificates, text))
    path = written(certificates, TLS + users)
    server = serve(("0.0.0.0", 0), pages(), path)
    server.stop()
