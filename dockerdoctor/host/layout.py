"""Where a dockerd keeps its things: its command line and its daemon.json go in, paths come out.

Asked of neither the daemon (which may hang) nor the file systems (which may hang too).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host.lanes import Lanes

FILE_S = 2.0
"""Deadline of reading daemon.json, which may lie on a file system that hangs."""

SOCKET = "/var/run/docker.sock"
"""Where dockerd listens that is told `unix://` and no more."""
CONFIG_FILE = Path("/etc/docker/daemon.json")
CONTAINERD_CONFIG = Path("/etc/containerd/config.toml")
CONTAINERD_HOME = Path("/var/lib/containerd")
SYSTEM_CONTAINERD = Path("/run/containerd/containerd.sock")
"""What dockerd uses without --containerd when this socket is there at its start."""

_SHORT = {"-g": "--graph", "-p": "--pidfile"}
_FLAGS = frozenset(
    ("--data-root", "--graph", "--exec-root", "--containerd", "--containerd-namespace")
) | {"--config-file", "--pidfile", "--userns-remap"}
_MAPPED = re.compile(r"\d+\.\d+")
"""What a daemon that maps users calls its directory in the data-root: the first uid and gid."""


class Layout(msgspec.Struct, frozen=True):
    """Paths of one daemon; the defaults are dockerd's own (/var/run is a link to /run)."""

    data_root: Path = Path("/var/lib/docker")
    exec_root: Path = Path("/run/docker")
    containerd: Path | None = None
    """The socket named with --containerd; None when dockerd chose for itself."""
    pidfile: Path = Path("/run/docker.pid")
    containerd_home: Path = CONTAINERD_HOME
    """The root of the system's containerd."""
    namespace: str = "moby"
    """containerd's namespace of this daemon: shims of others are not ours."""
    maps_users: bool = False
    """Whether it keeps its things one directory deeper, by the users that it maps to."""
    hosts: tuple[str, ...] = ()
    """Where it was told to listen; empty: at the usual socket, or nobody knows."""

    @property
    def own_containerd(self) -> Path:
        """The socket of a containerd that dockerd started itself."""
        return self.exec_root / "containerd/containerd.sock"

    def containerd_socket(self) -> Path:
        """Its own containerd's while there is one, else the system's."""
        if self.containerd is not None:
            return self.containerd
        there = os.path.exists(self.own_containerd)  # noqa: PTH110  it never raises, whoever asks
        return self.own_containerd if there else SYSTEM_CONTAINERD

    def containerd_root(self) -> Path:
        """Where that containerd keeps images (engine 29) and metadata."""
        if self.containerd_socket() == self.own_containerd:
            return self.data_root / "containerd/daemon"
        return self.containerd_home

    @property
    def takes_sockets(self) -> bool:
        """Whether systemd hands over where it listens."""
        return any(each.startswith("fd:") for each in self.hosts)

    def listens_elsewhere(self, path: Path) -> bool:
        """Whether it was told to listen at other places alone than this socket. What systemd hands
        over (fd://) may be any."""
        told = [each for each in self.hosts if not each.startswith("fd:")]
        return len(told) == len(self.hosts) > 0 and all(
            os.path.realpath(each.removeprefix("unix://") or SOCKET) != os.path.realpath(path)
            for each in told
        )


def hosts(argv: Sequence[str]) -> list[str]:
    """All that -H and --host say."""
    found: list[str] = []
    words = iter(argv[1:])
    for word in words:
        if word in ("-H", "--host"):
            found.append(next(words, ""))
        elif word.startswith("--host="):
            found.append(word.removeprefix("--host="))
        elif word.startswith("-H"):
            found.append(word.removeprefix("-H").removeprefix("="))
    return found


def flags(argv: Sequence[str]) -> Mapping[str, str]:
    """The flags of a dockerd command line that matter here; the last one of a name holds."""
    found: dict[str, str] = {}
    words = iter(argv[1:])
    for word in words:
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        if name in _FLAGS:
            found[name] = value if equals else next(words, "")
    return found


def parse_config(text: str) -> Mapping[str, str]:
    """The text keys of a daemon.json, and its hosts, one a line; nothing of one that is garbled
    (the daemon has then not started with it either)."""
    try:
        said = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError):
        return {}
    if not isinstance(said, dict):
        return {}
    found = {key: value for key, value in said.items() if isinstance(value, str)}
    if isinstance(told := said.get("hosts"), list):
        found["hosts"] = "\n".join(each for each in told if isinstance(each, str))
    return found


def layout(argv: Sequence[str], config: Mapping[str, str]) -> Layout:
    """The flags, then daemon.json, then the defaults (dockerd refuses a key given in both)."""
    given = flags(argv)
    usual = Layout()

    def said(flag: str, *keys: str) -> str:
        values = [given.get(flag, ""), *(given.get(f"--{key}", "") for key in keys)]
        values += [config.get(key, "") for key in (flag.removeprefix("--"), *keys)]
        return next((value for value in values if value), "")

    containerd = said("--containerd").removeprefix("unix://")
    return Layout(
        data_root=Path(said("--data-root", "graph") or usual.data_root),
        exec_root=Path(said("--exec-root") or usual.exec_root),
        containerd=Path(containerd) if containerd else None,
        pidfile=Path(said("--pidfile") or usual.pidfile),
        namespace=said("--containerd-namespace") or usual.namespace,
        maps_users=bool(said("--userns-remap")),
        hosts=(*hosts(argv), *config.get("hosts", "").splitlines()),
    )


def config_file(argv: Sequence[str]) -> Path:
    """Which daemon.json this command line reads."""
    return Path(flags(argv).get("--config-file") or CONFIG_FILE)


class _Containerd(msgspec.Struct):
    root: str = ""


def containerd_home(text: str) -> Path:
    """The root that a containerd's config.toml says, or the usual one."""
    root = ""
    if text:  # to read TOML is to load its reader
        with contextlib.suppress(msgspec.MsgspecError):
            root = msgspec.toml.decode(text, type=_Containerd).root
    return Path(root) if root else CONTAINERD_HOME


def mapped(root: Path) -> Path:
    """The directory of the users that were mapped to last; `root` itself where there is none."""
    found = [each for each in root.iterdir() if _MAPPED.fullmatch(each.name)]
    return max(found, key=lambda each: each.stat().st_mtime, default=root)


def read(argv: Sequence[str], lanes: Lanes) -> Layout:
    """The layout by a command line, the daemon.json that it reads and containerd's configuration;
    one that cannot be read says nothing."""

    def text(path: Path) -> str:
        with contextlib.suppress(HostFault, OSError, UnicodeDecodeError):
            return lanes.run(f"read {path}", path.read_text, FILE_S)
        return ""

    found = layout(argv, parse_config(text(config_file(argv))))
    if found.maps_users:
        with contextlib.suppress(HostFault, OSError):
            root = found.data_root
            inner = lanes.run(f"look into {root}", lambda: mapped(root), FILE_S)
            found = replace(found, data_root=inner)
    return replace(found, containerd_home=containerd_home(text(CONTAINERD_CONFIG)))
