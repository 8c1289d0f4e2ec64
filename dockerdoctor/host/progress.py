"""Whether a process gets on: its processor time and I/O go in, how long it has done nothing comes
out. A daemon that starts slowly works (moby #31462: for an hour); one that stands still does not.
"""

from __future__ import annotations

from msgspec import Struct

from dockerdoctor.host import procfile
from dockerdoctor.model import Process

LEAST_CPU = 0.01
"""Of a processor: a Go program that waits takes less for its timers."""
LEAST_IO_BYTES = 65536
"""In one step: it answers a signal, or writes a line, with less."""
KEPT = 4
"""Processes that are remembered."""


class _Mark(Struct):
    at: float
    cpu_s: float
    io_bytes: int
    worked_at: float


class Progress:
    """Remembers the last look at each process. Not thread-safe: the process probe asks it."""

    def __init__(self) -> None:
        self._marks: dict[Process, _Mark] = {}

    def idle_s(self, process: Process, cpu_s: float, io_bytes: int, now: float) -> float:
        """For how long it has done nothing, as far as it was looked at; `now` is monotonic, s."""
        mark = self._marks.pop(process, None) or _Mark(now, cpu_s, io_bytes, now)
        cpu, io = cpu_s - mark.cpu_s, io_bytes - mark.io_bytes
        works = cpu > LEAST_CPU * (now - mark.at) or io >= LEAST_IO_BYTES
        self._marks[process] = _Mark(now, cpu_s, io_bytes, now if works else mark.worked_at)
        while len(self._marks) > KEPT:
            del self._marks[next(iter(self._marks))]
        return now - self._marks[process].worked_at


def io_bytes(pid: int) -> int:
    """What it has read and written so far, also by sockets and pipes; 0 where that may not be
    seen."""
    return parse_io(procfile.text_if_there(f"/proc/{pid}/io"))


def parse_io(text: str) -> int:
    """/proc/PID/io: `rchar: 1234` and so on."""
    pairs = (line.partition(": ") for line in text.splitlines())
    return sum(
        int(value) for key, _, value in pairs if key in ("rchar", "wchar") and value.isdigit()
    )
