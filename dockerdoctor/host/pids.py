"""Pid files: which pid one names, and removing it once it is stale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dockerdoctor.host import processes
from dockerdoctor.host.layout import layout


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


def remove_stale(pidfile: Path, name: str) -> None:
    """Remove a pid file that does not name a living process of this name. Raises OSError."""
    seen = processes.stat(pid_in(pidfile))
    if seen is None or seen.ended or not seen.process.name.startswith(name):
        pidfile.unlink(missing_ok=True)
