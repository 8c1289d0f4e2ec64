"""One look at a daemon by all probes at once, for a command that must answer soon.

Probes and a view go in; a sample of each comes out, at the latest after PATIENCE_S. What a look
means at once, without the history that a watchdog has, is `at_once`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from dockerdoctor.collect import run_probe
from dockerdoctor.declare import Probe
from dockerdoctor.host.view import HostView
from dockerdoctor.judge import Rule
from dockerdoctor.model import Fault, Sample
from dockerdoctor.together import PATIENCE_S, Together

HUNG_S = 5.6
"""From the beginning, once the ping has failed: what goes through the daemon will not answer
either; this is for containerd's own answer (5 s)."""
UNIT_FIRST_S = 1.5
"""How long the others wait for the unit's state."""
THROUGH_THE_DAEMON = (
    "ping",
    "api",
    "builds",
    "containers",
    "locks",
    "events",
    "leftovers",
    "health",
)
"""Probes that connect to the daemon's socket. To connect to the socket of a daemon that an operator
has stopped would start it (socket activation)."""


AFTER_OTHERS = "journal"
"""Names containers by what the others learn of them: where it may have been too early, it looks
again."""
THROUGH_CONTAINERD = ("api",)
"""Probes whose answer waits for containerd's: while that hangs, they are not waited for."""


def at_once(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The same rules, for a single look: what holds now is told now."""
    return tuple(replace(rule, for_s=0.0, looks=1, clear=(), clear_for_s=0.0) for rule in rules)


def glance(probes: Iterable[Probe], view: HostView) -> Mapping[str, Sample]:
    """A sample of each probe. One that is not back in time is a time-out; those that would start a
    stopped daemon are left out."""
    began = view.now()
    look: Together[Sample] = Together(lambda: view.now().mono)
    wanted = {probe.name: partial(run_probe, probe, view) for probe in probes}
    if "unit" in wanted:
        look.begin({"unit": wanted.pop("unit")})
        look.wait(UNIT_FIRST_S, {"unit"})
        if _says(look, "unit", "stopped_by_operator"):
            wanted = {
                name: probe for name, probe in wanted.items() if name not in THROUGH_THE_DAEMON
            }
    look.begin(wanted)
    look.wait(PATIENCE_S, {"ping"})
    if _says(look, "ping", "answered"):
        look.wait(PATIENCE_S, set(wanted) - set(THROUGH_CONTAINERD))
        if _says(look, "containerd", "answered") or "containerd" not in wanted:
            look.wait(PATIENCE_S)
        if (said := look.done().get(AFTER_OTHERS)) and said.readings.get("resolver"):
            look.begin({AFTER_OTHERS: wanted[AFTER_OTHERS]})
            look.wait(PATIENCE_S, {AFTER_OTHERS})
    else:
        look.wait(HUNG_S, set(wanted) - set(THROUGH_THE_DAEMON))
    took = look.passed_s()
    why = f"no answer within {took:.0f} s"
    late = {name: Sample(name, began, took, {}, Fault.TIMEOUT, why) for name in look.out()}
    return {**late, **look.done()}


def _says(look: Together[Sample], probe: str, reading: str) -> bool:
    """Whether a probe is back and this FLAG is true."""
    sample = look.done().get(probe)
    return sample is not None and sample.readings.get(reading) is True
