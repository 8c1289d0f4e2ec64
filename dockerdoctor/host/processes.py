"""Processes by identity: /proc goes in, Process and ProcessVitals come out, signals go by pidfd.

Only files that cannot hang are read without a deadline: stat, status, comm, limits, cgroup. The
command line, the environment and kernel stacks take locks that a stuck process may hold; they are
read by `LinuxHost` through `Lanes`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal as signals
import time
from collections.abc import Iterator, Mapping

from msgspec import Struct

from dockerdoctor.errors import HostFault
from dockerdoctor.host import cgroups, procfile
from dockerdoctor.host.faults import from_os
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.host.nouns import ProcessVitals
from dockerdoctor.model import Fault, Process

TICKS_PER_S = os.sysconf("SC_CLK_TCK")

MAX_THREADS = 1000
"""Threads looked at for state D: a look at 1,000 takes about 20 ms."""

MAX_STACKS = 20
"""Threads in state D whose kernel stacks are kept."""

UNKNOWN = -1
"""What `fds` says where they may not be counted (somebody else's process, and not root)."""


class Stat(Struct, frozen=True):
    """What /proc/PID/stat says, as far as it matters here."""

    process: Process
    state: str
    parent: int
    cpu_s: float
    threads: int

    @property
    def ended(self) -> bool:
        """Dead and only waiting to be reaped. A dead leader with live threads is not ended: those
        threads still hold its files and its pid."""
        return self.state in "ZXx" and self.threads <= 1


def parse_stat(text: str) -> Stat:
    """The name stands in brackets and may hold brackets and blanks. ValueError if garbled."""
    before, _, name_on = text.partition("(")
    name, bracket, rest = name_on.rpartition(")")
    fields = rest.split()
    if not bracket or len(fields) < 20:
        raise ValueError("not a /proc/PID/stat")
    return Stat(
        process=Process(pid=int(before), started=int(fields[19]), name=name),
        state=fields[0],
        parent=int(fields[1]),
        cpu_s=(int(fields[11]) + int(fields[12])) / TICKS_PER_S,
        threads=int(fields[17]),
    )


def parse_status(text: str) -> Mapping[str, str]:
    """/proc/PID/status as key to value."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {key: value.strip() for key, _, value in pairs}


def signal_set(mask: str) -> frozenset[int]:
    """The signals of a hexadecimal mask: bit 0 is signal 1."""
    bits = int(mask or "0", 16)
    return frozenset(number + 1 for number in range(bits.bit_length()) if bits >> number & 1)


def fd_limit(limits: str) -> int:
    """The soft limit of open files from /proc/PID/limits; 0 when it is not there or unlimited."""
    for line in limits.splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return int(soft) if soft.isdigit() else 0
    return 0


def stat(pid: int) -> Stat | None:
    """None when there is no such process."""
    try:
        return parse_stat(_read(pid, "stat"))
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    except OSError as error:
        raise from_os(error, f"cannot read /proc/{pid}/stat") from error


def identify(pid: int) -> Process | None:
    """Who has this pid now; None when nobody has."""
    seen = stat(pid)
    return seen.process if seen else None


def exists(process: Process) -> bool:
    """Whether this very process still has its pid, be it as a zombie. Asked many times at each
    look: its start time is all that is parsed."""
    try:
        content = procfile.content(f"/proc/{process.pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError as error:
        raise from_os(error, f"cannot read /proc/{process.pid}/stat") from error
    fields = content[content.rfind(b")") + 2 :].split(b" ", 20)
    return len(fields) > 19 and fields[19] == str(process.started).encode()


def alive(process: Process) -> bool:
    """Whether this very process has not ended: a zombie without threads has."""
    seen = stat(process.pid)
    return seen is not None and seen.process.started == process.started and not seen.ended


def started_mono_s(process: Process) -> float:
    """When it was started, on the monotonic clock. /proc counts from boot, suspended time too."""
    suspended = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return process.started / TICKS_PER_S - suspended


def age_s(process: Process) -> float:
    """Seconds since it was started, without those the host was suspended."""
    return time.monotonic() - started_mono_s(process)


def vitals(process: Process) -> ProcessVitals:
    """HostFault(MISSING) once this very process is gone."""
    try:
        seen = parse_stat(_read(process.pid, "stat"))
        if seen.process.started != process.started:
            raise _gone(process)
        status = parse_status(_read(process.pid, "status"))
        found = ProcessVitals(
            rss_bytes=_kib(status.get("VmRSS", "")),
            swap_bytes=_kib(status.get("VmSwap", "")),
            threads=seen.threads,
            fds=_count_fds(process.pid),
            fd_limit=fd_limit(_read(process.pid, "limits")),
            state=seen.state,
            pending=signal_set(status.get("SigPnd", "")) | signal_set(status.get("ShdPnd", "")),
            tracer=_tracer(status),
            frozen=cgroups.frozen(_read(process.pid, "cgroup")),
            cpu_s=seen.cpu_s,
            stuck_threads=len(stuck_threads(process.pid)),
        )
    except (FileNotFoundError, ProcessLookupError) as error:
        raise _gone(process) from error
    except ValueError as error:
        raise HostFault(Fault.GARBLED, f"/proc/{process.pid} is garbled: {error}") from error
    except OSError as error:
        raise from_os(error, f"cannot read /proc/{process.pid}") from error
    if not exists(process):
        raise _gone(process)
    return found


def signal(process: Process, signum: int) -> None:
    """To this very process and no other: the pidfd is opened first, then the start time compared,
    so that a pid given to somebody else in between is noticed."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError as error:
        raise (
            _gone(process)
            if isinstance(error, ProcessLookupError)
            else from_os(error, f"cannot signal {process.name} ({process.pid})")
        ) from error
    try:
        if not exists(process):
            raise _gone(process)
        signals.pidfd_send_signal(fd, signum)
    except ProcessLookupError as error:
        raise _gone(process) from error
    except OSError as error:
        raise from_os(
            error, f"cannot signal {process.name} ({process.pid})", "run as root"
        ) from error
    finally:
        os.close(fd)


def wait_gone(process: Process, timeout_s: float) -> bool:
    """Wait for the end of this very process, all its threads; whether it came in time."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return not alive(process)
    try:
        if not exists(process):
            return True
        ended, _, _ = select.select([fd], [], [], timeout_s)
        return bool(ended)
    finally:
        os.close(fd)


def all_named(prefix: str) -> Iterator[Process]:
    """Every process whose name (at most 15 characters of it are kept) begins with `prefix`."""
    begin = prefix.encode()
    for entry in _entries("/proc"):
        # Most are somebody else: their names are read, and no more.
        if entry.isdigit() and procfile.content_if_there(f"/proc/{entry}/comm").startswith(begin):
            seen = stat(int(entry))
            if seen is not None and seen.process.name.startswith(prefix) and not seen.ended:
                yield seen.process


def same_namespace(one: int | str, other: int | str, kind: str) -> bool:
    """Whether two processes (pids, or `self`) share a namespace ("pid", "net", "mnt"); False where
    that may not be seen."""
    try:
        links = {os.readlink(f"/proc/{each}/ns/{kind}") for each in (one, other)}  # noqa: PTH115
    except OSError:
        return False
    return len(links) == 1


def threads(pid: int) -> list[int]:
    """The ids of its threads, MAX_THREADS at most; empty when it is gone."""
    try:
        return [int(name) for name in _entries(f"/proc/{pid}/task")[:MAX_THREADS]]
    except OSError:
        return []


def waits(pid: int, thread: int) -> bool:
    """Whether the thread is in state D now; the cheapest reading of all."""
    try:
        content = procfile.content(f"/proc/{pid}/task/{thread}/stat")
    except OSError:
        return False  # it has ended meanwhile
    return content[content.rfind(b")") + 2 :][:1] == b"D"


def stuck_threads(pid: int) -> list[int]:
    """The threads in state D."""
    return [thread for thread in threads(pid) if waits(pid, thread)]


def proc_files(lanes: Lanes, process: Process, timeout_s: float) -> Mapping[str, str]:
    """What /proc tells of a process, and where the kernel holds its threads in state D, as far as
    each file can be read within `timeout_s`; the stacks only as root."""
    names = ["status", "stack", "wchan", "limits", "cgroup"]
    for thread in stuck_threads(process.pid)[:MAX_STACKS]:
        names += [f"task/{thread}/stack", f"task/{thread}/wchan"]
    found = {}
    for name in names:
        key = f"read /proc/{process.pid}/{name}"
        with contextlib.suppress(HostFault, OSError):
            found[name] = lanes.run(key, functools.partial(_read, process.pid, name), timeout_s)
    return found if exists(process) else {}


def _tracer(status: Mapping[str, str]) -> Process | None:
    pid = int(status.get("TracerPid", "0") or 0)
    return identify(pid) if pid else None


def _count_fds(pid: int) -> int:
    path = f"/proc/{pid}/fd"
    try:
        # Linux 6.2 tells their number as the size of the directory; before, they must be listed.
        return os.stat(path).st_size or len(_entries(path))  # noqa: PTH116
    except PermissionError:
        return UNKNOWN


def _kib(text: str) -> int:
    """ "1234 kB" in bytes; 0 for a process that has no memory any more (a zombie)."""
    return int(text.split()[0]) * 1024 if text else 0


def _read(pid: int, name: str) -> str:
    return procfile.text(f"/proc/{pid}/{name}")


def _entries(path: str) -> list[str]:
    return os.listdir(path)  # noqa: PTH208 (names alone; a Path for each costs five times more)


def _gone(process: Process) -> HostFault:
    return HostFault(Fault.MISSING, f"{process.name} ({process.pid}) is gone")
