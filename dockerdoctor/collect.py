"""Probes in, samples out: a sample always comes back, by the collector's deadline.

Each probe runs in a daemon thread of its own and never twice at once: while one hangs in the
kernel, its sample is a time-out that says since when.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host import workers
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Instant, Sample
from dockerdoctor.units import plain

Collect = Callable[[frozenset[str], float | None], Mapping[str, Sample]]
"""Called with the probes to look closely with and how long to wait (s; None: as long as the probes
may take, those that are not urgent too); returns the last sample of every probe."""

NO_SAMPLES: Mapping[str, Sample] = MappingProxyType({})
CLOSE_S = 3.0
"""The pace of a probe that is not urgent when it is looked closely with: it costs more."""
GRACE_S = 0.5
"""A probe's own deadline comes first; this much later the collector stops waiting for it."""


def run_probe(probe: Probe, view: HostView) -> Sample:
    """One run. Whatever happens, a sample comes back."""
    at = view.now()
    try:
        readings = dict(probe.run(view))
    except HostFault as fault:
        return Sample(probe.name, at, view.now().mono - at.mono, {}, fault.fault, fault.sentence)
    except Exception as bug:  # noqa: BLE001  a probe's mistake must not blind the others
        detail = f"{type(bug).__name__}: {bug}"
        return Sample(probe.name, at, view.now().mono - at.mono, {}, Fault.BUG, detail)
    return Sample(probe.name, at, view.now().mono - at.mono, readings)


def due(probe: Probe, last: Sample | None, now: Instant, close: bool) -> bool:
    """Whether it is this probe's turn: always at first, by its pace, or when looking closely."""
    if last is None or (close and probe.urgent):
        return True
    every_s = min(probe.every_s, CLOSE_S) if close else probe.every_s
    return now.mono - last.at.mono >= every_s * 0.9


class Collector:
    """Runs the probes that are due and remembers the last sample of each."""

    def __init__(
        self, probes: Mapping[str, Probe], view: HostView, first: Mapping[str, Sample] = NO_SAMPLES
    ) -> None:
        """`first` are samples that somebody else has just taken."""
        self._probes = probes
        self._view = view
        self._last = dict(first)
        self._running: dict[str, Instant] = {}
        self._done = threading.Condition()

    def look(
        self, close: frozenset[str] = frozenset(), within_s: float | None = None
    ) -> Mapping[str, Sample]:
        """Run what is due. Waits for urgent probes, the first time and when looking closely without
        `within_s` for all, until their deadlines; what takes longer is seen at a later look."""
        now = self._view.now()
        patient = bool(close) and within_s is None
        with self._done:
            awaited = {
                probe.name: now.mono + probe.timeout_s + GRACE_S
                for probe in self._probes.values()
                if self._begin(probe, now, probe.name in close, patient)
            }
            while waits := [end for name, end in awaited.items() if name in self._running]:
                until = max(waits) if within_s is None else min(max(waits), now.mono + within_s)
                if (left := until - self._view.now().mono) <= 0:
                    break
                self._done.wait(left)
            return {**self._last, **dict(self._hanging())}

    def _begin(self, probe: Probe, now: Instant, close: bool, patient: bool) -> bool:
        """Start the probe if it is due; whether this look waits for it."""
        last = self._last.get(probe.name)
        if probe.name in self._running or not due(probe, last, now, close):
            return False
        self._running[probe.name] = now
        workers.run(lambda: self._run(probe), f"probe-{probe.name}")
        return probe.urgent or patient or last is None

    def _hanging(self) -> Iterator[tuple[str, Sample]]:
        """A time-out for each probe that is out for longer than it may be."""
        now = self._view.now()
        for name, began in self._running.items():
            took = now.mono - began.mono
            if took > self._probes[name].timeout_s:
                detail = f"has hung for {plain(took, 'seconds')}"
                yield name, Sample(name, began, took, {}, Fault.TIMEOUT, detail)

    def _run(self, probe: Probe) -> None:
        sample = run_probe(probe, self._view)
        with self._done:
            self._last[probe.name] = sample
            del self._running[probe.name]
            self._done.notify_all()
