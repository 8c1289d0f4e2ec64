"""One at a time: an flock on a file. The kernel lets go of it when the holder dies, so that no
lock is ever stale; the pid inside is for the message only."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from dockerdoctor.errors import Busy, DoctorError, NotPermitted
from dockerdoctor.host.faults import from_os


@contextlib.contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold the lock at `path` for `what` ("watch"). Raises Busy (names the holder) at once,
    NotPermitted, HostFault when the file cannot be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except PermissionError as error:
        raise NotPermitted(f"cannot take the lock {path}", "run as root") from error
    except OSError as error:
        raise from_os(error, f"cannot take the lock {path}") from error
    try:
        _take(fd, path, what)
        yield
    finally:
        os.close(fd)


def _take(fd: int, path: Path, what: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _busy(fd, what) from None
    except OSError as error:
        raise from_os(error, f"cannot take the lock {path}") from error
    # A full /run must not keep anybody from healing: the pid inside is only for the message.
    with contextlib.suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {what}\n".encode(), 0)


def _busy(fd: int, what: str) -> Busy:
    pid, _, holder = os.pread(fd, 200, 0).decode("utf-8", "replace").strip().partition(" ")
    if not pid.isdigit():
        return Busy(f"somebody else holds the lock that {what} needs", "try again later")
    return Busy(
        f"{holder or 'dockerdoctor'} (pid {pid}) already looks after this daemon",
        "wait for it, or stop it first",
    )


def holder(path: Path) -> str:
    """Who holds the lock at `path` ("1234 watch"), empty when nobody does. Takes no lock itself,
    so that nobody who wants it is turned away, and needs no permission but to read."""
    try:
        inode = path.stat().st_ino
        held_now = any(
            line.split()[1] == "FLOCK" and line.split()[5].rpartition(":")[2] == str(inode)
            for line in Path("/proc/locks").read_text().splitlines()
            if len(line.split()) >= 6 and line.split()[1] != "->"
        )
        return (path.read_text("utf-8", "replace").strip() or "somebody") if held_now else ""
    except OSError:
        return ""


class Turn:
    """The right to act on a daemon. A watchdog keeps it, and lets go of it while it is paused, so
    that a person may act (`heal`). Used by one thread."""

    def __init__(self, path: Path, what: str) -> None:
        self.why = ""
        """Why nobody of ours may act now; empty when the turn is ours."""
        self.others_s = 0.0
        """How long somebody else has had it; 0 while it is ours, or let go of in a pause."""
        self._others_since: float | None = None
        self._path = path
        self._what = what
        self._mine: contextlib.ExitStack | None = None

    def ask(self, paused: str, now: float) -> None:
        """Take the turn, or let go of it when `paused` says why. Between two acts only. `now` is on
        the monotonic clock, s."""
        self.why = paused
        busy = False
        if paused:
            self.leave()
        elif self._mine is None:
            stack = contextlib.ExitStack()
            try:
                stack.enter_context(held(self._path, self._what))
            except DoctorError as error:
                self.why = error.sentence
                busy = isinstance(error, Busy)
            else:
                self._mine = stack
        self._count(busy, now)

    def _count(self, busy: bool, now: float) -> None:
        if not busy:
            self._others_since = None
        elif self._others_since is None:
            self._others_since = now
        self.others_s = now - self._others_since if self._others_since is not None else 0.0

    def leave(self) -> None:
        """Let go of it."""
        if self._mine is not None:
            self._mine.close()
            self._mine = None
