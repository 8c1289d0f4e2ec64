"""Many trees measured by several processes at once: one alone is slower than `du`, which is C.

In: a `Walk`, an open directory, names. Out: a `Usage` for each name, as the walk alone would tell.
Helpers are forked only once it has taken a moment; they take names from a pipe until it is empty
and tell each result by another. A helper that dies is no loss: what it has not told is measured
here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import threading
import time
from collections.abc import Iterator, Sequence

import msgspec

from dockerdoctor.host.storage.facts import Usage
from dockerdoctor.host.storage.opened import Directory
from dockerdoctor.host.storage.walk import BLOCK, Walk

PATIENCE_S = 0.2
"""What is done by then needs no helper: to fork one takes some 5 ms."""
_JOB = struct.Struct("<I")
_SIZE = struct.Struct("<Q")
_MOST = 8192
"""Jobs that fit into a pipe (64 KiB) at once, with room to spare."""


class _Told(msgspec.Struct, array_like=True):
    """One tree, as a helper found it."""

    job: int
    bytes: int
    inodes: int
    walked: int
    links: dict[int, int]
    skipped: list[str]


def measured(
    walk: Walk,
    directory: Directory,
    names: Sequence[str],
    place: str,
    hands: int = 1,
    patience_s: float = PATIENCE_S,
) -> Iterator[tuple[str, Usage]]:
    """Each name with its size, in any order; `place` is what people call the directory."""
    began = time.monotonic()
    for number, name in enumerate(names):
        left = names[number : number + _MOST]
        alone = hands < 2 or len(left) < 2 * hands or threading.active_count() > 1
        if not alone and time.monotonic() - began >= patience_s:
            yield from _together(walk, directory, left, place, hands)
            yield from measured(
                walk, directory, names[number + len(left) :], place, hands, patience_s
            )
            return
        yield name, walk.tree(directory, name, f"{place}/{name}")


def _together(
    walk: Walk, directory: Directory, names: Sequence[str], place: str, hands: int
) -> Iterator[tuple[str, Usage]]:
    """Until all are told: by the helpers, or by this process."""
    jobs, put = os.pipe()
    os.write(put, b"".join(_JOB.pack(number) for number in range(len(names))))
    os.close(put)
    helpers: list[tuple[int, int]] = []
    waiting = dict(enumerate(names))
    try:
        with contextlib.suppress(OSError):  # as many processes as the system allows
            for _ in range(hands - 1):
                helpers.append(_forked(walk, directory, names, place, jobs))  # noqa: PERF401
        while (number := _next(jobs)) is not None:
            name = waiting.pop(number)
            yield name, walk.tree(directory, name, f"{place}/{name}")
        for _, tells in helpers:
            for told in _messages(tells):
                yield waiting.pop(told.job), _merged(walk, told)
        for name in waiting.values():  # of a helper that died
            yield name, walk.tree(directory, name, f"{place}/{name}")
    finally:
        os.close(jobs)
        for pid, tells in helpers:
            os.close(tells)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _forked(
    walk: Walk, directory: Directory, names: Sequence[str], place: str, jobs: int
) -> tuple[int, int]:
    """A helper's pid, and the end of the pipe by which it tells."""
    tells, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        return pid, tells
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        while (number := _next(jobs)) is not None:
            own = Walk(walk.device)
            usage = own.tree(directory, names[number], f"{place}/{names[number]}")
            told = _Told(number, usage.bytes, usage.inodes, own.walked, own.links, own.skipped)
            content = msgspec.msgpack.encode(told)
            _write(tell, _SIZE.pack(len(content)) + content)
    finally:
        os._exit(0)


def _next(jobs: int) -> int | None:
    """A job that is nobody's yet: the kernel gives each to one reader only."""
    taken = os.read(jobs, _JOB.size)
    return int(_JOB.unpack(taken)[0]) if len(taken) == _JOB.size else None


def _write(pipe: int, content: bytes) -> None:
    while content:
        content = content[os.write(pipe, content) :]


def _messages(pipe: int) -> Iterator[_Told]:
    """What a helper has told; a message that was cut off by its end is left out."""
    with open(pipe, "rb", closefd=False) as file:
        while len(size := file.read(_SIZE.size)) == _SIZE.size:
            content = file.read(_SIZE.unpack(size)[0])
            try:
                yield msgspec.msgpack.decode(content, type=_Told)
            except msgspec.MsgspecError:
                return


def _merged(walk: Walk, told: _Told) -> Usage:
    """What a helper found, without the files that were counted under another name before."""
    twice = [blocks for inode, blocks in told.links.items() if inode in walk.links]
    walk.links.update(told.links)
    walk.walked += told.walked - len(twice)
    walk.tick(told.walked)
    for each in told.skipped:
        walk.note(each)
    return Usage(told.bytes - BLOCK * sum(twice), told.inodes - len(twice))
