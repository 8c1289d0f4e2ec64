"""What goes on around the daemon: a starved host, and people who install packages."""

from __future__ import annotations

from dockerdoctor.declare import Probe
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings


def run(view: HostView) -> Readings:
    """Pressure stall information, load, iowait and swap traffic; and who holds the package lock."""
    seen = view.pressure()
    return {
        "known": seen.known,
        "cpu_some_ratio": seen.cpu_some_ratio,
        "memory_full_ratio": seen.memory_full_ratio,
        "io_full_ratio": seen.io_full_ratio,
        "load_per_cpu": seen.load_per_cpu,
        "iowait_ratio": seen.iowait_ratio,
        "swapped_in_bytes": seen.swapped_in_bytes,
        "swapped_out_bytes": seen.swapped_out_bytes,
        "installing": view.installing(),
    }


PROBE = Probe(
    name="pressure",
    help="how starved the host is (PSI, load, iowait, swaps), and whether packages are installed",
    readings=(
        Reading("known", Kind.FLAG, "Whether the kernel tells its pressure (PSI)"),
        Reading("cpu_some_ratio", Kind.GAUGE, "Share in which tasks waited for a CPU", "ratio"),
        Reading("memory_full_ratio", Kind.GAUGE, "Share in which all waited for memory", "ratio"),
        Reading("io_full_ratio", Kind.GAUGE, "Share in which all waited for a disk", "ratio"),
        Reading("load_per_cpu", Kind.GAUGE, "Load average of one minute per processor"),
        Reading("iowait_ratio", Kind.GAUGE, "Share in which processors waited for a disk", "ratio"),
        Reading("swapped_in_bytes", Kind.COUNTER, "Memory read back from swap", "bytes"),
        Reading("swapped_out_bytes", Kind.COUNTER, "Memory written to swap", "bytes"),
        Reading("installing", Kind.TEXT, "Who installs packages now"),
    ),
    timeout_s=2.0,
    run=run,
    every_s=12.0,
)
