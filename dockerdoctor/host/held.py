"""Threads that the kernel holds: /proc goes in, threads in state D come out, with how long each has
not run.

A thread that does I/O is in state D for moments. Held is one that two looks saw there and that was
not scheduled in between (its count of context switches is the same): what the kernel's own
hung-task watchdog asks. Not even SIGKILL ends it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from dockerdoctor.host import cgroups, processes, procfile
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.traces import HeldThread, Whose
from dockerdoctor.model import Process

MAX_MEMBERS = 50
"""Processes looked at in one container."""
MAX_PROCESSES = 1500
"""In one turn: some 15 ms."""
TURNS = 3
"""In which all containers are seen: in 45 s, as this is asked each 15 s."""
PER_TURN = 50
"""Containers in one turn at most, some 3 ms: 500 are seen in two and a half minutes. Only a warning
comes of it, after two; those whose inspect hangs, which would be acted on, are seen each time."""
TURN_S = 10.0
"""Between two turns, at least; a thread that was seen held is looked at each time."""
SHIM_TURNS = 4
"""Of a shim the first thread is looked at in each of its container's turns, and all in every
fourth: it has a dozen."""
REFRIGERATOR = "__refrigerator"
"""Where `docker pause` keeps a container's processes with cgroup v1: no fault."""


class Suspect(Struct, frozen=True):
    """A process to look at, and whose it is."""

    whose: Whose
    pid: int
    container: str = ""
    leader_only: bool = False
    """Look at its first thread alone."""


class _Mark(Struct, frozen=True):
    started: int
    switches: str
    since: float


class HeldThreads:
    """Remembers since when each thread has been held. Not thread-safe."""

    def __init__(self) -> None:
        self._marks: dict[tuple[int, int], _Mark] = {}
        self._turned = -math.inf
        self._next = 0
        self._round = 0
        self._doubtful: list[Suspect] = []

    def look(
        self,
        daemons: Sequence[tuple[Whose, Process]],
        containers: Iterable[Container],
        now: float,
    ) -> tuple[HeldThread, ...]:
        """All threads in state D with how long they have been held, those of the daemons first;
        0 s for one that is seen there for the first time. `now` is monotonic, s."""
        suspects = dict.fromkeys(Suspect(whose, process.pid) for whose, process in daemons)
        others = dict.fromkeys(self._doubtful)
        if now - self._turned >= TURN_S:
            self._turned = now
            others |= dict.fromkeys(self.turn(containers))
        marks: dict[tuple[int, int], _Mark] = {}
        found: dict[tuple[int, int], HeldThread] = {}  # a shim may be two suspects
        self._doubtful = []
        for suspect in (*suspects, *others):
            held = {(suspect.pid, each.thread): each for each in self._threads(suspect, now, marks)}
            found |= held
            if held and suspect in others:
                self._doubtful.append(suspect)
        self._marks = marks
        return tuple(found.values())

    def turn(self, containers: Iterable[Container]) -> Iterator[Suspect]:
        """The processes of containers that hang, of the next few that run, and of their shims."""
        running = [
            each for each in containers if each.state in ("running", "restarting") and each.pid
        ]
        for each in running:
            if each.hangs_since is not None:
                yield from _of_container(each, whole_shim=True)
        count = 0
        for _ in range(min(PER_TURN, math.ceil(len(running) / TURNS))):
            if self._next >= len(running):
                self._next, self._round = 0, self._round + 1
            whole_shim = (self._next + self._round) % SHIM_TURNS == 0
            for suspect in _of_container(running[self._next], whole_shim):
                yield suspect
                count += 1
            self._next += 1
            if count >= MAX_PROCESSES:
                return

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


def _of_container(container: Container, whole_shim: bool) -> Iterator[Suspect]:
    """A pid that is not in the container's own cgroup (its id is in that cgroup's name) has gone to
    somebody else."""
    cgroup = procfile.text_if_there(f"/proc/{container.pid}/cgroup")
    if container.id not in cgroup:
        return
    first = processes.stat(container.pid)
    if first is not None and first.parent > 1:
        yield Suspect(Whose.SHIM, first.parent, container.name, leader_only=not whole_shim)
    for pid in {container.pid, *cgroups.members(cgroup)[:MAX_MEMBERS]}:
        yield Suspect(Whose.CONTAINER, pid, container.name, leader_only=True)


def _waiting(suspect: Suspect) -> Iterator[int]:
    """Those of the threads to look at that are in state D now."""
    pid = suspect.pid
    for thread in (pid,) if suspect.leader_only else processes.threads(pid):
        if processes.waits(pid, thread):
            yield thread


def _read(pid: int, thread: int) -> tuple[Process, str, str] | None:
    """Its identity, its context switches, and where it waits; None when it no longer does."""
    place = f"/proc/{pid}/task/{thread}"
    try:
        stat = processes.parse_stat(procfile.text_if_there(f"{place}/stat"))
    except ValueError:
        return None
    if stat.state != "D":
        return None
    lines = procfile.text_if_there(f"{place}/status").splitlines()
    switches = "/".join(line.split()[-1] for line in lines if "ctxt_switches" in line)
    wchan = procfile.text_if_there(f"{place}/wchan")
    return Process(pid, stat.process.started, stat.process.name), switches, wchan.strip("0")
