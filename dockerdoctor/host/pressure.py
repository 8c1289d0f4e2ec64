"""How starved the host is: /proc/pressure, load and swap traffic in, one `Pressure` out.

Tells a daemon that hangs from a host that lets nobody run. Kernels without PSI (or with `psi=0`)
give zeros and `known=False`; what is left then is the load, and how much of the time processors
have waited for a disk since the last look.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.host.nouns import Pressure


class PressureWatch:
    """Remembers the processors' times of the last look. Not thread-safe: one probe asks it."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._before = (0, 0)

    def look(self) -> Pressure:
        """The host's pressure now. Never raises: what cannot be read counts as none."""
        waited, spent = parse_iowait(_read(self._proc / "stat"))
        before, self._before = self._before, (waited, spent)
        span = spent - before[1]
        known = before[1] > 0 and span > 0
        share = min(1.0, max(0.0, (waited - before[0]) / span)) if known else 0.0
        return replace(look(self._proc), iowait_ratio=share)


def parse_iowait(text: str) -> tuple[int, int]:
    """Of /proc/stat: the ticks in which processors waited for a disk, and all of them but those of
    guests, which are counted twice there; zeros when it cannot be read."""
    words = text.partition("\n")[0].split()
    if not words or words[0] != "cpu":
        return 0, 0
    try:
        ticks = [int(word) for word in words[1:9]]
    except ValueError:
        return 0, 0
    return (ticks[4], sum(ticks)) if len(ticks) > 4 else (0, 0)


def look(proc: Path = Path("/proc")) -> Pressure:
    """What one look alone can tell. Never raises: what cannot be read counts as none."""
    shares = {kind: parse_psi(_read(proc / "pressure" / kind)) for kind in ("cpu", "memory", "io")}
    pages = parse_counts(_read(proc / "vmstat"))
    page = os.sysconf("SC_PAGE_SIZE")
    return Pressure(
        known=bool(shares["cpu"]),
        cpu_some_ratio=shares["cpu"].get("some", 0.0),
        memory_full_ratio=shares["memory"].get("full", 0.0),
        io_full_ratio=shares["io"].get("full", 0.0),
        load_per_cpu=parse_load(_read(proc / "loadavg")) / (os.cpu_count() or 1),
        swapped_in_bytes=pages.get("pswpin", 0) * page,
        swapped_out_bytes=pages.get("pswpout", 0) * page,
    )


def parse_psi(text: str) -> dict[str, float]:
    """`some avg10=1.53 ...` and `full avg10=...` as shares of the last ten seconds, 0 to 1."""
    shares = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        fields = dict(word.split("=", 1) for word in rest.split() if "=" in word)
        try:
            shares[kind] = float(fields["avg10"]) / 100
        except (KeyError, ValueError):
            continue
    return shares


def parse_counts(text: str) -> dict[str, int]:
    """The lines of /proc/vmstat: a name and a number each."""
    words = (line.partition(" ")[::2] for line in text.splitlines())
    return {name: int(count) for name, count in words if count.isdecimal()}


def parse_load(text: str) -> float:
    """The load average of a minute out of /proc/loadavg; 0 when it cannot be read."""
    first = text.partition(" ")[0]
    try:
        return float(first)
    except ValueError:
        return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
