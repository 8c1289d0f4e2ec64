"""How starved the host is: /proc/pressure, load and swap traffic in, one `Pressure` out.

Tells a daemon that hangs from a host that lets nobody run. Kernels without PSI (or with `psi=0`)
give zeros and `known=False`.
"""

from __future__ import annotations

import os
from pathlib import Path

from dockerdoctor.host.nouns import Pressure


def look(proc: Path = Path("/proc")) -> Pressure:
    """The host's pressure now. Never raises: what cannot be read counts as none."""
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
