"""What a closer look at a machine that is not there sees: a well one, until a test breaks it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host.lens import Caller, Entry, Network, Program, Word
from dockerdoctor.model import Fault

SOCKET = Path("/var/run/docker.sock")
UNIT = "/lib/systemd/system/docker.service"
DAEMON_JSON = Path("/etc/docker/daemon.json")
RESOLV = Path("/etc/resolv.conf")


class FakeLens:
    """Set what it sees: `lens.files[path] = b"..."`."""

    def __init__(self) -> None:
        self.files: dict[Path, bytes] = {RESOLV: b"nameserver 192.0.2.1\n"}
        self.entries = {SOCKET: Entry("socket", 0o660, "root", "docker")}
        self.directories: dict[Path, list[str]] = {Path("/sys/class/net"): ["docker0", "lo"]}
        self.who = Caller(0, "root", ("root",), ("root",))
        self.words = [Word("dockerd", UNIT), Word("-H", UNIT), Word("fd://", UNIT)]
        self.running: list[Program] = []
        self.firewall = frozenset({"nat DOCKER", "filter DOCKER"})
        self.all_networks = [Network("bridge", "bridge", ("172.17.0.0/16",))]
        self.changed = 0.0
        """When the files were last changed (wall clock, s)."""
        self.faults: dict[str, HostFault] = {}
        """By method name: what this look raises."""

    def socket(self) -> Path | None:
        return SOCKET

    def command(self) -> Sequence[Word]:
        self._fail("command")
        return self.words

    def entry(self, path: Path) -> Entry:
        self._fail("entry")
        if path in self.files:
            return Entry("file", 0o644, "root", "root", len(self.files[path]), self.changed)
        if path not in self.entries:
            raise _missing(path)
        return self.entries[path]

    def content(self, path: Path, limit: int = 1 << 20) -> bytes:
        self._fail("content")
        if path not in self.files:
            raise _missing(path)
        return self.files[path][:limit]

    def names(self, path: Path) -> Sequence[str]:
        self._fail("names")
        if path not in self.directories:
            raise _missing(path)
        return sorted(self.directories[path])

    def caller(self) -> Caller:
        return self.who

    def dockerds(self) -> Sequence[Program]:
        self._fail("dockerds")
        return self.running

    def chains(self) -> frozenset[str]:
        self._fail("chains")
        return self.firewall

    def networks(self, timeout_s: float) -> Sequence[Network]:
        self._fail("networks")
        return self.all_networks

    # Breaking it.

    def daemon_json(self, text: str) -> None:
        """What lies in /etc/docker/daemon.json."""
        self.files[DAEMON_JSON] = text.encode()

    def is_called_by(self, name: str, *groups: str, entitled: tuple[str, ...] = ()) -> None:
        """Somebody who is not root runs it."""
        self.who = Caller(1000, name, groups, entitled or groups)

    def socket_is(self, **changes: object) -> None:
        """Change what the socket's entry says."""
        self.entries[SOCKET] = replace(self.entries[SOCKET], **changes)

    def _fail(self, name: str) -> None:
        if name in self.faults:
            raise self.faults[name]


def _missing(path: Path) -> HostFault:
    return HostFault(Fault.MISSING, f"there is no {path}")
