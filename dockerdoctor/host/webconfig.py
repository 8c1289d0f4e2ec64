"""exporter-toolkit's web configuration (`--web.config.file`): TLS, client certificates, users and
headers of the metrics endpoint.

The file, and the certificates it names, are read again when they change; a change that cannot be
used is told in `trouble`, and what held before goes on. Keys that exporter-toolkit does not know
are refused as it does; those that cannot be had here are refused too, by name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from dockerdoctor.errors import ConfigError

try:
    import bcrypt
    import yaml
except ImportError as missing:
    raise ConfigError(
        [f"[metrics] web_config: needs {missing.name}: install the extra `dockerdoctor[web]`"]
    ) from missing

_KEYS = {
    "": {"tls_server_config", "http_server_config", "basic_auth_users"},
    "tls_server_config": {
        "cert_file",
        "key_file",
        "client_ca_file",
        "client_auth_type",
        "min_version",
        "max_version",
        "prefer_server_cipher_suites",
    },
    "http_server_config": {"http2", "headers"},
}
_NOT_HERE = {"cipher_suites", "curve_preferences", "client_allowed_sans", "rate_limit"} | {
    "cert",
    "key",
    "client_ca",
}
_HEADERS = {
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
}
_AUTH = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_HASH = re.compile(r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}")

_NOBODY = "$2b$10$abcdefghijklmnopqrstuuAkhIP5xPZFsDXdKrFQ2cfDqQkN1bDqS"
"""Checked when the user is not known, so that the time taken does not tell."""


class _Settings(Struct, frozen=True):
    context: ssl.SSLContext | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


class WebConfig:
    """A web configuration that follows its file. Raises ConfigError when it is wrong at first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        """Why a change of the file is not followed; empty when it is."""
        self._lock = threading.Lock()
        self._good: set[bytes] = set()
        self._settings = _load(path)
        self._stamp = self._seen()

    def context(self) -> ssl.SSLContext | None:
        """The TLS context of a new connection; None: no TLS. Follows a change of the files."""
        if (stamp := self._seen()) != self._stamp:
            self._stamp = stamp
            try:
                self._settings, self.trouble = _load(self.path), ""
                self._stamp = self._seen()
            except ConfigError as error:
                self.trouble = str(error)
        return self._settings.context

    def admits(self, authorization: str) -> bool:
        """Whether this header is one of a user's. A bcrypt check takes 60 to 240 ms and is done
        once for each right password."""
        users = self._settings.users
        if not users:
            return True
        name, password = _credentials(authorization)
        hashed = users.get(name, _NOBODY)
        key = hashlib.sha256(f"{hashed}\0{password}".encode()).digest()
        with self._lock:
            if key in self._good:
                return True
        if not _matches(password, hashed) or name not in users:
            return False
        with self._lock:
            if len(self._good) >= 100:
                self._good.clear()
            self._good.add(key)
        return True

    def headers(self) -> Mapping[str, str]:
        """Headers of every answer."""
        return self._settings.headers

    def is_tight(self) -> bool:
        """Whether there is TLS, and strangers have neither a password nor a certificate."""
        context = self._settings.context
        return context is not None and (
            bool(self._settings.users) or context.verify_mode is ssl.CERT_REQUIRED
        )

    def _seen(self) -> tuple[tuple[int, int, int] | None, ...]:
        """What changes when a file does."""
        return tuple(_stamp(path) for path in (self.path, *self._settings.files))


def _load(path: Path) -> _Settings:
    try:
        told = yaml.safe_load(path.read_text("utf-8")) or {}
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from error
    mistakes: list[str] = []
    top = _table(told, "", mistakes)
    tls = _table(top.get("tls_server_config"), "tls_server_config", mistakes)
    http = _table(top.get("http_server_config"), "http_server_config", mistakes)
    users = _texts(top.get("basic_auth_users"), "basic_auth_users", mistakes)
    headers = _texts(http.get("headers"), "http_server_config.headers", mistakes)
    mistakes += [
        f"basic_auth_users: the password of {name} must be a bcrypt hash (`htpasswd -nBC 10 ''`)"
        for name, hashed in users.items()
        if not _HASH.fullmatch(hashed)
    ]
    mistakes += [
        f"http_server_config.headers: {name} cannot be set"
        for name, value in headers.items()
        if name not in _HEADERS or "\n" in value or "\r" in value
    ]
    files = {
        key: path.parent / str(tls[key])
        for key in ("cert_file", "key_file", "client_ca_file")
        if tls.get(key)
    }
    context = None if not tls or mistakes else _context(tls, files, mistakes)
    if mistakes:
        raise ConfigError([f"{path}: {mistake}" for mistake in mistakes])
    return _Settings(context, users, headers, tuple(files.values()))


def _table(told: object, name: str, mistakes: list[str]) -> dict[str, Any]:
    if told is None:
        return {}
    where = f"{name}: " if name else ""
    if not isinstance(told, dict):
        mistakes.append(f"{where}must be a table of keys")
        return {}
    for key in told:
        if key in _NOT_HERE:
            mistakes.append(f"{where}{key} is not supported by dockerdoctor")
        elif key not in _KEYS[name]:
            mistakes.append(f"{where}there is no key {key}")
    return told


def _texts(told: object, name: str, mistakes: list[str]) -> dict[str, str]:
    if told is None:
        return {}
    if isinstance(told, dict) and all(isinstance(x, str) for pair in told.items() for x in pair):
        return told
    mistakes.append(f"{name}: must be a table of texts")
    return {}


def _context(
    tls: Mapping[str, Any], files: Mapping[str, Path], mistakes: list[str]
) -> ssl.SSLContext | None:
    found = len(mistakes)
    auth = str(tls.get("client_auth_type", ""))
    if auth not in _AUTH:
        mistakes.append(f"tls_server_config: client_auth_type: must be one of {_known(_AUTH)}")
    elif _AUTH[auth] is not ssl.CERT_NONE and "client_ca_file" not in files:
        mistakes.append(f"tls_server_config: client_auth_type {auth} needs a client_ca_file")
    elif _AUTH[auth] is ssl.CERT_NONE and "client_ca_file" in files:
        mistakes.append("tls_server_config: client_ca_file needs a client_auth_type")
    mistakes += [
        f"tls_server_config: {key}: must be one of {_known(_VERSIONS)}"
        for key in ("min_version", "max_version")
        if tls.get(key, "TLS12") not in _VERSIONS
    ]
    mistakes += [
        f"tls_server_config: {key} is missing"
        for key in ("cert_file", "key_file")
        if key not in files
    ]
    if len(mistakes) > found:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.get("min_version", "TLS12")]
    context.maximum_version = _VERSIONS[tls.get("max_version", "TLS13")]
    try:
        context.load_cert_chain(files["cert_file"], files["key_file"], password="")
        if "client_ca_file" in files:
            context.load_verify_locations(files["client_ca_file"])
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(map(str, files.values()))
        mistakes.append(f"tls_server_config: {names}: {error.strerror or error}")
        return None
    context.verify_mode = _AUTH[auth]
    return context


def _credentials(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    with suppress(binascii.Error, UnicodeDecodeError):
        if scheme.lower() == "basic":
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
            return name, password
    return "", ""


def _matches(password: str, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode(), hashed.encode())
    except ValueError:  # longer than bcrypt takes, or with a zero byte
        return False


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _known(words: Mapping[str, object]) -> str:
    return ", ".join(word for word in words if word)
