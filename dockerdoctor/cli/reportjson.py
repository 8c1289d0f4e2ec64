"""A `Report` as JSON, and the schema of that JSON, which is shipped and tested to be the same."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from dockerdoctor.cli.report import EXIT, SCHEMA_VERSION, Found, Report, finite
from dockerdoctor.cli.terminal import iso
from dockerdoctor.model import Attempt, Incident, Readings, Value


@dataclass(frozen=True, slots=True)
class FoundJson:
    """One finding. `since` is UTC, null when only this look has seen it."""

    rule: str
    state: str
    says: str
    since: str | None
    evidence: dict[str, Value]
    cause: str
    remedy: str
    avoid: str
    next: str
    incident: str | None


@dataclass(frozen=True, slots=True)
class UnseenJson:
    """A probe that could not look."""

    probe: str
    fault: str
    detail: str
    hint: str


@dataclass(frozen=True, slots=True)
class AttemptJson:
    """One rung that was climbed or passed over. `ended` and `cured` are null while it runs."""

    rung: str
    impact: str
    began: str
    ended: str | None
    cured: bool | None
    skipped: bool
    note: str
    evidence: list[str]


@dataclass(frozen=True, slots=True)
class IncidentJson:
    """From the first finding to the cure. `closed` is null while the daemon is not well."""

    id: str
    rule: str
    severity: str
    says: str
    opened: str
    closed: str | None
    outcome: str
    why: str
    evidence: dict[str, Value]
    attempts: list[AttemptJson]


@dataclass(frozen=True, slots=True)
class WatchdogJson:
    """Whether a watchdog runs (`holder`: pid and what it is), and what it knows."""

    holder: str | None
    paused: str | None
    last_sample: str | None
    trouble: str | None
    open: list[IncidentJson]


@dataclass(frozen=True, slots=True)
class CheckJson:
    """The verdict of `dockerdoctor check --json`. Times are UTC, ISO 8601."""

    schema_version: int
    state: str
    exit_code: int
    says: str
    at: str
    address: str
    version: str
    findings: list[FoundJson]
    readings: dict[str, Value]
    unseen: list[UnseenJson]
    notes: list[str]
    watchdog: WatchdogJson


def check_json(report: Report, version: str) -> bytes:
    """The report as JSON, indented."""
    watchdog = report.watchdog
    whole = CheckJson(
        schema_version=SCHEMA_VERSION,
        state=report.state.value,
        exit_code=EXIT[report.state],
        says=report.says,
        at=iso(report.at),
        address=report.address,
        version=version,
        findings=[_found(found) for found in report.findings],
        readings=readings_json(report.readings),
        unseen=[
            UnseenJson(each.probe, each.fault.value, each.detail, each.hint)
            for each in report.unseen
        ],
        notes=list(report.notes),
        watchdog=WatchdogJson(
            holder=watchdog.running or None,
            paused=watchdog.paused or None,
            last_sample=_when(watchdog.seen_at),
            trouble=watchdog.trouble or None,
            open=[incident_json(each) for each in watchdog.open],
        ),
    )
    return pretty(whole)


def incident_json(incident: Incident) -> IncidentJson:
    """An incident with its attempts."""
    return IncidentJson(
        id=incident.id,
        rule=incident.rule,
        severity=incident.severity.name.lower(),
        says=incident.says,
        opened=iso(incident.opened),
        closed=_when(incident.closed),
        outcome=incident.outcome.value,
        why=incident.why,
        evidence=readings_json(incident.evidence),
        attempts=[_attempt(each) for each in incident.attempts],
    )


def pretty(value: object) -> bytes:
    """Any of these as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


def schema() -> bytes:
    """The JSON Schema of `check --json`, as it is shipped."""
    return pretty(msgspec.json.schema(CheckJson)) + b"\n"


def _found(found: Found) -> FoundJson:
    return FoundJson(
        rule=found.rule,
        state=found.state.value,
        says=found.says,
        since=_when(found.since),
        evidence=readings_json(found.evidence),
        cause=found.cause,
        remedy=found.remedy,
        avoid=found.avoid,
        next=found.next,
        incident=found.incident or None,
    )


def _attempt(attempt: Attempt) -> AttemptJson:
    return AttemptJson(
        rung=attempt.rung,
        impact=attempt.impact.name.lower(),
        began=iso(attempt.began),
        ended=_when(attempt.ended),
        cured=attempt.cured,
        skipped=attempt.skipped,
        note=attempt.note,
        evidence=list(attempt.evidence),
    )


def readings_json(readings: Readings) -> dict[str, Value]:
    return {name: finite(value) for name, value in readings.items()}


def _when(wall: float | None) -> str | None:
    return None if wall is None else iso(wall)
