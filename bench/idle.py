"""What the watchdog costs while all is well, and the commands: `python -m bench idle [SUITE]`.

A lab host with 20 containers, the watchdog as a service at its default pace for 120 s. The CPU time
is that of the service's cgroup: systemctl and all other children are in it. What PID 1 spends on
answering is told beside it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from dockerdoctor.service import UNIT
from tests.lab import outer
from tests.lab.host import LabHost
from tests.lab.product import VENV
from tests.lab.watchdog import Watchdog

CONTAINERS = 20
SECONDS = 120.0
TICKS = os.sysconf("SC_CLK_TCK")
COMMANDS = (("--help",), ("--version",), ("check",), ("check", "--json"))
TIMER = """
import json, subprocess, sys, time
took = []
for _ in range(int(sys.argv[1])):
    began = time.perf_counter()
    subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took.append(time.perf_counter() - began)
print(json.dumps(sorted(took)))
"""


def main(suite: str) -> None:
    """Print both tables."""
    with LabHost(suite, product=True) as host:
        for number in range(CONTAINERS):
            host.start_container(f"c{number}")
        watchdog = Watchdog(host)
        watchdog.begin("")
        time.sleep(15)  # the first looks are over
        service, first = cpu_s(host), init_s(host)
        began = time.monotonic()
        time.sleep(SECONDS)
        took = time.monotonic() - began
        print(f"{suite}: watchdog at its default pace, {CONTAINERS} containers, {took:.0f} s")
        print(f"  CPU  {(cpu_s(host) - service) / took:.2%} of a core, its children included")
        print(f"  PID 1 {(init_s(host) - first) / took:.2%} of a core, all it did meanwhile")
        print(f"  RSS  {rss_mb(host):.1f} MB")
        for words in COMMANDS:
            times = timed(host, *words)
            middle, worst = times[len(times) // 2], times[-1]
            print(
                f"  dockerdoctor {' '.join(words):14} {middle * 1e3:4.0f} ms (≤ {worst * 1e3:.0f})"
            )


def cpu_s(host: LabHost) -> float:
    """CPU time of the service's cgroup so far."""
    lines = (host.unit_cgroup(UNIT) / "cpu.stat").read_text().splitlines()
    return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6


def init_s(host: LabHost) -> float:
    """CPU time of the host's systemd so far."""
    fields = Path(f"/proc/{host.leader}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(host: LabHost) -> float:
    """Resident memory of the watchdog's process, 10⁶ bytes."""
    return int(outer.status(host.main_pid(UNIT))["VmRSS"].split()[0]) * 1024 / 1e6


def timed(host: LabHost, *words: str) -> list[float]:
    """How long a command took, ten times, sorted."""
    run = (f"{VENV}/bin/python", "-c", TIMER, "10", "dockerdoctor", *words)
    return [float(each) for each in json.loads(host.run(*run, timeout=120).stdout)]


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "trixie")
