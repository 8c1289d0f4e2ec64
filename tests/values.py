"""Small makers of values that many tests speak in."""

from __future__ import annotations

from dockerdoctor.declare import Probe as Probe
from dockerdoctor.declare import Rung, Scene, known_readings, load
from dockerdoctor.judge import Condition, Rule
from dockerdoctor.model import (
    Attempt,
    Fault,
    Finding,
    Health,
    Impact,
    Incident,
    Instant,
    Sample,
    Severity,
    Value,
    Verdict,
)

PROBES = load("dockerdoctor.probes", Probe)
RUNGS = load("dockerdoctor.rungs", Rung)
READINGS = known_readings(PROBES)


def at(seconds: float) -> Instant:
    """That long after a fixed moment, on both clocks."""
    return Instant(1_800_000_000.0 + seconds, 1000.0 + seconds)


def sample(probe: str, seconds: float, fault: Fault | None = None, **readings: Value) -> Sample:
    """One sample taken then."""
    return Sample(probe, at(seconds), 0.001, readings, fault, "it said so" if fault else "")


def rule(*when: Condition, name: str = "a-rule", **others: object) -> Rule:
    """A rule with these conditions."""
    keys: dict[str, object] = {"says": "something is wrong", "severity": Severity.CRITICAL}
    return Rule(name, when=when, **{**keys, **others})  # type: ignore[arg-type]


def finding(*ladder: str, name: str = "a-rule", severity: Severity = Severity.CRITICAL) -> Finding:
    """A finding that calls for this ladder."""
    return Finding(name, "it hangs", severity, at(0), {}, ladder)


def sick(*findings: Finding) -> Verdict:
    """A verdict with these findings."""
    return Verdict(at(0), Health.SICK if findings else Health.WELL, findings)


def attempt(
    rung: str, began: float = 0.0, ended: float | None = 1.0, impact: Impact = Impact.CONTAINERS
) -> Attempt:
    """One attempt that did not cure, at these seconds after the fixed moment."""
    end = None if ended is None else at(ended).wall
    return Attempt(rung, at(began).wall, impact, end, None if ended is None else False)


def incident(*attempts: Attempt, name: str = "a-rule", ident: str = "one") -> Incident:
    """An open incident with these attempts."""
    return Incident(ident, at(0).wall, name, "it hangs", Severity.CRITICAL, attempts)


HEALTHY: dict[str, Value] = {
    "ping.answered": True,
    "unit.active_state": "active",
    "unit.sub_state": "running",
    "unit.load_state": "loaded",
    "unit.result": "success",
    "unit.job": "",
    "unit.since_start_s": 86400.0,
    "unit.stop_timeout_s": 90.0,
    "unit.stopped_by_operator": False,
    "containerd.answered": True,
    "containerd.active_state": "active",
    "disk.used_ratio": 0.4,
    "process.state": "S",
    "process.tracer": "",
    "process.frozen": False,
    "process.sigterm_pending": False,
}


def scene(**changes: Value) -> Scene:
    """A healthy scene with these readings changed (`unit__result` for `unit.result`)."""
    return Scene({**HEALTHY, **{name.replace("__", "."): v for name, v in changes.items()}})
