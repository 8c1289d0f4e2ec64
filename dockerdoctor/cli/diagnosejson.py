"""A `Diagnosis` as JSON. `DiagnosisJson` is its shape, for the schema."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from dockerdoctor import __version__
from dockerdoctor.cli.diagnosetext import path
from dockerdoctor.cli.diagnosis import Cause, Diagnosis
from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
from dockerdoctor.cli.report import EXIT, State
from dockerdoctor.cli.reportjson import Time as Moment
from dockerdoctor.cli.reportjson import UnseenJson, readings_json
from dockerdoctor.cli.symptoms import Symptom
from dockerdoctor.cli.terminal import iso
from dockerdoctor.model import Value

GradeName = Literal["against", "follows", "told", "seen"]
GRADES: tuple[GradeName, ...] = ("against", "follows", "told", "seen")


class StepJson(Struct, frozen=True):
    """One station of the walk through the tree."""

    name: str
    state: State
    says: list[str]


class TimeJson(Struct, frozen=True):
    """How long a remedy takes by hand, and by dockerdoctor on this host (median of its cures)."""

    rung: str | None
    by_hand: str
    ours_s: float | None
    cured: int


class CauseJson(Struct, frozen=True):
    """One cause; they are listed by their evidence, the best founded first."""

    rule: str
    says: str
    state: State
    grade: GradeName
    symptom: Symptom
    clues: list[str]
    evidence: dict[str, Value]
    since: Moment | None
    remedy: str
    avoid: str
    next: str
    times: list[TimeJson]
    incident: str | None


class DiagnosisJson(Struct, frozen=True):
    """What `dockerdoctor diagnose --json` writes. Times are UTC, ISO 8601."""

    schema_version: Literal[1]
    state: State
    exit_code: Literal[0, 1, 2, 3]
    says: str
    at: Moment
    took_s: float
    address: str
    version: str
    symptom: Symptom | None
    path: list[StepJson]
    causes: list[CauseJson]
    journal: list[str] | None
    holds: list[str]
    unseen: list[UnseenJson]
    notes: list[str]
    readings: dict[str, Value]


def diagnosis_json(told: Diagnosis) -> bytes:
    """Indented."""
    report = told.report
    return pretty(
        DiagnosisJson(
            schema_version=SCHEMA_VERSION,
            state=told.state,
            exit_code=EXIT[told.state],
            says=told.says,
            at=iso(report.at),
            took_s=round(told.took_s, 3),
            address=report.address,
            version=__version__,
            symptom=told.symptom,
            path=[StepJson(each.name, each.state, list(each.says)) for each in path(told)],
            causes=[_cause(each) for each in told.causes],
            journal=None if told.journal is None else list(told.journal),
            holds=list(told.holds),
            unseen=[
                UnseenJson(each.probe, each.fault, each.detail, each.hint) for each in told.unseen
            ],
            notes=list(report.notes),
            readings=readings_json(report.readings),
        )
    )


def _cause(cause: Cause) -> CauseJson:
    return CauseJson(
        rule=cause.rule,
        says=cause.says,
        state=cause.state,
        grade=GRADES[cause.grade],
        symptom=cause.branch,
        clues=list(cause.clues),
        evidence=readings_json(cause.evidence),
        since=None if cause.since is None else iso(cause.since),
        remedy=cause.remedy,
        avoid=cause.avoid,
        next=cause.next,
        times=[
            TimeJson(each.remedy or None, each.by_hand, each.ours_s, each.cured)
            for each in cause.times
        ],
        incident=cause.incident or None,
    )
