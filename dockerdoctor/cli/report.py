"""What `check` found, as values: the text, the JSON and the Nagios line are renderings of this.

One look's samples, the rules and what a watchdog has on record go in; a `Report` comes out. Pure.
The JSON Schema in `shipped/schema/check.schema.json` is made from these types.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dockerdoctor import holds
from dockerdoctor.cli.history import Since, Watchdog
from dockerdoctor.declare import Scene
from dockerdoctor.glance import THROUGH_THE_DAEMON, at_once
from dockerdoctor.judge import MUST_SEE, Rule, judge
from dockerdoctor.model import (
    Fault,
    Finding,
    Health,
    Instant,
    Reading,
    Readings,
    Sample,
    Severity,
    Value,
)
from dockerdoctor.rungs._common import takes_no_signal
from dockerdoctor.units import plain

SCHEMA_VERSION = 1
HEAL = "dockerdoctor heal --plan"
STATUS = "systemctl status docker.service docker.socket"
PS = "ps -C dockerd -o pid,lstart,args"
NO_ANSWER = "no-answer"
"""Our own finding, where no rule can say it: nobody answers, whatever the unit is."""
STREAMED = ("events",)
"""Probes of a stream: one look shows nothing, the watchdog's last sample does."""
REMEDIES = {
    "missing": "is docker installed and started here? another daemon is named with --host",
    "refused": "the socket is there and nobody serves it: the daemon is down, or on its way",
    "timeout": "it is there and says nothing: keep its stacks (SIGUSR1) before you restart it",
}
"""What to do where nobody answers, by `ping.why`."""
HINTS = {
    Fault.DENIED: "run it as root, or as a member of the group docker (which means root)",
    Fault.GARBLED: "is this the daemon's address? a proxy or another service answers here",
}
"""What to do where nobody can say how the daemon is, by the ping's fault."""
COMMAND = re.compile(r"`([^`]+)`")


class State(enum.StrEnum):
    """The verdict of a check in the words of the monitoring plugins."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


EXIT = {State.OK: 0, State.WARNING: 1, State.CRITICAL: 2, State.UNKNOWN: 3}


@dataclass(frozen=True, slots=True)
class Found:
    """One finding for people. `since` is wall clock, None when only this look has seen it."""

    rule: str
    says: str
    state: State
    since: float | None = None
    evidence: Readings = field(default_factory=dict)
    cause: str = ""
    remedy: str = ""
    avoid: str = ""
    next: str = ""
    incident: str = ""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A probe that could not look."""

    probe: str
    fault: Fault
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a check has to tell. Times are wall clock, s since the epoch."""

    state: State
    says: str
    at: float
    address: str
    findings: tuple[Found, ...] = ()
    readings: Readings = field(default_factory=dict)
    unseen: tuple[Unseen, ...] = ()
    notes: tuple[str, ...] = ()
    watchdog: Watchdog = field(default_factory=Watchdog)


@dataclass(frozen=True, slots=True)
class Looked:
    """One look, and what it is judged by. `whole` is whether the host could be looked at too, not
    only the API of a daemon whose unit is not known."""

    samples: Mapping[str, Sample]
    rules: Sequence[Rule]
    declared: Mapping[str, Reading]
    now: Instant
    address: str
    whole: bool = True


def report(looked: Looked, watchdog: Watchdog, since: Since = lambda _: None) -> Report:
    """The whole verdict of one look beside what the watchdog knows. `since` looks up when a rule
    began to hold, for those without an incident."""
    samples = {**_streamed(watchdog), **looked.samples}
    judgement = judge(at_once(looked.rules), samples, None, looked.now, looked.declared)
    scene = Scene(judgement.readings)
    by_name = {rule.name: rule for rule in looked.rules}
    findings = [
        _found(finding, by_name[finding.rule], scene, watchdog, since)
        for finding in judgement.verdict.findings
    ]
    findings += _still_open(findings, by_name, watchdog, looked.samples)
    findings += _held(scene)
    if not any(found.state is State.CRITICAL for found in findings):
        findings += _nobody_answers(looked.samples, findings)
    findings.sort(key=lambda found: -EXIT[found.state])
    unseen = _unseen(looked.samples)
    state, says = _conclusion(findings, judgement.verdict.health, looked, unseen)
    return Report(
        state=state,
        says=says,
        at=looked.now.wall,
        address=looked.address,
        findings=tuple(findings),
        readings=judgement.readings,
        unseen=tuple(unseen),
        notes=_notes(looked),
        watchdog=watchdog,
    )


def vitals(readings: Readings) -> str:
    """The few figures of a daemon that is well: "answers in 1.2 ms, RSS 92 MiB, disk 41 %"."""
    wanted = (
        ("ping.latency_s", "answers in {}", "seconds"),
        ("process.rss_bytes", "RSS {}", "bytes"),
        ("disk.used_ratio", "disk {}", "ratio"),
        ("containers.running", "{} containers run", ""),
    )
    return ", ".join(
        words.format(plain(readings[name], unit))
        for name, words, unit in wanted
        if name in readings
    )


def _found(finding: Finding, rule: Rule, scene: Scene, watchdog: Watchdog, since: Since) -> Found:
    incident = watchdog.incident_of(finding.rule)
    return Found(
        rule=finding.rule,
        says=finding.says,
        state=_state(finding.severity),
        since=incident.opened if incident else since(rule),
        evidence=finding.evidence,
        cause=takes_no_signal(scene) if finding.ladder else "",
        remedy=rule.remedy,
        avoid=rule.avoid,
        next=HEAL if finding.ladder else _command_in(rule.remedy),
        incident=incident.id if incident else "",
    )


def _streamed(watchdog: Watchdog) -> Mapping[str, Sample]:
    """The last sample of what one look cannot see, from a watchdog that runs."""
    samples = watchdog.samples if watchdog.running else ()
    return {each.probe: each for each in samples if each.probe in STREAMED and not each.fault}


def _still_open(
    findings: Sequence[Found],
    rules: Mapping[str, Rule],
    watchdog: Watchdog,
    samples: Mapping[str, Sample],
) -> list[Found]:
    """Incidents of a running watchdog that this one look does not show: its looks are many. Only
    where this look could not see for itself, or the incident has not yet had its good looks."""
    known = {found.rule for found in findings}
    return [
        Found(
            rule=incident.rule,
            says=f"{incident.says} (the watchdog's incident is still open)",
            state=_state(incident.severity)
            if _blind_for(incident.rule, rules, samples)
            else State.WARNING,
            since=incident.opened,
            evidence=incident.evidence,
            remedy=rules[incident.rule].remedy if incident.rule in rules else "",
            next=f"dockerdoctor incidents show {incident.id}",
            incident=incident.id,
        )
        for incident in watchdog.open
        if watchdog.running and incident.rule not in known
    ]


def _blind_for(rule: str, rules: Mapping[str, Rule], samples: Mapping[str, Sample]) -> bool:
    """Whether this look could not see what the rule asks about."""
    if rule not in rules:
        return False
    probes = {condition.reading.partition(".")[0] for condition in rules[rule].when}
    return any(probe not in samples or samples[probe].fault for probe in probes)


def _held(scene: Scene) -> list[Found]:
    """What an operator wants, or a start that is under way: no fault, and not well either."""
    hold = holds.first(holds.HOLDS, scene)
    if hold is None:
        return []
    nexts = {
        "masked": "systemctl unmask docker.service",
        "stopped": "systemctl start docker.socket docker.service",
        "starting": "journalctl -fu docker.service",
    }
    return [Found(hold.reason, hold.why, State.WARNING, next=nexts.get(hold.reason, ""))]


def _nobody_answers(samples: Mapping[str, Sample], findings: Sequence[Found]) -> list[Found]:
    """A ping without an answer is critical, unless it is known who wants it so."""
    ping = samples.get("ping")
    if ping is None or ping.readings.get("answered") is not False:
        return []
    if any(found.rule in holds.HOLDS for found in findings):
        return []
    why = str(ping.readings.get("why", ""))
    return [
        Found(
            NO_ANSWER,
            str(ping.readings.get("says", "")) or "nobody answers",
            State.CRITICAL,
            evidence={"ping.answered": False, "ping.why": why},
            remedy=REMEDIES.get(why, ""),
            next=PS if _no_unit(samples) else STATUS,
        )
    ]


def _no_unit(samples: Mapping[str, Sample]) -> bool:
    unit = samples.get("unit")
    return unit is None or unit.fault is Fault.MISSING


def _unseen(samples: Mapping[str, Sample]) -> list[Unseen]:
    """Probes that failed, each with its reason; not those that only wait behind the ping."""
    ping = samples.get("ping")
    hung = ping is not None and ping.readings.get("answered") is not True
    return [
        Unseen(
            sample.probe,
            sample.fault,
            sample.detail or str(sample.fault),
            HINTS.get(sample.fault, "") if sample.probe == "ping" else "",
        )
        for sample in samples.values()
        if sample.fault
        and not (hung and sample.probe in THROUGH_THE_DAEMON and sample.probe != "ping")
    ]


def _conclusion(
    findings: Sequence[Found], health: Health, looked: Looked, unseen: Sequence[Unseen]
) -> tuple[State, str]:
    """The worst finding; without one, blind is unknown, and what is left is well."""
    if findings:
        return findings[0].state, findings[0].says
    ping = looked.samples.get("ping")
    answered = ping is not None and ping.readings.get("answered") is True
    unit_matters = looked.whole and not _no_unit(looked.samples)
    if not answered or (health is Health.BLIND and unit_matters):
        blind = sorted(unseen, key=lambda each: each.probe not in MUST_SEE)
        return State.UNKNOWN, blind[0].detail if blind else "cannot see enough to judge"
    readings = {
        f"{sample.probe}.{name}": value
        for sample in looked.samples.values()
        for name, value in sample.readings.items()
    }
    return State.OK, vitals(readings) or "well"


def _notes(looked: Looked) -> tuple[str, ...]:
    if looked.whole:
        return ()
    return (
        f"only the API of {looked.address} was looked at: its unit, process and disk are not those "
        "of the configuration",
    )


def _state(severity: Severity) -> State:
    return {
        Severity.INFO: State.OK,
        Severity.WARNING: State.WARNING,
        Severity.CRITICAL: State.CRITICAL,
    }[severity]


def _command_in(remedy: str) -> str:
    """The first command that a remedy names."""
    found = COMMAND.search(remedy)
    return found[1] if found else ""


def finite(value: Value) -> Value:
    """JSON knows no infinity: the word instead."""
    return "infinity" if value == float("inf") else value
