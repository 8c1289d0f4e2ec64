"""One look at a daemon by all probes at once, for a command that must answer soon.

Probes and a view go in; a sample of each comes out, at the latest after PATIENCE_S. What a look
means at once, without the history that a watchdog has, is `at_once`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace

from dockerdoctor.collect import run_probe
from dockerdoctor.declare import Probe
from dockerdoctor.host.view import HostView
from dockerdoctor.judge import Rule
from dockerdoctor.model import Fault, Sample

PATIENCE_S = 8.5
"""`check` on a daemon that hangs must be done within 10 s, its start and its printing included."""
HUNG_S = 5.6
"""The same once the ping has failed: what goes through the daemon will not answer either; this is
for containerd's own answer (5 s)."""
UNIT_FIRST_S = 1.5
"""How long the others wait for the unit's state."""
THROUGH_THE_DAEMON = ("ping", "api", "containers", "events", "leftovers", "health")
"""Probes that connect to the daemon's socket. To connect to the socket of a daemon that an operator
has stopped would start it (socket activation)."""


def at_once(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The same rules, for a single look: what holds now is told now."""
    return tuple(replace(rule, for_s=0.0, looks=1, clear=(), clear_for_s=0.0) for rule in rules)


def glance(probes: Iterable[Probe], view: HostView) -> Mapping[str, Sample]:
    """A sample of each probe. One that is not back in time is a time-out; those that would start a
    stopped daemon are left out."""
    look = _Look(view)
    wanted = {probe.name: probe for probe in probes}
    if "unit" in wanted:
        look.begin([wanted.pop("unit")])
        look.wait(UNIT_FIRST_S, {"unit"})
        if look.says("unit", "stopped_by_operator"):
            wanted = {
                name: probe for name, probe in wanted.items() if name not in THROUGH_THE_DAEMON
            }
    look.begin(wanted.values())
    look.wait(PATIENCE_S, {"ping"})
    if look.says("ping", "answered"):
        look.wait(PATIENCE_S)
    else:
        look.wait(HUNG_S, set(wanted) - set(THROUGH_THE_DAEMON))
    return look.samples()


class _Look:
    """Runs probes in daemon threads, which are left behind when they hang."""

    def __init__(self, view: HostView) -> None:
        self._view = view
        self._began = view.now()
        self._out: set[str] = set()
        self._done: dict[str, Sample] = {}
        self._change = threading.Condition()

    def begin(self, probes: Iterable[Probe]) -> None:
        for probe in list(probes):
            self._out.add(probe.name)
            name = f"probe-{probe.name}"
            threading.Thread(target=self._run, args=(probe,), name=name, daemon=True).start()

    def wait(self, until_s: float, wanted: Set[str] | None = None) -> None:
        """Until the wanted ones (None: all) are back, or `until_s` after the beginning."""
        with self._change:
            while self._out if wanted is None else self._out & wanted:
                if (left := until_s - self._passed_s()) <= 0:
                    return
                self._change.wait(left)

    def says(self, probe: str, reading: str) -> bool:
        """Whether a probe is back and this FLAG is true."""
        with self._change:
            return probe in self._done and self._done[probe].readings.get(reading) is True

    def samples(self) -> Mapping[str, Sample]:
        """What is back, and a time-out for each that is not."""
        with self._change:
            took = self._passed_s()
            why = f"no answer within {took:.0f} s"
            late = {
                name: Sample(name, self._began, took, {}, Fault.TIMEOUT, why) for name in self._out
            }
            return {**self._done, **late}

    def _passed_s(self) -> float:
        return self._view.now().mono - self._began.mono

    def _run(self, probe: Probe) -> None:
        sample = run_probe(probe, self._view)
        with self._change:
            self._done[probe.name] = sample
            self._out.discard(probe.name)
            self._change.notify_all()
