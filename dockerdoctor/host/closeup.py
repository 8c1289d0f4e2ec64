"""The closer look on Linux: paths, units and the API go in, the nouns of `lens` come out.

What may hang (a file on a dead disk, the command line of a stuck process) goes through lanes.
"""

from __future__ import annotations

import contextlib
import grp
import itertools
import os
import pwd
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from dockerdoctor.errors import HostFault
from dockerdoctor.host import answers, firewall, http, launch, processes, programs, unitfile
from dockerdoctor.host.address import Address
from dockerdoctor.host.faults import from_os
from dockerdoctor.host.keeper import Keeper
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.host.lens import MAX_BYTES, Caller, Entry, Network, Program, Word
from dockerdoctor.model import Fault

FILE_S = 2.0
COMMAND_S = 3.0
MAX_NAMES = 10_000
Result = TypeVar("Result")


class Closeup:
    """The Lens of one daemon on this machine."""

    def __init__(
        self, address: Address, keeper: Keeper, lanes: Lanes, wake_nobody: Callable[[], None]
    ) -> None:
        """`wake_nobody` raises HostFault where a connection would start a stopped daemon."""
        self._address = address
        self._keeper = keeper
        self._lanes = lanes
        self._wake_nobody = wake_nobody

    def socket(self) -> Path | None:
        return Path(self._address.path) if self._address.kind == "unix" else None

    def command(self) -> Sequence[Word]:
        units = self._keeper.journal_units()
        if not units:
            return [Word(text, "its command line") for text in self._keeper.dockerd_argv()]
        return unitfile.of(units[0])

    def entry(self, path: Path) -> Entry:
        seen = self._file(f"stat {path}", path.stat)
        return Entry(
            kind=_kind(seen.st_mode),
            mode=stat.S_IMODE(seen.st_mode),
            owner=_user(seen.st_uid),
            group=_group(seen.st_gid),
            size=seen.st_size,
            changed=seen.st_mtime,
        )

    def content(self, path: Path, limit: int = MAX_BYTES) -> bytes:
        def read() -> bytes:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a fifo never ends
            with os.fdopen(fd, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise HostFault(Fault.REFUSED, f"{path} is not a plain file")
                return file.read(limit)

        return self._file(f"read {path}", read)

    def names(self, path: Path) -> Sequence[str]:
        def listed() -> list[str]:
            with os.scandir(path) as entries:
                return sorted(entry.name for entry in itertools.islice(entries, MAX_NAMES))

        return self._file(f"list {path}", listed)

    def caller(self) -> Caller:
        uid = os.geteuid()
        name = _user(uid)
        groups = tuple(sorted({_group(each) for each in {os.getegid(), *os.getgroups()}}))
        entitled: tuple[str, ...] = ()
        with contextlib.suppress(KeyError, OSError):
            gid = pwd.getpwuid(uid).pw_gid
            entitled = tuple(sorted({_group(each) for each in os.getgrouplist(name, gid)}))
        return Caller(uid, name, groups, entitled)

    def dockerds(self) -> Sequence[Program]:
        found = []
        for process in processes.all_named("dockerd"):  # which goes by the beginning of a name
            with contextlib.suppress(OSError, HostFault):
                ours = processes.same_namespace(process.pid, "self", "pid")
                if ours and programs.is_dockerd(process):
                    words = launch.words_within(self._lanes, process, FILE_S)
                    found.append(Program(process, tuple(words)))
        return found

    def chains(self) -> frozenset[str]:
        if os.geteuid() != 0:
            raise HostFault(Fault.DENIED, "only root sees the firewall", "try again as root")
        return firewall.parse_chains(firewall.saved(COMMAND_S))

    def networks(self, timeout_s: float) -> Sequence[Network]:
        self._wake_nobody()
        answer = self._lanes.run(
            "GET /networks",
            lambda: http.ask(self._address, "GET", "/networks", timeout_s),
            timeout_s,
        )
        if answer.head.status != 200:
            raise answers.not_granted(answer, self._address)
        return parse_networks(answer.body)

    def _file(self, kind: str, work: Callable[[], Result]) -> Result:
        try:
            return self._lanes.run(kind, work, FILE_S)
        except OSError as error:
            raise from_os(error, f"cannot {kind}") from error


class _Range(answers.Wanted):
    subnet: answers.Text = ""


class _Ipam(answers.Wanted):
    config: list[_Range] | None = None


class _Network(answers.Wanted):
    name: answers.Text
    driver: answers.Text = ""
    ipam: _Ipam | None = msgspec.field(name="IPAM", default=None)


def parse_networks(body: bytes) -> Sequence[Network]:
    """The answer of `GET /networks`. HostFault(GARBLED)."""
    told = answers.understood(
        lambda: msgspec.json.decode(body, type=list[_Network]), "GET /networks"
    )
    return [
        Network(
            each.name,
            each.driver,
            tuple(one.subnet for one in ((each.ipam and each.ipam.config) or []) if one.subnet),
        )
        for each in told
    ]


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "directory"), (stat.S_ISSOCK, "socket"))
    return next((name for holds, name in kinds if holds(mode)), "other")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
