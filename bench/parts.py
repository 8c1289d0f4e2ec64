"""What each part of the watchdog costs on this machine: `python -m bench parts [SECONDS]`.

The real loop with all probes, rules and metrics over the real daemon, for so many seconds; it acts
in nothing. Each probe's CPU time is that of the whole process and its children while it runs, so
here they run one after the other. Prints JSON: shares of a core by part, and the memory.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor import compose
from dockerdoctor.around import Hooks
from dockerdoctor.collect import due, run_probe
from dockerdoctor.config import Config
from dockerdoctor.declare import Probe
from dockerdoctor.host.dryrun import DryRun
from dockerdoctor.host.view import HostView
from dockerdoctor.imageuse import Room, Uses
from dockerdoctor.metrics import Metrics, Sources
from dockerdoctor.model import Policy, Sample
from dockerdoctor.store import Store
from dockerdoctor.watch import Watch

FIRST_S = 60.0
"""Not measured: until everything was asked once."""
LOOP = "the loop itself"


class Meter:
    """A collector without threads that remembers what each probe has spent, s."""

    def __init__(self, probes: Mapping[str, Probe], view: HostView) -> None:
        self._probes = probes
        self._view = view
        self._last: dict[str, Sample] = {}
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.runs: Counter[str] = Counter()

    def look(self, close: frozenset[str], _within_s: float | None) -> Mapping[str, Sample]:
        """As `collect.Collector.look`."""
        for name, probe in self._probes.items():
            if due(probe, self._last.get(name), self._view.now(), name in close):
                before = cpu_s()
                self._last[name] = run_probe(probe, self._view)
                self.spent[name] += cpu_s() - before
                self.runs[name] += 1
        return dict(self._last)


def cpu_s() -> float:
    """CPU time of this process and of its children that have ended, s."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def measure(seconds: float) -> dict[str, dict[str, float]]:
    """Shares of a core, how long one run takes (ms), and the resident memory (MB)."""
    with tempfile.TemporaryDirectory() as directory:
        settings = Config()
        settings = replace(settings, watch=replace(settings.watch, state_dir=Path(directory)))
        known = compose.knowledge(settings)
        host = compose.host(settings)
        store = Store.open(settings.watch.record, host.now())
        metrics = Metrics(known.probes, {}, known.rungs, Sources(host.events))
        meter = Meter(known.probes, host)
        watch = Watch(
            DryRun(host, print),
            meter.look,
            known,
            Policy,
            store,
            hooks=Hooks(looked=metrics.looked),
            room=Room(settings.disk, Uses(store)),
        )
        _turn(watch, FIRST_S)
        meter.spent.clear()
        meter.runs.clear()
        before, began = cpu_s(), time.monotonic()
        _turn(watch, seconds)
        all_s, took = cpu_s() - before, time.monotonic() - began
        host.close()
        store.shut()
    meter.spent[LOOP] = all_s - sum(meter.spent.values())
    costly_first = sorted(meter.spent.items(), key=lambda each: -each[1])
    return {
        "core": {name: spent / took for name, spent in costly_first},
        "run_ms": {name: meter.spent[name] / runs * 1e3 for name, runs in meter.runs.items()},
        "rss_mb": {"": _rss_bytes() / 1e6},
    }


def _turn(watch: Watch, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        watch.cycle()
        time.sleep(max(0.0, watch.pause_s() - (time.monotonic() - now)))


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(json.dumps(measure(float(sys.argv[1]) if sys.argv[1:] else 120.0)))
