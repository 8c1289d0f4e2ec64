"""A `Report` as JSON, and the shapes of what it is made of, which other JSON has too."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from dockerdoctor.cli.history import Watchdog
from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
from dockerdoctor.cli.report import EXIT, Found, Report, State
from dockerdoctor.cli.terminal import iso
from dockerdoctor.model import Attempt, Fault, Held, Incident, Outcome, Readings, Value

Time: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""UTC, ISO 8601, to the millisecond."""
SeverityName = Literal["info", "warning", "critical"]
ImpactName = Literal["none", "daemon", "containers", "host"]


class FoundJson(msgspec.Struct, frozen=True):
    """One finding. `since` is UTC, null when only this look has seen it."""

    rule: str
    state: State
    says: str
    since: Time | None
    evidence: dict[str, Value]
    cause: str
    remedy: str
    avoid: str
    next: str
    incident: str | None


class UnseenJson(msgspec.Struct, frozen=True):
    """A probe that could not look."""

    probe: str
    fault: Fault
    detail: str
    hint: str


class AttemptJson(msgspec.Struct, frozen=True):
    """One rung that was climbed or passed over. `ended` and `cured` are null while it runs."""

    rung: str
    impact: ImpactName
    began: Time
    ended: Time | None
    cured: bool | None
    skipped: bool
    note: str
    evidence: list[str]


class IncidentJson(msgspec.Struct, frozen=True):
    """From the first finding to the cure. `closed` is null while the daemon is not well."""

    id: str
    rule: str
    severity: SeverityName
    says: str
    opened: Time
    closed: Time | None
    outcome: Outcome
    why: str
    evidence: dict[str, Value]
    attempts: list[AttemptJson]


class HeldJson(msgspec.Struct, frozen=True):
    """Why the watchdog does nothing, and since when."""

    reason: str
    why: str
    since: Time


class WatchdogJson(msgspec.Struct, frozen=True):
    """Whether a watchdog runs, or a heal by hand (their pids), and what it knows."""

    pid: int | None
    healing_pid: int | None
    paused: str | None
    held: HeldJson | None
    last_sample: Time | None
    trouble: str | None
    open: list[IncidentJson]


class CheckJson(msgspec.Struct, frozen=True):
    """The verdict of `dockerdoctor check --json`. Times are UTC, ISO 8601."""

    schema_version: Literal[1]
    state: State
    exit_code: Literal[0, 1, 2, 3]
    says: str
    at: Time
    address: str
    version: str
    findings: list[FoundJson]
    readings: dict[str, Value]
    unseen: list[UnseenJson]
    notes: list[str]
    watchdog: WatchdogJson


def check_json(report: Report, version: str) -> bytes:
    """The report as JSON, indented."""
    whole = CheckJson(
        schema_version=SCHEMA_VERSION,
        state=report.state,
        exit_code=EXIT[report.state],
        says=report.says,
        at=iso(report.at),
        address=report.address,
        version=version,
        findings=[_found(found) for found in report.findings],
        readings=readings_json(report.readings),
        unseen=[
            UnseenJson(each.probe, each.fault, each.detail, each.hint) for each in report.unseen
        ],
        notes=list(report.notes),
        watchdog=watchdog_json(report.watchdog),
    )
    return pretty(whole)


def watchdog_json(watchdog: Watchdog) -> WatchdogJson:
    """What a watchdog knows and does."""
    return WatchdogJson(
        pid=_pid(watchdog.running),
        healing_pid=_pid(watchdog.healing),
        paused=watchdog.paused or None,
        held=_held(watchdog.held),
        last_sample=_when(watchdog.seen_at),
        trouble=watchdog.trouble or None,
        open=[incident_json(each) for each in watchdog.open],
    )


def _held(held: Held | None) -> HeldJson | None:
    return HeldJson(held.reason, held.why, iso(held.since)) if held else None


def incident_json(incident: Incident) -> IncidentJson:
    """An incident with its attempts."""
    return IncidentJson(
        id=incident.id,
        rule=incident.rule,
        severity=SEVERITIES[incident.severity],
        says=incident.says,
        opened=iso(incident.opened),
        closed=_when(incident.closed),
        outcome=incident.outcome,
        why=incident.why,
        evidence=readings_json(incident.evidence),
        attempts=[_attempt(each) for each in incident.attempts],
    )


SEVERITIES: tuple[SeverityName, ...] = ("info", "warning", "critical")
IMPACTS: tuple[ImpactName, ...] = ("none", "daemon", "containers", "host")


def _pid(holder: str) -> int | None:
    """Of a lock's holder, "1234 watch"."""
    pid = holder.partition(" ")[0]
    return int(pid) if pid.isdigit() else None


def _found(found: Found) -> FoundJson:
    return FoundJson(
        rule=found.rule,
        state=found.state,
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
        impact=IMPACTS[attempt.impact],
        began=iso(attempt.began),
        ended=_when(attempt.ended),
        cured=attempt.cured,
        skipped=attempt.skipped,
        note=attempt.note,
        evidence=list(attempt.evidence),
    )


def readings_json(readings: Readings) -> dict[str, Value]:
    return {name: _finite(value) for name, value in readings.items()}


def _when(wall: float | None) -> str | None:
    return None if wall is None else iso(wall)


def _finite(value: Value) -> Value:
    """JSON knows no infinity: the word instead."""
    return "infinity" if value == float("inf") else value
