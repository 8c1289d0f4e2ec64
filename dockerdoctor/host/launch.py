"""How a bare dockerd was started, remembered so that it can be started again.

`/proc/PID` of a living daemon goes in, a `Launch` and its file come out; `spawn` starts it anew.
"""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import msgspec

from dockerdoctor.errors import HostFault
from dockerdoctor.host import files
from dockerdoctor.host.faults import from_os
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.model import Fault, Process

_ENVIRONMENT = (
    *("PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR"),
    *("GOTRACEBACK", "GODEBUG", "LANG"),
)


class Launch(msgspec.Struct, frozen=True):
    """One start of a daemon: who it became, and all that is needed to start it again."""

    pid: int
    started: int
    exe: str
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    log: str
    """Where its output goes, if that is a plain file; else empty."""
    answered: bool = False
    """Whether it has ever answered: one that has not may still be starting."""


def observe(process: Process) -> Launch:
    """Read it from /proc. May hang (the command line lies in the process's own memory): call it
    through `Lanes`. Raises OSError."""
    proc = Path(f"/proc/{process.pid}")
    return Launch(
        pid=process.pid,
        started=process.started,
        exe=str((proc / "exe").readlink()).removesuffix(" (deleted)"),  # replaced by an upgrade
        argv=tuple(words(process)),
        cwd=str((proc / "cwd").readlink()).removesuffix(" (deleted)"),
        env=_environment(_strings(proc / "environ")),
        log=_log(proc / "fd/2"),
    )


def words(process: Process) -> list[str]:
    """Its command line. May hang, as `observe`. Raises OSError."""
    return _strings(Path(f"/proc/{process.pid}/cmdline"))


def words_within(lanes: Lanes, process: Process, timeout_s: float) -> list[str]:
    """The same in time. Raises OSError, and HostFault(TIMEOUT)."""
    return lanes.run(f"read /proc/{process.pid}/cmdline", lambda: words(process), timeout_s)


def load(path: Path) -> Launch | None:
    """The remembered one; None when there is none, or none that can be understood."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Launch)
    except (OSError, msgspec.MsgspecError):
        return None


def save(path: Path, launch: Launch) -> None:
    """Readable by root only: a proxy's address may hold a password. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.write_atomic(path, msgspec.json.encode(launch), mode=0o600)


def spawn(launch: Launch, log: Path) -> subprocess.Popen[bytes]:
    """Start it detached: a session of its own, no terminal, output to the end of `log`.

    HostFault: MISSING (no such program or directory), DENIED, REFUSED."""
    if not launch.argv:
        raise HostFault(Fault.MISSING, "nobody has recorded how this daemon is started")
    try:
        with log.open("ab") as output:
            return subprocess.Popen(
                list(launch.argv),
                executable=launch.exe,
                cwd=launch.cwd,
                env=launch.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        raise from_os(error, f"cannot start {launch.exe}") from error


def _strings(path: Path) -> list[str]:
    """NUL-terminated strings."""
    raw = path.read_bytes().decode("utf-8", "surrogateescape")
    return raw.removesuffix("\0").split("\0") if raw else []


def _environment(words: list[str]) -> dict[str, str]:
    """What changes a daemon's behaviour, and no more."""
    pairs = (word.partition("=") for word in words)
    return {
        name: value
        for name, _, value in pairs
        if name in _ENVIRONMENT
        or name.startswith(("DOCKER_", "OTEL_"))
        or name.lower().endswith("_proxy")
    }


def _log(fd: Path) -> str:
    target = str(fd.readlink())
    try:
        return target if stat.S_ISREG(Path(target).stat().st_mode) else ""
    except OSError:
        return ""  # a pipe, a socket, a terminal or a deleted file
