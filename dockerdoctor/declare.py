"""How a probe, a rung or a check describes itself, and the one loop that finds them all.

A file in `probes/` ends in `PROBE = Probe(...)`, one in `rungs/` in `RUNG = Rung(...)`, one in
`checks/` in `CHECK = Check(...)`. Listing, metrics, tables and the check of rules read these
declarations; a new file edits no other.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct, field

from dockerdoctor.allowed import Allowed
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.view import HostControl, HostView
from dockerdoctor.model import NOTHING, Impact, Policy, Reading, Readings, Severity


class Probe(Struct, frozen=True):
    """A cheap, periodic look. `run` returns the readings it declares and raises HostFault if it
    cannot; the collector gives up on it after `timeout_s`. It runs every `every_s`, and at each
    look while something seems wrong if `urgent`."""

    name: str
    help: str
    readings: tuple[Reading, ...]
    timeout_s: float
    run: Callable[[HostView], Readings]
    every_s: float = 4.0
    urgent: bool = True


class Scene(Struct, frozen=True):
    """What a rung is judged by: the last readings of all probes by full name, the policy, and the
    containers that ran when the daemon was last well."""

    readings: Readings = field(default_factory=lambda: NOTHING)
    policy: Policy = field(default_factory=Policy)
    running: tuple[Container, ...] = ()
    climbed_lately: bool = False
    """Whether we restarted it a short while ago, so that a start limit may be our doing."""
    allowed: Allowed = field(default_factory=Allowed)
    """What may be removed of a full data-root."""
    image_use: Mapping[str, float] = field(default_factory=dict)
    """When images were last seen in use, by reference (wall clock)."""

    def flag(self, name: str) -> bool:
        """A FLAG reading; False when it was not seen."""
        return self.readings.get(name) is True

    def number(self, name: str, default: float = 0.0) -> float:
        """A numeric reading, or the default when it was not seen."""
        value = self.readings.get(name, default)
        return float(value) if isinstance(value, int | float) else default

    def word(self, name: str) -> str:
        """A TEXT reading; empty when it was not seen."""
        return str(self.readings.get(name, ""))


class Note(Struct, frozen=True):
    """What a rung did, as a sentence, and the files it kept. Never a claim of success."""

    says: str
    evidence: tuple[str, ...] = ()
    futile: str = ""
    """Why it is certain already that no cure will come of it; empty if it is not."""


def always_can(_: Scene) -> str:
    """No reason against it."""
    return ""


def nobody_else(_: Scene) -> Sequence[str]:
    """No container more than others."""
    return ()


class Rung(Struct, frozen=True):
    """One remedy. All but `run` are pure, so that a plan can be shown without doing anything.

    impact: the worst it costs here; settle_s: how long to look for the cure (s; 0: it cures
    nothing, as evidence does not); useless: why it cannot help now, empty if it can: then it is
    passed over; room: what is full that it needs: then it waits; hopeless: while looking, why
    waiting longer cannot help."""

    name: str
    help: str
    impact: Callable[[Scene], Impact]
    settle_s: Callable[[Scene], float]
    run: Callable[[HostControl, Scene], Note]
    useless: Callable[[Scene], str] = always_can
    room: Callable[[Scene], str] = always_can
    hopeless: Callable[[Scene], str] = always_can
    takes: str = ""
    """What it costs in words, where it interrupts nobody and yet takes something away."""
    whom: Callable[[Scene], Sequence[str]] = nobody_else
    """Which containers it costs, by name, where it does not cost all of them; else empty."""
    by_hand_s: float = 0.0
    """What the same takes a person who was woken and has logged in, s (reference figures of
    incident response); 0 where nobody does it by hand."""
    restarts: bool = False
    """Whether it ends a dockerd that runs: first it must be certain that the next one starts."""


class Clue(Struct, frozen=True):
    """What a check has found. It makes the finding of the rule `rule` exact, whose remedy and wrong
    remedy are then its own; or it is of no rule, and brings its own name and texts."""

    rule: str
    says: str
    severity: Severity
    remedy: str = ""
    avoid: str = ""
    next: str = ""
    """The command to type now."""
    against: bool = False
    """Whether it speaks against that rule: what the daemon complained of is no longer so."""
    follows: bool = False
    """Whether it is what follows from another cause, where there is one."""


class Check(Struct, frozen=True):
    """An examination on demand. `run` only looks, and raises HostFault where it cannot; it is given
    up on after `timeout_s`. `symptom` is the branch of the tree of `diagnose` it belongs to."""

    name: str
    help: str
    symptom: str
    timeout_s: float
    run: Callable[[HostView], Sequence[Clue]]


Declared = TypeVar("Declared", Probe, Rung, Check)


def load(package: str, kind: type[Declared]) -> Mapping[str, Declared]:
    """All declarations of `kind` in the modules of `package`, by name, in the order of file names.

    Raises TypeError when a module declares none of its own name: our bug, found at start."""
    found: dict[str, Declared] = {}
    for name in names(package):
        module = f"{package}.{name.replace('-', '_')}"
        declared = getattr(importlib.import_module(module), kind.__name__.upper(), None)
        if not isinstance(declared, kind) or declared.name != name:
            raise TypeError(f"{module} declares no {kind.__name__} that is called {name}")
        found[name] = declared
    return found


def names(package: str) -> tuple[str, ...]:
    """What is declared there, without loading it: a declaration is called as its file is."""
    modules = pkgutil.iter_modules(importlib.import_module(package).__path__)
    # One with a line before its name is what several share.
    return tuple(each.name.replace("_", "-") for each in modules if not each.name.startswith("_"))


def known_readings(probes: Mapping[str, Probe]) -> Mapping[str, Reading]:
    """Every declared reading by full name, `probe.reading`: what a rule may ask about."""
    return {
        f"{probe.name}.{reading.name}": reading
        for probe in probes.values()
        for reading in probe.readings
    }
