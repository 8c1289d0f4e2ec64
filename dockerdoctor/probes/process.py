"""The daemon's process as /proc shows it: memory, threads, files, and whether it takes signals."""

from __future__ import annotations

from dockerdoctor.declare import Probe
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Kind, Reading, Readings

SIGTERM = 15
SIGUSR1 = 10


def run(view: HostView) -> Readings:
    """The main process's vitals; only `present` when there is none."""
    process = view.main_process(Service.DOCKERD)
    if process is None:
        return {"present": False}
    vitals = view.vitals(process)
    files = {}
    if vitals.fds >= 0:  # not to be counted without root
        files["fds"] = float(vitals.fds)
        files["fds_ratio"] = vitals.fds / vitals.fd_limit if vitals.fd_limit else 0.0
    return {
        "present": True,
        "pid": process.pid,
        "rss_bytes": vitals.rss_bytes,
        "swap_bytes": vitals.swap_bytes,
        "threads": vitals.threads,
        "stuck_threads": vitals.stuck_threads,
        "idle_s": vitals.idle_s,
        **files,
        "cpu_seconds": vitals.cpu_s,
        "state": vitals.state,
        "frozen": vitals.frozen,
        "tracer": f"{vitals.tracer.name} (pid {vitals.tracer.pid})" if vitals.tracer else "",
        "sigterm_pending": SIGTERM in vitals.pending,
        "sigusr1_pending": SIGUSR1 in vitals.pending,
    }


PROBE = Probe(
    name="process",
    help="dockerd's memory, threads, open files, state and pending signals, from /proc",
    readings=(
        Reading("present", Kind.FLAG, "Whether dockerd has a process"),
        Reading("pid", Kind.GAUGE, "Its process id"),
        Reading("rss_bytes", Kind.GAUGE, "Resident memory of dockerd", "bytes"),
        Reading("swap_bytes", Kind.GAUGE, "Memory of dockerd that is swapped out", "bytes"),
        Reading("threads", Kind.GAUGE, "Threads of dockerd"),
        Reading("stuck_threads", Kind.GAUGE, "Threads in state D: the kernel holds them"),
        Reading(
            "idle_s", Kind.GAUGE, "For how long it has done nothing: no CPU, no I/O", "seconds"
        ),
        Reading("fds", Kind.GAUGE, "Open file descriptors of dockerd"),
        Reading("fds_ratio", Kind.GAUGE, "Open file descriptors against their limit", "ratio"),
        Reading("cpu_seconds", Kind.COUNTER, "Processor time of dockerd so far", "seconds"),
        Reading("state", Kind.STATE, "The kernel's letter for its state"),
        Reading("frozen", Kind.FLAG, "Whether its cgroup is frozen"),
        Reading("tracer", Kind.TEXT, "Who holds it with ptrace, if anybody"),
        Reading("sigterm_pending", Kind.FLAG, "Whether a SIGTERM waits to be taken"),
        Reading("sigusr1_pending", Kind.FLAG, "Whether a SIGUSR1 waits to be taken"),
    ),
    timeout_s=3.0,
    run=run,
    every_s=8.0,
)
