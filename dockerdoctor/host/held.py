"""Threads that the kernel holds: /proc goes in, threads in state D come out, with how long each has
not run.

A thread that does I/O is in state D for moments. Held is one that two looks saw there and that was
not scheduled in between (its count of context switches is the same): what the kernel's own
hung-task watchdog asks. Not even SIGKILL ends it.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dockerdoctor.host import cgroups, processes
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.traces import HeldThread, Whose
from dockerdoctor.model import Process

MAX_THREADS = 1000
"""Of one process."""
MAX_MEMBERS = 50
"""Processes looked at in one container."""
MAX_PROCESSES = 1500
"""Of all containers: some 15 ms."""
CONTAINERS_S = 30.0
"""How often all containers are looked at; a thread that was seen held is looked at each time."""
REFRIGERATOR = "__refrigerator"
"""Where `docker pause` keeps a container's processes with cgroup v1: no fault."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A process to look at, and whose it is."""

    whose: Whose
    pid: int
    container: str = ""
    leader_only: bool = False
    """Look at its first thread alone."""


@dataclass(frozen=True, slots=True)
class _Mark:
    started: int
    switches: str
    since: float


class HeldThreads:
    """Remembers since when each thread has been held. Not thread-safe."""

    def __init__(self) -> None:
        self._marks: dict[tuple[int, int], _Mark] = {}
        self._looked = -math.inf
        self._doubtful: list[Suspect] = []

    def look(
        self,
        daemons: Sequence[tuple[Whose, Process]],
        containers: Iterable[Container],
        now: float,
    ) -> tuple[HeldThread, ...]:
        """All threads in state D with how long they have been held, those of the daemons first;
        0 s for one that is seen there for the first time. `now` is monotonic, s."""
        suspects = [Suspect(whose, process.pid) for whose, process in daemons]
        if now - self._looked >= CONTAINERS_S:
            self._looked = now
            others = list(_of_containers(containers))
        else:
            others = self._doubtful
        marks: dict[tuple[int, int], _Mark] = {}
        found: list[HeldThread] = []
        doubtful: list[Suspect] = []
        for suspect in (*suspects, *others):
            held = list(self._threads(suspect, now, marks))
            found += held
            if held and suspect in others:
                doubtful.append(suspect)
        self._marks, self._doubtful = marks, doubtful
        return tuple(found)

    def _threads(
        self, suspect: Suspect, now: float, marks: dict[tuple[int, int], _Mark]
    ) -> Iterator[HeldThread]:
        for thread in _waiting(suspect):
            held = _read(suspect.pid, thread)
            if held is None or (suspect.whose is Whose.CONTAINER and held[2] == REFRIGERATOR):
                continue
            process, switches, wchan = held
            before = self._marks.get((suspect.pid, thread))
            same = before and (before.started, before.switches) == (process.started, switches)
            since = before.since if before and same else now
            marks[suspect.pid, thread] = _Mark(process.started, switches, since)
            yield HeldThread(suspect.whose, process, thread, wchan, now - since, suspect.container)


def threads_of(pid: int) -> list[int]:
    """The ids of a process's threads; empty when it is gone."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")[:MAX_THREADS]]  # noqa: PTH208
    except OSError:
        return []


def _of_containers(containers: Iterable[Container]) -> Iterator[Suspect]:
    """The processes of running containers and their shims. A pid that is not in the container's
    own cgroup (its id is in that cgroup's name) has gone to somebody else."""
    count = 0
    for each in containers:
        if each.state not in ("running", "restarting") or not each.pid or count > MAX_PROCESSES:
            continue
        cgroup = _text(f"/proc/{each.pid}/cgroup")
        if each.id not in cgroup:
            continue
        shim = processes.stat(each.pid)
        if shim is not None and shim.parent > 1:
            yield Suspect(Whose.SHIM, shim.parent, each.name)
        for pid in {each.pid, *cgroups.members(cgroup)[:MAX_MEMBERS]}:
            count += 1
            yield Suspect(Whose.CONTAINER, pid, each.name, leader_only=True)


def _waiting(suspect: Suspect) -> Iterator[int]:
    """The threads that are in state D now; the cheapest reading of all."""
    pid = suspect.pid
    for thread in (pid,) if suspect.leader_only else threads_of(pid):
        text = _bytes(f"/proc/{pid}/task/{thread}/stat")
        if text[text.rfind(b")") + 2 :][:1] == b"D":
            yield thread


def _read(pid: int, thread: int) -> tuple[Process, str, str] | None:
    """Its identity, its context switches, and where it waits; None when it no longer does."""
    place = f"/proc/{pid}/task/{thread}"
    try:
        stat = processes.parse_stat(_text(f"{place}/stat"))
    except ValueError:
        return None
    if stat.state != "D":
        return None
    lines = _text(f"{place}/status").splitlines()
    switches = "/".join(line.split()[-1] for line in lines if "ctxt_switches" in line)
    wchan = _text(f"{place}/wchan")
    return Process(pid, stat.process.started, stat.process.name), switches, wchan.strip("0")


def _text(path: str) -> str:
    return _bytes(path).decode("utf-8", "replace")


def _bytes(path: str) -> bytes:
    """Empty when it is gone."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, 4096)
        finally:
            os.close(fd)
    return b""
