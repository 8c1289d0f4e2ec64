"""What dockerd's own list of its goroutines tells. Pure: the answer of
`GET /debug/pprof/goroutine?debug=1` goes in (blocks of equal goroutines, as `2 @ 0x…`, each with
its stack), counts come out, or HostFault(GARBLED).

No other call tells it on all engines, and few are as cheap: beside 500 containers it costs the
daemon 3 ms, a list of them 35 (26.1.5). `debug=2` (STACKS) writes each goroutine by itself, with
how long it has waited, and the daemon stands still for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from dockerdoctor.host import answers

TARGET = "/debug/pprof/goroutine?debug=1"
STACKS = "/debug/pprof/goroutine?debug=2"
WAITED = re.compile(rb"\s*goroutine \d+ \[[^\]]*, (\d+) minutes")
"""Go tells it from the first minute on, of what its collector (each 2 min) has found waiting."""

BUILDS = (b"/buildkit/control.(*Controller).Solve+", b"/builder/dockerfile.(*BuildManager).Build+")
"""One goroutine of a build each, BuildKit's and the classic builder's (seen on 20.10, 26.1, 28.5);
a daemon at rest has none of them."""

COPIES = (
    b"containerRouter).getContainersArchive+",
    b"containerRouter).putContainersArchive+",
    b"containerRouter).getContainersChanges+",
)
"""Likewise of a `docker cp`, out of a container and into one, and of a `docker diff`, which looks
at all files that the container has written."""

PRUNES = (
    b").ContainersPrune+",
    b").NetworksPrune+",
    b").ImagesPrune+",
    b"/volume/service.(*VolumesService).Prune+",
)
"""Of the prunes that refuse a second one while they run (so named in 20.10, 26.1 and 28.5)."""

OWN = b"/daemon.(*Daemon)."
"""On the stack of a request or an event that the daemon works at."""
LOCKS = (b"sync.runtime_SemacquireMutex+", b"sync.runtime_SemacquireRWMutex")
"""Innermost where a lock is waited for (Go 1.11 to 1.25)."""
CONTAINERD = b"/libcontainerd/remote.("
CALL = b"grpc.(*ClientConn).Invoke+"
"""A call that waits for its answer; the stream of events, which is always there, has none."""
VERSION = b"/libcontainerd/remote.(*client).Version+"
"""Of each `GET /info`, ours among them: of no container."""


def builds(body: bytes) -> int:
    """The image builds that run."""
    return _count(body, lambda block: any(mark in block for mark in BUILDS))


def copies(body: bytes) -> int:
    """The copies and diffs of containers that run: each holds its lock to its end, by right."""
    return _count(body, lambda block: any(mark in block for mark in COPIES))


def prunes(body: bytes) -> int:
    """The prunes that run, of containers, networks, images or volumes."""
    return _count(body, lambda block: any(mark in block for mark in PRUNES))


def pruning_s(stacks: bytes) -> float:
    """How long a prune has stood in one and the same wait, s, by the answer of STACKS; 0 when none
    has for a minute. It has run for so long at least; one that is only slow goes on, from one short
    wait to the next."""
    marks = [mark.replace(b"+", b"(") for mark in PRUNES]
    heads = (
        WAITED.match(block)
        for block in stacks.split(b"\n\n")
        if any(mark in block for mark in marks)
    )
    return max((60.0 * int(head[1]) for head in heads if head), default=0.0)


def total(body: bytes) -> int:
    """How many goroutines there are, by the list's first line."""
    count = body.partition(b"\n")[0].rpartition(b" ")[2]
    return int(count) if count.isdigit() else 0


def waiting(body: bytes) -> int:
    """The requests that wait for a lock, or for what containerd is to do with a container: none in
    a daemon at rest, with 500 containers neither. Moments by right; where a container is stuck,
    whoever holds its lock and whoever wants it (20.10, 26.1, 28.5)."""
    return _count(body, _waits)


def _waits(block: bytes) -> bool:
    if OWN not in block or VERSION in block:
        return False
    return any(lock in block for lock in LOCKS) or (CALL in block and CONTAINERD in block)


def _count(body: bytes, wanted: Callable[[bytes], bool]) -> int:
    if not body.startswith(b"goroutine profile: "):
        raise answers.garbled("GET /debug/pprof/goroutine", "it is no profile")
    blocks = (each for each in body.split(b"\n\n") if wanted(each))
    counts = (each.rpartition(b" @ 0x")[0].rpartition(b"\n")[2] for each in blocks)
    return sum(int(count) for count in counts if count.isdigit())
