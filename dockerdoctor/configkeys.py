"""Every key that the configuration knows: where it stands, what it may say, what that becomes.

A reader takes the value of a key and returns the field's, or raises ValueError with a sentence.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from dockerdoctor import units
from dockerdoctor.model import Impact

_WORDS = {str: "text in quotes", bool: "true or false", int: "a whole number"}


class Key(msgspec.Struct, frozen=True):
    """One key: the field it sets, the kind of value TOML must give it, and how it is read."""

    field: str
    kind: Any
    read: Callable[[Any], object]

    def value(self, told: object) -> object:
        """The field's value. Raises ValueError."""
        try:
            converted = msgspec.convert(told, self.kind)
        except msgspec.ValidationError:
            kind = _WORDS.get(self.kind, "a list of texts in quotes")
            raise ValueError(f"must be {kind}, not {_shown(told)}") from None
        return self.read(converted)


def address_of(listen: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:10073", "[::1]:10073", "localhost:10073" or ":10073"."""
    host, colon, port = listen.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"“{listen}” is no address: write it like 127.0.0.1:10073")
    if ":" in host and not bracketed:
        raise ValueError(f"“{listen}” is no address: write IPv6 like [::1]:10073")
    return host[1:-1] if bracketed else host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this host can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _text(field: str, read: Callable[[str], object]) -> Key:
    return Key(field, str, read)


def _flag(field: str) -> Key:
    return Key(field, bool, bool)


def _path(told: str) -> Path:
    if not told.startswith("/"):
        raise ValueError(f"must be an absolute path, not “{told}”")
    return Path(told)


def _path_or_none(told: str) -> Path | None:
    return _path(told) if told else None


def _textfile(told: str) -> Path | None:
    if told and not told.endswith(".prom"):
        raise ValueError(f"must end in .prom, or node_exporter does not read it, not “{told}”")
    return _path_or_none(told)


def _paths(told: list[str]) -> tuple[Path, ...]:
    return tuple(_path(entry) for entry in told)


def _local_host(told: str) -> str:
    if not told.startswith("unix:///") or told == "unix:///":
        raise ValueError(
            f"“{told}” is not the daemon of this host, and no other can be healed from here: "
            "write it like unix:///var/run/docker.sock"
        )
    return told


def _unit(suffix: str, may_be_empty: bool = True) -> Callable[[str], str]:
    def read(told: str) -> str:
        if not told and may_be_empty:
            return told
        if not re.fullmatch(rf"[A-Za-z0-9:_.\\@-]+\.{suffix}", told) or told.startswith("-"):
            raise ValueError(f"must be the name of a unit that ends in .{suffix}, not “{told}”")
        return told

    return read


def _span(least: float, most: float) -> Callable[[str], float]:
    def read(told: str) -> float:
        seconds = units.parse_seconds(told)
        if not least <= seconds <= most:
            limits = f"{units.plain_seconds(least)} to {units.plain_seconds(most)}"
            raise ValueError(f"must be from {limits}, not {told}")
        return seconds

    return read


def _share(told: str) -> float:
    ratio = units.parse_ratio(told)
    if not 0.01 <= ratio <= 1:
        raise ValueError(f"must be from 1% to 100%, not {told}")
    return ratio


def _size(told: str) -> int:
    return int(units.parse_bytes(told))


def _count(least: int, most: int) -> Callable[[int], int]:
    def read(told: int) -> int:
        if not least <= told <= most:
            raise ValueError(f"must be from {least} to {most}, not {told}")
        return told

    return read


def _impact(told: str) -> Impact:
    if told.upper() not in Impact.__members__:
        words = ", ".join(impact.name.lower() for impact in Impact)
        raise ValueError(f"must be one of {words}, not “{told}”")
    return Impact[told.upper()]


def _listen(told: str) -> str:
    if told:
        address_of(told)
    return told


def _shown(told: object) -> str:
    if isinstance(told, bool):
        return str(told).lower()
    return "a table" if isinstance(told, dict) else repr(told)


KEYS: Mapping[str, Mapping[str, Key]] = {
    "": {"rules_dirs": Key("rules_dirs", list[str], _paths)},
    "daemon": {
        "host": _text("host", _local_host),
        "unit": _text("unit", _unit("service", may_be_empty=False)),
        "socket_unit": _text("socket_unit", _unit("socket")),
        "containerd_unit": _text("containerd_unit", _unit("service")),
        "pidfile": _text("pidfile", _path_or_none),
        "data_root": _text("data_root", _path_or_none),
        "containerd_root": _text("containerd_root", _path_or_none),
        "containerd_socket": _text("containerd_socket", _path_or_none),
    },
    "watch": {
        "pace": _text("pace_s", _span(0.1, 600)),
        "close_pace": _text("close_pace_s", _span(0.1, 600)),
        "ping_timeout": _text("ping_timeout_s", _span(0.1, 60)),
        "state_dir": _text("state_dir", _path),
        "run_dir": _text("run_dir", _path),
        "evidence_dir": _text("evidence_dir", _path_or_none),
    },
    "policy": {
        "max_impact": _text("max_impact", _impact),
        "max_climbs": Key("max_climbs", int, _count(1, 1000)),
        "window": _text("window_s", _span(1, 7 * 86400)),
        "cooldown": _text("cooldown_s", _span(0, 86400)),
        "reboot_every": _text("reboot_every_s", _span(0, 365 * 86400)),
        "kill_shims": _flag("kill_shims"),
        "bring_back": _flag("bring_back"),
    },
    "disk": {
        "start": _text("start_ratio", _share),
        "stop": _text("stop_ratio", _share),
        "grace": _text("grace_s", _span(0, 3650 * 86400)),
        "keep": Key("keep", list[str], tuple),
        "cut_logs": _flag("cut_logs"),
        "keep_log": _text("keep_log_bytes", _size),
        "orphans": _flag("orphans"),
        "orphan_age": _text("orphan_age_s", _span(0, 3650 * 86400)),
        "anonymous_volumes": _flag("anonymous_volumes"),
    },
    "canary": {
        "enabled": _flag("enabled"),
        "every": _text("every_s", _span(10, 86400)),
    },
    "metrics": {
        "listen": _text("listen", _listen),
        "web_config": _text("web_config", _path_or_none),
        "allow_insecure": _flag("allow_insecure"),
        "textfile": _text("textfile", _textfile),
        "container_labels": _flag("container_labels"),
        "max_containers": Key("max_containers", int, _count(1, 1000)),
    },
}
"""All keys by table; the table "" is the top of the file."""
