"""Who is connected to a unix socket: a path goes in, processes with their connections come out.

The kernel tells the peer of each connection (sock_diag, what `ss -xp` asks); the peer's inode is
found among the open files of /proc. All of /proc is read, so this is asked when a rule wants a
name, not at each look: 20 ms with 2,000 connections. A connection belongs to the network namespace
of its client, so those from containers that have the socket mounted are counted in their own.
"""

from __future__ import annotations

import collections
import contextlib
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from dockerdoctor.host import processes
from dockerdoctor.host.faults import from_os
from dockerdoctor.host.traces import Client

# linux/sock_diag.h, linux/unix_diag.h, linux/netlink.h
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLM_F_REQUEST, NLM_F_DUMP = 0x001, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
UDIAG_SHOW_NAME, UDIAG_SHOW_PEER = 0x1, 0x4
UNIX_DIAG_NAME, UNIX_DIAG_PEER = 0, 2
ESTABLISHED = 1
HEADER = struct.Struct("=IHHII")
REQUEST = struct.Struct("=BBHIIIII")
ANSWER = struct.Struct("=BBBBIII")
ATTRIBUTE = struct.Struct("=HH")
DEADLINE_S = 2.0
CONNECTED = "03"
"""SS_CONNECTED among the states of /proc/net/unix."""
ACCEPTED = "00000000"
"""Its flags of a socket that does not listen."""
MOST = 50_000
"""Processes that are looked at."""


def connected_to(path: Path) -> tuple[Client, ...]:
    """Who is connected to the socket at `path`, the most connections first. Raises HostFault when
    the kernel does not tell; clients whose files may not be seen (not root) are left out."""
    wanted = os.path.realpath(path)
    try:
        peers = {peer for name, peer in connections() if os.path.realpath(name) == wanted}
    except OSError as error:
        raise from_os(error, f"cannot see who is connected to {path}") from error
    counts: dict[int, int] = collections.Counter()
    for pid in _pids():
        if held := sum(inode in peers for inode in _sockets(pid)):
            counts[pid] = held
    for pid, count in _elsewhere(wanted):
        counts[pid] = counts.get(pid, 0) + count
    found = ((processes.identify(pid), count) for pid, count in counts.items())
    clients = [Client(process, count) for process, count in found if process is not None]
    return tuple(sorted(clients, key=lambda each: (-each.connections, each.process.pid)))


def connections() -> Iterator[tuple[str, int]]:
    """Each connected unix socket of our network namespace that has a path: the path it was bound
    to, and its peer's inode. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as link:
        link.settimeout(DEADLINE_S)
        show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER
        asked = REQUEST.pack(socket.AF_UNIX, 0, 0, 1 << ESTABLISHED, 0, show, 0, 0)
        flags = NLM_F_REQUEST | NLM_F_DUMP
        link.send(HEADER.pack(HEADER.size + len(asked), SOCK_DIAG_BY_FAMILY, flags, 1, 0) + asked)
        while True:
            data = link.recv(1 << 18)
            for kind, body in _messages(data):
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    number = -struct.unpack_from("=i", body)[0]
                    raise OSError(number, os.strerror(number))
                told = _attributes(body[ANSWER.size :])
                if UNIX_DIAG_NAME in told and UNIX_DIAG_PEER in told:
                    name = os.fsdecode(told[UNIX_DIAG_NAME].rstrip(b"\0"))
                    if name.startswith("/"):
                        yield name, struct.unpack("=I", told[UNIX_DIAG_PEER])[0]


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, *_ = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            return
        yield kind, data[at + HEADER.size : at + length]
        at += (length + 3) & ~3


def _attributes(data: bytes) -> Mapping[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size:
            break
        found[kind] = data[at + ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def _pids() -> Iterator[int]:
    names = (name for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208 40,000 paths
    return (int(name) for name, _ in zip(names, range(MOST), strict=False))


def _sockets(pid: int) -> Iterator[int]:
    """The inodes of the sockets that a process has open, as far as they may be seen."""
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as files:
        for file in files:
            with contextlib.suppress(OSError):
                target = os.readlink(file.path)  # noqa: PTH115 thousands of them
                if target.startswith("socket:["):
                    yield int(target[8:-1])


def _elsewhere(wanted: str) -> Iterator[tuple[int, int]]:
    """Connections from other network namespaces, as counts for the oldest process of each."""
    seen = {_namespace("self")}
    for pid in sorted(_pids()):
        if (namespace := _namespace(str(pid))) and namespace not in seen:
            seen.add(namespace)
            if count := _accepted(pid, wanted):
                yield pid, count


def _namespace(pid: str) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/net")  # noqa: PTH115 thousands of them
    return ""


def _accepted(pid: int, wanted: str) -> int:
    """The daemon's ends of connections that belong to this process's network namespace."""
    try:
        lines = Path(f"/proc/{pid}/net/unix").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return 0
    # address: references protocol flags type state inode path
    rows = (words for line in lines if len(words := line.split(None, 7)) == 8)
    return sum(
        words[3:6:2] == [ACCEPTED, CONNECTED] and os.path.realpath(words[7]) == wanted
        for words in rows
    )
