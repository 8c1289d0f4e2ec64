"""The record's tables, and its rows as nouns: statements go out, samples and incidents come in.

A statement is SQL with its values, so that the same change can be made to two databases: the one
on disk, and the one in memory that takes over while the disk does not work. Every change may be
made twice without harm. Rows stay in the order of their rowid, never of a clock that may go back.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from dockerdoctor.model import (
    Attempt,
    Fault,
    Impact,
    Incident,
    Instant,
    Outcome,
    Readings,
    Sample,
    Severity,
    Value,
)

Statement: TypeAlias = tuple[str, tuple[float | int | str | None, ...]]

VERSION = 1
"""`user_version` of the file; one that is greater comes from a newer dockerdoctor."""

APPLICATION = 0x646F6372
"""`application_id` of the file ("docr"): what tells it from somebody else's database."""

SCHEMA = f"""
CREATE TABLE sample(
    probe TEXT NOT NULL, wall REAL NOT NULL, mono REAL NOT NULL, took_s REAL NOT NULL,
    readings TEXT NOT NULL, fault TEXT, detail TEXT NOT NULL);
CREATE INDEX sample_wall ON sample(wall);
CREATE TABLE incident(
    id TEXT NOT NULL UNIQUE, opened REAL NOT NULL, rule TEXT NOT NULL, says TEXT NOT NULL,
    severity INTEGER NOT NULL, closed REAL, outcome TEXT NOT NULL, why TEXT NOT NULL,
    evidence TEXT NOT NULL);
CREATE TABLE attempt(
    incident TEXT NOT NULL, rung TEXT NOT NULL, began REAL NOT NULL, impact INTEGER NOT NULL,
    ended REAL, cured INTEGER, skipped INTEGER NOT NULL, note TEXT NOT NULL,
    evidence TEXT NOT NULL, UNIQUE(incident, rung, began));
CREATE INDEX attempt_began ON attempt(began);
CREATE TABLE fact(key TEXT NOT NULL UNIQUE, value TEXT NOT NULL);
PRAGMA user_version = {VERSION};
PRAGMA application_id = {APPLICATION};
"""

DETAIL_LIMIT = 1000
"""Characters of a sample's detail that are kept."""

INCIDENTS_KEPT = 1000
"""The latest incidents that are kept, with their attempts: years, in about 5 MB."""


def clean(text: str) -> str:
    """Half characters (a log line that was no UTF-8) cannot be stored: they become `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def put_samples(samples: Sequence[Sample]) -> list[Statement]:
    """Add samples."""
    return [
        (
            "INSERT INTO sample VALUES (?,?,?,?,?,?,?)",
            (
                sample.probe,
                sample.at.wall,
                sample.at.mono,
                sample.took_s,
                _json(sample.readings),
                sample.fault,
                clean(sample.detail[:DETAIL_LIMIT]),
            ),
        )
        for sample in samples
    ]


def drop_samples(before: float, after: float, keep: int) -> list[Statement]:
    """Delete samples older than `before`, later than `after` (a clock that was wrong), and all
    but the last `keep`. Times are wall clock."""
    return [
        ("DELETE FROM sample WHERE wall < ? OR wall > ?", (before, after)),
        ("DELETE FROM sample WHERE rowid <= (SELECT max(rowid) FROM sample) - ?", (keep,)),
    ]


def put_incident(incident: Incident) -> list[Statement]:
    """Add or change an incident with its attempts. One that is closed is never opened again."""
    return [
        (
            "INSERT INTO incident VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET"
            " rule=excluded.rule, says=excluded.says, severity=excluded.severity,"
            " closed=excluded.closed, outcome=excluded.outcome, why=excluded.why,"
            " evidence=excluded.evidence WHERE incident.closed IS NULL",
            (
                incident.id,
                incident.opened,
                incident.rule,
                clean(incident.says),
                int(incident.severity),
                incident.closed,
                incident.outcome,
                clean(incident.why),
                _json(incident.evidence),
            ),
        ),
        *(put_attempt(incident.id, attempt) for attempt in incident.attempts),
    ]


def put_attempt(incident_id: str, attempt: Attempt) -> Statement:
    """Add or change an attempt, known by its rung and the time it began. One that has ended is
    never under way again."""
    return (
        "INSERT INTO attempt VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT(incident, rung, began)"
        " DO UPDATE SET impact=excluded.impact, ended=excluded.ended, cured=excluded.cured,"
        " skipped=excluded.skipped, note=excluded.note, evidence=excluded.evidence"
        " WHERE attempt.ended IS NULL OR excluded.ended IS NOT NULL",
        (
            incident_id,
            attempt.rung,
            attempt.began,
            int(attempt.impact),
            attempt.ended,
            attempt.cured,
            attempt.skipped,
            clean(attempt.note),
            json.dumps([clean(path) for path in attempt.evidence]),
        ),
    )


def drop_old_incidents() -> list[Statement]:
    """Keep the last INCIDENTS_KEPT and every one that is open."""
    return [
        (
            "DELETE FROM incident WHERE closed IS NOT NULL"
            " AND rowid <= (SELECT max(rowid) FROM incident) - ?",
            (INCIDENTS_KEPT,),
        ),
        ("DELETE FROM attempt WHERE incident NOT IN (SELECT id FROM incident)", ()),
    ]


def drop_closed(before: float) -> list[Statement]:
    """Delete incidents that were closed before that (wall clock), with their attempts."""
    return [
        ("DELETE FROM incident WHERE closed < ?", (before,)),
        (
            "DELETE FROM attempt WHERE began < ? AND incident NOT IN (SELECT id FROM incident)",
            (before,),
        ),
    ]


def put_fact(key: str, value: str) -> Statement:
    """Add or change a fact; `value` is JSON."""
    return (
        "INSERT INTO fact VALUES (?,?) ON CONFLICT(key) DO UPDATE SET value=excluded.value",
        (key, value),
    )


def everything(database: sqlite3.Connection, closed_since: float | None) -> list[Statement]:
    """What makes another database say what this one says: all facts, all open incidents, those
    closed since `closed_since` (None: all), all their attempts; and all samples if None."""
    limit = -math.inf if closed_since is None else closed_since
    statements: list[Statement] = []
    for row in database.execute(
        "SELECT * FROM incident WHERE closed IS NULL OR closed >= ? ORDER BY rowid", (limit,)
    ):
        statements += put_incident(incident_of(row))
    for row in database.execute(
        "SELECT incident, rung, began, impact, ended, cured, skipped, note, evidence FROM attempt"
        " WHERE began >= ? OR incident IN"
        " (SELECT id FROM incident WHERE closed IS NULL OR closed >= ?) ORDER BY rowid",
        (limit, limit),
    ):
        statements.append(put_attempt(row[0], attempt_of(row)))
    statements += [put_fact(*row) for row in database.execute("SELECT key, value FROM fact")]
    if closed_since is None:
        rows = database.execute("SELECT * FROM sample ORDER BY rowid")
        statements += put_samples([sample_of(row) for row in rows])
    return statements


def sample_of(row: tuple[object, ...]) -> Sample:
    """A row of `sample`."""
    probe, wall, mono, took_s, readings, fault, detail = cast(
        "tuple[str, float, float, float, str, str | None, str]", row
    )
    return Sample(
        probe,
        Instant(wall, mono),
        took_s,
        _readings(readings),
        None if fault is None else Fault(fault),
        detail,
    )


def incident_of(row: tuple[object, ...], attempts: Sequence[Attempt] = ()) -> Incident:
    """A row of `incident`."""
    ident, opened, rule, says, severity, closed, outcome, why, evidence = cast(
        "tuple[str, float, str, str, int, float | None, str, str, str]", row
    )
    return Incident(
        id=ident,
        opened=opened,
        rule=rule,
        says=says,
        severity=Severity(severity),
        attempts=tuple(attempts),
        closed=closed,
        outcome=Outcome(outcome),
        why=why,
        evidence=_readings(evidence),
    )


def attempt_of(row: tuple[object, ...]) -> Attempt:
    """A row of `attempt`."""
    _, rung, began, impact, ended, cured, skipped, note, evidence = cast(
        "tuple[str, str, float, int, float | None, int | None, int, str, str]", row
    )
    return Attempt(
        rung=rung,
        began=began,
        impact=Impact(impact),
        ended=ended,
        cured=None if cured is None else bool(cured),
        skipped=bool(skipped),
        note=note,
        evidence=tuple(json.loads(evidence)),
    )


def _json(readings: Mapping[str, Value]) -> str:
    # "Infinity" and "NaN" are no JSON, but Python's own reader takes them back as they were.
    return json.dumps(
        {
            clean(name): clean(value) if isinstance(value, str) else value
            for name, value in readings.items()
        },
        separators=(",", ":"),
    )


def _readings(text: str) -> Readings:
    return cast("dict[str, Value]", json.loads(text))
