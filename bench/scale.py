"""What the watchdog costs beside 10, 100 and 500 containers: `python -m bench scale [SUITE]`.

One lab host, real containers that sleep. For each count the watchdog as a service (the CPU time of
its cgroup, children included), beside it the same loop part by part (`bench.parts`), and then
`dockerdoctor check`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench.idle import cpu_s, rss_mb, timed
from bench.parts import FIRST_S
from tests.lab.host import IMAGE, LabHost
from tests.lab.product import VENV
from tests.lab.watchdog import Watchdog

COUNTS = (10, 100, 500)
SECONDS = 120.0
START = """set -e
have=$(docker ps --quiet | wc -l)
seq $have $(($1 - 1)) | xargs -r -P 3 -I N docker run --detach --network none --log-driver none \
    --name cN $2 sleep 1000000 >/dev/null
"""


def main(suite: str, counts: tuple[int, ...] = COUNTS) -> None:
    """Print a table: a line for each part, a column for each count."""
    columns = []
    with LabHost(suite, product=True) as host:
        host.import_busybox()
        host.put("/tmp/parts.py", (Path(__file__).parent / "parts.py").read_text())
        watchdog = Watchdog(host)
        for count in counts:
            host.run("sh", "-c", START, "sh", str(count), IMAGE, timeout=1800)
            columns.append(measure(watchdog))
            print(f"{count} containers: {json.dumps(columns[-1])}", file=sys.stderr, flush=True)
    print("| " + " | ".join(["containers", *map(str, counts)]) + " |")
    print("|---" * (len(counts) + 1) + "|")
    for line in columns[-1]:
        print("| " + " | ".join([line, *(column.get(line, "") for column in columns)]) + " |")


def measure(watchdog: Watchdog) -> dict[str, str]:
    """What it costs now, in words."""
    host = watchdog.host
    watchdog.begin("")
    beside = host.spawn(f"{VENV}/bin/python", "/tmp/parts.py", f"{SECONDS}")
    time.sleep(FIRST_S)
    spent, began = cpu_s(host), time.monotonic()
    told, _ = beside.communicate(timeout=600)
    share = (cpu_s(host) - spent) / (time.monotonic() - began)
    rss = rss_mb(host)
    watchdog.stop()
    parts = json.loads(told.splitlines()[-1])
    times = timed(host, "check")
    return {
        "the service, of a core": f"{share:.3%}",
        "its RSS, MB": f"{rss:.1f}",
        "`check`, ms (median)": f"{times[len(times) // 2] * 1e3:.0f}",
        **{
            f"{name}, of a core (ms a run)": f"{core:.3%}"
            + (f" ({parts['run_ms'][name]:.1f})" if name in parts["run_ms"] else "")
            for name, core in parts["core"].items()
        },
    }


if __name__ == "__main__":
    main(
        sys.argv[1] if sys.argv[1:] else "trixie",
        tuple(map(int, sys.argv[2].split(","))) if sys.argv[2:] else COUNTS,
    )
