"""Where the daemon is. In: an address or context by name, the environment, a home directory.

Out: an `Address`, chosen as the docker CLI chooses it: `--host`, or `--context`, or `DOCKER_HOST`,
or `DOCKER_CONTEXT`, or `currentContext` of config.json, or /var/run/docker.sock. Nothing here
connects. The watchdog takes its address from its configuration alone (`for_watchdog`): what it
restarts must be what it looks at.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from dockerdoctor.configkeys import is_loopback
from dockerdoctor.errors import ConfigError, NotPermitted, UsageError

DEFAULT = "unix:///var/run/docker.sock"
PLAIN_PORT = 2375
TLS_PORT = 2376
EXAMPLES = "say unix:///var/run/docker.sock or tcp://HOST:2376"
_SUN_PATH = 107
"""Bytes of the longest path an AF_UNIX address can hold."""


class TlsFiles(msgspec.Struct, frozen=True):
    """Certificates of a TLS endpoint. Without `ca` the system's own authorities are trusted."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True


class Address(msgspec.Struct, frozen=True):
    """One daemon's endpoint: a path when `kind` is unix, else host and port. `local` is whether
    the daemon can be on this machine: a socket in the file system, or a loopback address."""

    kind: Literal["unix", "tcp"]
    path: str = ""
    host: str = ""
    port: int = 0
    tls: TlsFiles | None = None
    local: bool = True

    def __str__(self) -> str:
        """As people write it: unix:///path or tcp://host:port."""
        if self.kind == "unix":
            return f"unix://{self.path}"
        return f"tcp://{_bracketed(self.host)}:{self.port}"


class _Endpoint(msgspec.Struct):
    host: str = msgspec.field(name="Host", default="")
    skip_verify: bool = msgspec.field(name="SkipTLSVerify", default=False)


class _Meta(msgspec.Struct):
    endpoints: dict[str, _Endpoint] = msgspec.field(name="Endpoints", default_factory=dict)


class _Config(msgspec.Struct):
    current: str = msgspec.field(name="currentContext", default="")


Read = TypeVar("Read", _Meta, _Config)


def same_daemon(one: Address, other: Address) -> bool:
    """Whether both name the same socket (/var/run is a link to /run)."""
    if one.kind == other.kind == "unix":
        return os.path.realpath(one.path) == os.path.realpath(other.path)
    return str(one) == str(other)


def resolve(environ: Mapping[str, str], home: Path, host: str = "", context: str = "") -> Address:
    """The daemon that the docker CLI would talk to, given the same options and environment.

    Raises UsageError for an address, a context or a file that cannot be used."""
    if host and context:
        raise UsageError("--host and --context are both given", "leave one of them away")
    config = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    if not host and not context:
        host = environ.get("DOCKER_HOST", "")
    if not host:
        context = context or environ.get("DOCKER_CONTEXT", "") or _current_context(config)
        if context not in ("", "default"):
            return _from_context(context, config)
    return parse(host or DEFAULT, _tls_of_environment(environ, config))


def for_watchdog(host: str) -> Address:
    """The address in the watchdog's configuration.

    Raises ConfigError for one that is wrong, or of another machine: restarting the local daemon
    does not cure a remote one."""
    try:
        address = parse(host)
    except UsageError as error:
        raise ConfigError([f"daemon.host: {error.sentence}; {error.hint}"]) from error
    if not address.local:
        raise ConfigError(
            [f"daemon.host: {address} is another machine; run the watchdog there, on its socket"]
        )
    return address


def parse(text: str, tls: TlsFiles | None = None) -> Address:
    """An address as written: unix:///path, tcp://host:port, http(s)://host:port, host:port.

    `tls` makes a tcp address a TLS one; https is one by itself. Raises UsageError."""
    text = text.strip()
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = ("unix", text) if text.startswith("/") else ("tcp", text)
    if scheme == "unix":
        return _unix(rest)
    if scheme == "ssh":
        raise UsageError(
            f"{text}: ssh is not spoken here",
            "run dockerdoctor on that machine, or forward its socket: "
            "ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST, then -H unix:///tmp/docker.sock",
        )
    if scheme not in ("tcp", "http", "https"):
        raise UsageError(f"{text}: an address of kind {scheme!r} is not known", EXAMPLES)
    if scheme == "https" and tls is None:
        tls = TlsFiles()
    return _tcp(text, rest, None if scheme == "http" else tls)


def _unix(path: str) -> Address:
    path = path or DEFAULT.removeprefix("unix://")
    if not path.startswith("/"):
        raise UsageError(f"unix://{path}: the path is not absolute", EXAMPLES)
    if "\0" in path or len(path.encode("utf-8", "surrogateescape")) > _SUN_PATH:
        raise UsageError(
            f"unix://{path[:40]}...: a socket's path has at most {_SUN_PATH} bytes",
            "use a shorter path, or a symbolic link to it",
        )
    return Address("unix", path=path)


def _tcp(text: str, rest: str, tls: TlsFiles | None) -> Address:
    if "@" in rest:
        raise UsageError("an address takes no user and no password", EXAMPLES)
    try:
        parts = urlsplit(f"//{rest}")
        port = parts.port if parts.port is not None else (TLS_PORT if tls else PLAIN_PORT)
    except ValueError as error:
        raise UsageError(f"{text}: {error}", EXAMPLES) from error
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(f"{text}: an address ends after the port", EXAMPLES)
    host = parts.hostname or "localhost"
    return Address("tcp", host=host, port=port, tls=tls, local=is_loopback(host))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _tls_of_environment(environ: Mapping[str, str], config: Path) -> TlsFiles | None:
    """DOCKER_TLS_VERIFY (any text means yes), DOCKER_TLS (not verifying), DOCKER_CERT_PATH."""
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not environ.get("DOCKER_TLS"):
        return None
    return _tls_in(Path(environ.get("DOCKER_CERT_PATH") or config), verify)


def _tls_in(directory: Path, verify: bool) -> TlsFiles:
    def present(name: str) -> Path | None:
        return directory / name if (directory / name).is_file() else None

    return TlsFiles(present("ca.pem"), present("cert.pem"), present("key.pem"), verify)


def _current_context(config: Path) -> str:
    found = _read(config / "config.json", _Config)
    return found.current if found else ""


def _from_context(name: str, config: Path) -> Address:
    import hashlib  # seldom needed, and slow to load

    ident = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    meta = _read(config / "contexts" / "meta" / ident / "meta.json", _Meta)
    if meta is None:
        raise UsageError(
            f"there is no docker context {name!r} in {config}", "see `docker context ls`"
        )
    endpoint = meta.endpoints.get("docker", _Endpoint())
    directory = config / "contexts" / "tls" / ident / "docker"
    with_tls = endpoint.skip_verify or directory.is_dir()
    tls = _tls_in(directory, not endpoint.skip_verify) if with_tls else None
    return parse(endpoint.host or DEFAULT, tls)


def _read(path: Path, kind: type[Read]) -> Read | None:
    """A JSON file of the docker CLI; None when there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise NotPermitted(f"{path} may not be read", "name the daemon with --host") from error
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", "name the daemon with --host"
        ) from error
