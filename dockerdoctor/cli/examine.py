"""What one look means: samples, the rules and what a watchdog has on record go in, a `Report` comes
out. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from dockerdoctor.cli import beyond
from dockerdoctor.cli.history import Since, Watchdog
from dockerdoctor.cli.report import EXIT, Found, Looked, Report, State, Unseen
from dockerdoctor.declare import Scene
from dockerdoctor.glance import THROUGH_THE_DAEMON, at_once
from dockerdoctor.judge import MUST_SEE, Rule, flatten, judge
from dockerdoctor.model import Fault, Finding, Health, Incident, Outcome, Readings, Sample
from dockerdoctor.rungs._common import takes_no_signal
from dockerdoctor.units import plain

HEAL = "dockerdoctor heal --plan"
STREAMED = ("events",)
"""Probes of a stream: one look shows nothing, the watchdog's last sample does."""
OVER_TIME = ("locks",)
"""Probes whose one look is too short: nothing hangs for 35 s in it. The watchdog's last sample
knows better."""
HINTS = {
    ("ping", Fault.DENIED): "run it as root, or as a member of the group docker (which means root)",
    (
        "ping",
        Fault.GARBLED,
    ): "is this the daemon's address? a proxy or another service answers here",
    ("unit", Fault.MISSING): "if its unit has another name, or it has a pid file and no systemd: "
    "[daemon] unit or pidfile in the configuration",
}
"""What to do where nobody can say how the daemon is, by probe and fault."""
FATAL = re.compile(
    r"failed to start daemon|unable to configure the Docker daemon|level=fatal"
    r"|^panic: |fatal error: "
)
"""Messages with which a dockerd ends (cmd/dockerd)."""
MAX_CAUSE = 300
COMMAND = re.compile(r"`([^`]+)`")


def examine(looked: Looked, watchdog: Watchdog, since: Since = lambda _: None) -> Report:
    """The whole verdict of one look beside what the watchdog knows. `since` looks up when a rule
    began to hold, for those without an incident."""
    samples = with_watchdogs(looked, watchdog)
    judgement = judge(at_once(looked.rules), samples, None, looked.now, looked.declared)
    scene = Scene(judgement.readings)
    by_name = {rule.name: rule for rule in looked.rules}
    findings = [
        replace(
            _found(finding, by_name[finding.rule], watchdog, since),
            cause=_cause(finding, scene, looked.journal),
        )
        for finding in judgement.verdict.findings
    ]
    findings += beyond.still_open(findings, by_name, watchdog, looked.samples)
    findings += beyond.held(scene, looked.units)
    if not any(found.state is State.CRITICAL for found in findings):
        findings += beyond.nobody_answers(looked, findings)
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


def _found(finding: Finding, rule: Rule, watchdog: Watchdog, since: Since) -> Found:
    """What nobody watched since may be another hang than the one that was left open."""
    incident = watchdog.incident_of(finding.rule) if watchdog.awake else None
    began = since(rule) if watchdog.awake else None
    return Found(
        rule=finding.rule,
        says=finding.says,
        state=beyond.state_of(finding.severity),
        since=incident.opened if incident else began,
        evidence=finding.evidence,
        remedy=rule.remedy,
        avoid=rule.avoid,
        next=_next(finding, rule, watchdog, incident),
        incident=incident.id if incident else "",
    )


def with_watchdogs(looked: Looked, watchdog: Watchdog) -> Mapping[str, Sample]:
    """The samples of this look, with a running watchdog's last ones of what one look cannot see."""
    samples = watchdog.samples if watchdog.awake else ()
    last = {each.probe: each for each in samples if not each.fault}
    streamed = {name: last[name] for name in STREAMED if name in last}
    longer = {name: last[name] for name in OVER_TIME if name in last and name in looked.samples}
    return {**streamed, **looked.samples, **longer}


def _unseen(samples: Mapping[str, Sample]) -> list[Unseen]:
    """Probes that failed, each with its reason; not those that only wait behind the ping."""
    ping = samples.get("ping")
    hung = ping is not None and ping.readings.get("answered") is not True
    return [
        Unseen(
            sample.probe,
            sample.fault,
            sample.detail or str(sample.fault),
            HINTS.get((sample.probe, sample.fault), ""),
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
    unit_matters = looked.whole and not beyond.no_unit(looked.samples)
    if not answered or (health is Health.BLIND and unit_matters):
        blind = sorted(unseen, key=lambda each: each.probe not in MUST_SEE)
        return State.UNKNOWN, blind[0].detail if blind else "cannot see enough to judge"
    return State.OK, vitals(flatten(looked.samples)) or "well"


def _notes(looked: Looked) -> tuple[str, ...]:
    if looked.whole:
        return ()
    return (
        f"only the API of {looked.address} was looked at: its unit, process and disk are not those "
        "of the configuration",
    )


def _cause(finding: Finding, scene: Scene, journal: Sequence[str]) -> str:
    """What is behind it, where one look can tell: who holds a hung daemon, why a dead one died."""
    if finding.evidence.get("unit.active_state") == "failed":
        return next((line for line in reversed(journal) if FATAL.search(line)), "")[:MAX_CAUSE]
    return takes_no_signal(scene) if finding.ladder else ""


def _next(finding: Finding, rule: Rule, watchdog: Watchdog, incident: Incident | None) -> str:
    """The command to type now: to look on while the watchdog heals, else to heal."""
    if not finding.ladder:
        return _command_in(rule.remedy)
    at_work = watchdog.healing or (watchdog.running and not watchdog.paused)
    if incident and incident.outcome is Outcome.OPEN and at_work:
        return f"dockerdoctor incidents show {incident.id}"
    return HEAL


def _command_in(remedy: str) -> str:
    """The first command that a remedy names."""
    found = COMMAND.search(remedy)
    return found[1] if found else ""
