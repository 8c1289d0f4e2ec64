"""Pid files: which pid one names, and removing it once it is stale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dockerdoctor.host import processes
from dockerdoctor.host.layout import layout
from dockerdoctor.model import Process


def pid_in(pidfile: Path) -> int:
    """0 when there is none."""
    try:
        text = pidfile.read_text().strip()
    except (OSError, ValueError):
        return 0
    return int(text) if text.isdigit() and len(text) < 10 else 0


def of_containerd(dockerd_argv: Sequence[str]) -> Path:
    """Where a dockerd with this command line writes the pid of the containerd it starts."""
    return layout(dockerd_argv, {}).own_containerd.with_suffix(".pid")


def named(pidfile: Path, expected: Callable[[Process], bool]) -> Process | None:
    """The living process that a pid file names, if it is one that is expected there."""
    seen = processes.stat(pid_in(pidfile))
    return seen.process if seen and not seen.ended and expected(seen.process) else None


def remove_stale(pidfile: Path, expected: Callable[[Process], bool]) -> None:
    """Remove a pid file that names nobody who is expected there. Raises OSError."""
    if named(pidfile, expected) is None:
        pidfile.unlink(missing_ok=True)
