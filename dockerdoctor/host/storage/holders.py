"""Which processes have a file open, wherever they see it: a question about its path goes in, what
/proc has of it comes out. Root sees all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path


def entries(wanted: Callable[[str], bool]) -> Iterator[Path]:
    """/proc/PID/fd/N of each open file whose path is wanted."""
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or not ours to see
            if wanted(str(entry.readlink())):
                yield entry


def owner(entry: Path) -> str:
    """Whose it is, as `promtail (pid 12)`. OSError once that process is gone."""
    process = entry.parents[1]
    return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
