"""How starved the host is: /proc/pressure, load and swap traffic in, one `Pressure` out.

Tells a daemon that hangs from a host that lets nobody run. Kernels without PSI (or with `psi=0`)
give zeros and `known=False`.
"""

from __future__ import annotations

import os
from pathlib import Path

from dockerdoctor.host.view import Pressure

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def look(proc: Path = Path("/proc")) -> Pressure:
    """The host's pressure now. Never raises: what cannot be read counts as none."""
    shares = {kind: parse_psi(_read(proc / "pressure" / kind)) for kind in ("cpu", "memory", "io")}
    swap_in, swap_out = parse_swaps(_read(proc / "vmstat"))
    return Pressure(
        known=bool(shares["cpu"]),
        cpu_some_ratio=shares["cpu"].get("some", 0.0),
        memory_full_ratio=shares["memory"].get("full", 0.0),
        io_full_ratio=shares["io"].get("full", 0.0),
        load_per_cpu=os.getloadavg()[0] / (os.cpu_count() or 1),
        swapped_in_bytes=swap_in * PAGE_BYTES,
        swapped_out_bytes=swap_out * PAGE_BYTES,
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


def parse_swaps(text: str) -> tuple[int, int]:
    """Pages swapped in and out since boot, from /proc/vmstat."""
    counts = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    return tuple(  # type: ignore[return-value]
        int(counts[name]) if counts.get(name, "").isdigit() else 0 for name in ("pswpin", "pswpout")
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
