"""How soon one stuck container among many is told: `python -m bench stuck [SUITE [COUNT]]`.

One lab host, so many real containers that sleep, the watchdog with its default rules. One shim is
stopped and a `docker stop` waits for it; the time is from that stop to the finding. Then it is
cured, and the next one's turn. Needs root, and two minutes for each.
"""

from __future__ import annotations

import sys
import time

from bench.scale import START
from tests.lab import faults
from tests.lab.host import IMAGE, LabHost
from tests.lab.watchdog import POLICY, Watchdog, climbed

COUNT = 500
ATTEMPTS = 4
RULE = "container-stuck"


def main(suite: str, count: int = COUNT) -> None:
    """Print a line for each."""
    with LabHost(suite, product=True) as host:
        host.import_busybox()
        host.run("sh", "-c", START, "sh", str(count), IMAGE, timeout=1800)
        watchdog = Watchdog(host)
        watchdog.begin(POLICY)
        watchdog.wait_known(*(f"c{number}" for number in range(count)))
        print(f"{suite}: {count} containers")
        for number in range(1, ATTEMPTS + 1):
            name = f"c{number * count // (ATTEMPTS + 1)}"
            print(f"  {attempt(watchdog, name)}", flush=True)


def attempt(watchdog: Watchdog, name: str) -> str:
    """Stop one's shim while somebody waits for it; what came of it, and when."""
    with faults.stopped_shim(watchdog.host, name):
        began = time.time()
        waiting = watchdog.host.spawn("docker", "stop", name)
        watchdog.wait_for(began, RULE, lambda _: True)
        told = time.time() - began
        incident = watchdog.wait_closed(began, RULE)
        watchdog.host.end(waiting)
    over = (incident.closed or began) - began
    return f"{name}: told after {told:.1f} s, over after {over:.1f} s by {climbed(incident)[-1]}"


if __name__ == "__main__":
    main(
        sys.argv[1] if sys.argv[1:] else "trixie",
        int(sys.argv[2]) if sys.argv[2:] else COUNT,
    )
