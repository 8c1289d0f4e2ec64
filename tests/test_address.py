"""Where the daemon is: values in, an address or a sentence out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from dockerdoctor.errors import ConfigError, Exit, UsageError
from dockerdoctor.host.address import Address, TlsFiles, for_watchdog, parse, resolve

SOCKET = Address("unix", path="/var/run/docker.sock")


def remember_context(
    home: Path, name: str, host: str, tls: bool = False, skip: bool = False
) -> Path:
    ident = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker" / "contexts" / "meta" / ident
    meta.mkdir(parents=True)
    endpoint = {"Host": host, "SkipTLSVerify": skip}
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": endpoint}}))
    files = home / ".docker" / "contexts" / "tls" / ident / "docker"
    if tls:
        files.mkdir(parents=True)
        for file in ("ca.pem", "cert.pem", "key.pem"):
            (files / file).touch()
    return files


def use_context(home: Path, name: str) -> None:
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": name, "auths": {}}))


def test_nothing_said_means_the_usual_socket(tmp_path: Path) -> None:
    assert resolve({}, tmp_path) == SOCKET


def test_an_option_beats_everything(tmp_path: Path) -> None:
    remember_context(tmp_path, "far", "tcp://far:2375")
    use_context(tmp_path, "far")
    environ = {"DOCKER_HOST": "unix:///b", "DOCKER_CONTEXT": "far"}
    assert resolve(environ, tmp_path, host="unix:///a").path == "/a"


def test_the_docker_cli_order_is_kept(tmp_path: Path) -> None:
    for name in ("named", "environ", "current"):
        remember_context(tmp_path, name, f"unix:///{name}")
    use_context(tmp_path, "current")
    assert resolve({}, tmp_path).path == "/current"
    assert resolve({"DOCKER_CONTEXT": "environ"}, tmp_path).path == "/environ"
    both = {"DOCKER_CONTEXT": "environ", "DOCKER_HOST": "unix:///host"}
    assert resolve(both, tmp_path).path == "/host"
    assert resolve(both, tmp_path, context="named").path == "/named"
    assert resolve({}, tmp_path, context="default") == SOCKET


def test_host_and_context_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="both given"):
        resolve({}, tmp_path, host="unix:///a", context="b")


def test_docker_config_moves_the_contexts(tmp_path: Path) -> None:
    remember_context(tmp_path, "far", "unix:///far")
    environ = {"DOCKER_CONFIG": str(tmp_path / ".docker"), "DOCKER_CONTEXT": "far"}
    assert resolve(environ, tmp_path / "elsewhere").path == "/far"


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no docker context 'lost'") as caught:
        resolve({"DOCKER_CONTEXT": "lost"}, tmp_path)
    assert caught.value.exit is Exit.USAGE
    assert "docker context ls" in caught.value.hint


@pytest.mark.parametrize("rubbish", ["", "{", "[]", '{"currentContext": 7}', "[" * 100_000])
def test_a_garbled_config_is_a_sentence_not_a_traceback(tmp_path: Path, rubbish: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(rubbish)
    with pytest.raises(UsageError, match="cannot be read") as caught:
        resolve({}, tmp_path)
    assert "--host" in caught.value.hint


def test_a_context_brings_its_certificates(tmp_path: Path) -> None:
    files = remember_context(tmp_path, "safe", "tcp://far", tls=True)
    found = resolve({}, tmp_path, context="safe")
    assert found.port == 2376
    assert found.tls == TlsFiles(files / "ca.pem", files / "cert.pem", files / "key.pem")
    remember_context(tmp_path, "lax", "tcp://far:1", skip=True)
    assert resolve({}, tmp_path, context="lax").tls == TlsFiles(verify=False)


def test_tls_from_the_environment(tmp_path: Path) -> None:
    certs = tmp_path / "certs"
    certs.mkdir()
    (certs / "ca.pem").touch()
    environ = {
        "DOCKER_HOST": "tcp://far",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(certs),
    }
    found = resolve(environ, tmp_path)
    assert found == Address(
        "tcp", host="far", port=2376, tls=TlsFiles(certs / "ca.pem"), local=False
    )
    assert resolve({"DOCKER_HOST": "tcp://far", "DOCKER_TLS": "1"}, tmp_path).tls == TlsFiles(
        verify=False
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("unix:///run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock"),
        ("/run/d.sock", "unix:///run/d.sock"),
        ("unix://", "unix:///var/run/docker.sock"),
        ("tcp://10.0.0.1:99", "tcp://10.0.0.1:99"),
        ("tcp://far", "tcp://far:2375"),
        ("https://far", "tcp://far:2376"),
        ("http://far:1/", "tcp://far:1"),
        ("far:1", "tcp://far:1"),
        ("tcp://:5555", "tcp://localhost:5555"),
        ("tcp://[::1]:2375", "tcp://[::1]:2375"),
    ],
)
def test_an_address_is_read_as_the_docker_cli_does(text: str, written: str) -> None:
    assert str(parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "npipe:////./pipe/docker_engine",
        "fd://",
        "unix://relative/path",
        "unix:///" + "x" * 200,
        "unix:///nul\0byte",
        "tcp://far:port",
        "tcp://far:99999",
        "tcp://far:1/prefix",
        "tcp://[::1",
        "ftp://far",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.hint


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        parse("tcp://user:hunter2@far:1")
    assert "hunter2" not in caught.value.sentence + caught.value.hint


def test_ssh_is_refused_with_the_way_round_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ssh is not spoken") as caught:
        resolve({"DOCKER_HOST": "ssh://root@far"}, tmp_path)
    assert "-L" in caught.value.hint


@pytest.mark.parametrize("host", ["unix:///run/d.sock", "tcp://127.0.0.1:2375", "tcp://[::1]:1"])
def test_the_watchdog_takes_a_daemon_of_this_machine(host: str) -> None:
    assert for_watchdog(host).local


@pytest.mark.parametrize("host", ["tcp://10.0.0.1:2375", "tcp://far", "ssh://far", "nonsense://x"])
def test_the_watchdog_refuses_any_other(host: str) -> None:
    with pytest.raises(ConfigError, match=r"daemon\.host"):
        for_watchdog(host)
