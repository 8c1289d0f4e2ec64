"""What `top --json` writes. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
from dockerdoctor.cli.report import State
from dockerdoctor.cli.reportjson import (
    Time,
    WatchdogJson,
    readings_json,
    watchdog_json,
)
from dockerdoctor.cli.terminal import iso
from dockerdoctor.cli.topsort import Sort
from dockerdoctor.cli.topview import VITALS, View, Vital, mark, ordered
from dockerdoctor.model import Climb, GiveUp, Severity, Value
from dockerdoctor.rules import threshold


class VitalJson(Struct, frozen=True):
    """One vital. `state` is null when it was not seen, the limits when no rule has one."""

    name: str
    reading: str
    state: State | None
    now: Value | None
    unit: str
    warning: Value | None
    critical: Value | None
    least: float | None
    most: float | None


class GrowerJson(Struct, frozen=True):
    """What takes space: null where it is not known yet, or no matter of the disk."""

    name: str
    bytes: float
    bytes_per_hour: float | None
    full_in_s: float | None


class DecisionJson(Struct, frozen=True):
    """What the ladder says: hold (with its reason), climb (with the rung) or give up."""

    kind: Literal["hold", "climb", "give-up"]
    reason: str | None
    rung: str | None
    why: str


class TopJson(Struct, frozen=True):
    """One look of `dockerdoctor top --json`. Times are UTC, ISO 8601."""

    schema_version: Literal[1]
    state: State
    says: str
    at: Time
    address: str
    vitals: list[VitalJson]
    events_per_s: float | None
    starts_per_s: float | None
    decision: DecisionJson
    climbs_left: int
    growers: list[GrowerJson]
    watchdog: WatchdogJson


def top_json(view: View, by: Sort) -> bytes:
    """The view as JSON, indented."""
    report = view.report
    told = TopJson(
        schema_version=SCHEMA_VERSION,
        state=report.state,
        says=report.says,
        at=iso(report.at),
        address=report.address,
        vitals=[_vital(each, view) for each in VITALS],
        events_per_s=view.history.rate("events.events"),
        starts_per_s=view.history.rate("events.starts"),
        decision=_decision(view),
        climbs_left=view.climbs_left,
        growers=[
            GrowerJson(each.name, each.bytes, each.per_hour, each.full_in_s)
            for each in ordered(view.growers, by)
        ],
        watchdog=watchdog_json(report.watchdog),
    )
    return pretty(told)


def _vital(vital: Vital, view: View) -> VitalJson:
    seen = readings_json(view.report.readings)
    least, most = view.history.range(vital.reading) or (None, None)
    declared = view.declared.get(vital.reading)
    return VitalJson(
        vital.name,
        vital.reading,
        mark(vital, view),
        seen.get(vital.reading),
        declared.unit if declared else "",
        threshold(view.rules, vital.reading, Severity.WARNING),
        threshold(view.rules, vital.reading, Severity.CRITICAL),
        least,
        most,
    )


def _decision(view: View) -> DecisionJson:
    decision = view.decision
    if isinstance(decision, Climb):
        return DecisionJson("climb", None, decision.rung, decision.why)
    if isinstance(decision, GiveUp):
        return DecisionJson("give-up", None, None, decision.why)
    return DecisionJson("hold", decision.reason, None, decision.why)
