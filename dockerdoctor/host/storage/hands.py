"""Many trees measured by several processes at once: one alone is slower than `du`, which is C.

In: a `Walk`, an open directory, names. Out: a `Usage` for each name, as the walk alone would tell.
Helpers are forked only once it has taken a moment; they take names from a pipe until it is empty
and tell each result by a socket. What is not told (a helper died, or had too much to tell) is
measured here.

They are forked although threads may be there (a look with a deadline leaves one behind): a helper
does nothing but read directories, and takes no lock that another thread could have held.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

import msgspec

from dockerdoctor.host.storage.facts import Usage
from dockerdoctor.host.storage.opened import Directory
from dockerdoctor.host.storage.walk import BLOCK, Walk

if TYPE_CHECKING:
    from socket import socket

PATIENCE_S = 0.03
"""What is done by then needs no helper: to fork one takes some 5 ms."""
_JOB = struct.Struct("<I")
_MOST = 8192
"""Jobs that fit into a pipe (64 KiB) at once, with room to spare."""
_LONGEST = 64 << 10
"""Bytes of one result; a longer one is not told."""


class _Told(msgspec.Struct, array_like=True):
    """One tree, as a helper found it."""

    job: int
    bytes: int
    inodes: int
    walked: int
    links: dict[int, list[int]]
    skipped: list[str]
    more_skipped: int


def measured(
    walk: Walk,
    directory: Directory,
    names: Sequence[str],
    place: str,
    hands: int = 1,
    patience_s: float = PATIENCE_S,
) -> Iterator[tuple[str, Usage]]:
    """Each name with its size, in any order; `place` is what people call the directory. What is
    large comes first, if anybody knows: the last one should not be waited for."""
    began = time.monotonic()
    for number, name in enumerate(names):
        left = names[number : number + _MOST]
        alone = hands < 2 or len(left) < 2
        if not alone and time.monotonic() - began >= patience_s:
            yield from _together(walk, directory, left, place, hands)
            left = names[number + len(left) :]
            yield from measured(walk, directory, left, place, hands, patience_s)
            return
        yield name, walk.tree(directory, name, f"{place}/{name}")


def _together(
    walk: Walk, directory: Directory, names: Sequence[str], place: str, hands: int
) -> Iterator[tuple[str, Usage]]:
    """Until all are told: by the helpers, or else by this process."""
    from socket import AF_UNIX, SOCK_SEQPACKET, socketpair  # seldom needed, and slow to load

    jobs, put = os.pipe()
    os.write(put, b"".join(_JOB.pack(number) for number in range(len(names))))
    os.close(put)
    told_here, tell = socketpair(AF_UNIX, SOCK_SEQPACKET)
    helpers: list[int] = []
    waiting = dict(enumerate(names))
    try:
        with tell, contextlib.suppress(OSError):  # as many processes as the system allows
            for _ in range(min(hands, len(names))):
                if (pid := os.fork()) == 0:
                    told_here.close()  # so that it notices when nobody listens any more
                    _help(walk.device, directory, names, place, jobs, tell)
                helpers.append(pid)
        while message := told_here.recv(_LONGEST):  # until the last helper has closed its end
            told = msgspec.msgpack.decode(message, type=_Told)
            yield waiting.pop(told.job), _merged(walk, told)
        for name in waiting.values():
            yield name, walk.tree(directory, name, f"{place}/{name}")
    finally:
        os.close(jobs)
        told_here.close()
        for pid in helpers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _help(
    device: int,
    directory: Directory,
    names: Sequence[str],
    place: str,
    jobs: int,
    tell: socket,
) -> NoReturn:
    """A helper's life."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        while len(taken := os.read(jobs, _JOB.size)) == _JOB.size:  # each to one reader only
            number = int(_JOB.unpack(taken)[0])
            own = Walk(device)
            use = own.tree(directory, names[number], f"{place}/{names[number]}")
            found = (own.walked, own.links, own.skipped, own.more_skipped)
            told = msgspec.msgpack.encode(_Told(number, use.bytes, use.inodes, *found))
            if len(told) <= _LONGEST:
                tell.send(told)
    finally:
        os._exit(0)


def _merged(walk: Walk, told: _Told) -> Usage:
    """What a helper found, without the files that were counted under another name before."""
    twice = [link[0] for inode, link in told.links.items() if inode in walk.links]
    walk.links.update(told.links)
    walk.walked += told.walked - len(twice)
    walk.more_skipped += told.more_skipped
    walk.tick(told.walked)
    for each in told.skipped:
        walk.note(each)
    return Usage(told.bytes - BLOCK * sum(twice), told.inodes - len(twice))
