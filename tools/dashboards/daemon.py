"""*Docker daemon*: one host, from the verdict in the first row to the watchdog's own health."""

from __future__ import annotations

from collections.abc import Sequence

from tools.dashboards import healing, vitals
from tools.dashboards.panels import (
    DATASOURCE,
    GREEN,
    NO_YES,
    RED,
    VERDICT,
    YELLOW,
    YES_NO,
    Json,
    number,
    rows,
    table,
    target,
    timeline,
)
from tools.dashboards.queries import FIRING, RUNBOOK, now, series, verdict

UID = "dockerdoctor-daemon"
TITLE = "Docker daemon"
SAYS = "One host's dockerd: is it well, what is wrong, what dockerdoctor does about it, its vitals."


def panels() -> list[Json]:
    """All of them."""
    return rows(
        ("Now", [(4, _now())]),
        ("What is wrong, and what is done about it", [(5, _verdicts()), (8, _wrong())]),
        ("The five vitals", [(8, vitals.times()), (8, vitals.counts())]),
        ("Events and starts", [(8, vitals.events())]),
        ("Disk", [(8, vitals.disk()), (8, vitals.consumers())]),
        ("dockerd", [(7, vitals.process())]),
        ("The host", [(7, vitals.host())]),
        ("Healing", [(8, healing.counts()), (8, healing.durations())]),
        ("The watchdog itself", [(8, healing.probes()), (7, healing.loop())]),
    )


def overlays() -> Sequence[Json]:
    """Open incidents and rungs under way, drawn over every graph."""
    return (
        _annotation("Incidents", series("incident_open") + " > 0", "incident open", RED),
        _annotation("Rungs", series("climbing") + " > 0", "{{rung}}", "purple"),
    )


def _annotation(name: str, expression: str, title: str, colour: str) -> Json:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "expr": expression,
        "iconColor": colour,
        "step": "15s",
        "titleFormat": title,
        "textFormat": "{{instance}}",
        "tagKeys": "",
        "useValueForTime": False,
    }


def _now() -> list[Json]:
    return [
        number(
            "Verdict",
            "What all probes together amount to. Blind: what must be seen could not be.",
            target(verdict(), "{{instance}}", now=True),
            words=VERDICT,
        ),
        number(
            "Answers",
            "Whether dockerd answered its last ping.",
            now("docker_up"),
            words=YES_NO,
        ),
        number(
            "Open incidents",
            "Each is a rule that calls for an act, or that is critical.",
            now("incident_open"),
            steps=[(1, RED)],
        ),
        number(
            "Given up",
            "Open incidents for which no rung is left: a person must look.",
            now("given_up"),
            steps=[(1, RED)],
        ),
        number(
            "Climbs left",
            "Costly rungs that the policy still allows in its window (20 minutes by default).",
            now("climbs_left"),
            steps=[(0, RED), (1, YELLOW), (3, GREEN)],
        ),
        number(
            "Engine",
            "The version of dockerd, as /info tells it.",
            target(series("api_version_info"), "{{value}}", now=True),
            name_only=True,
        ),
    ]


def _verdicts() -> list[Json]:
    return [
        timeline(
            "Verdict over time",
            "Well, sick, or blind (nobody acts on what could not be seen).",
            target(verdict(), "{{instance}}"),
            words=VERDICT,
        ),
        timeline(
            "Why nothing is done",
            "The reason for which dockerdoctor keeps still; none while it climbs.",
            target(f"max by (instance, reason) ({series('hold')} == 1)", "{{reason}}"),
            words=NO_YES,
        ),
    ]


def _wrong() -> list[Json]:
    findings = series("findings")
    held = f"max by (instance, rule) ({findings} and max_over_time({findings}[$__range]) > 0)"
    return [
        timeline(
            "Rules that held",
            "Every rule that held at some time in the range shown.",
            target(held, "{{rule}}"),
            words=NO_YES,
        ),
        table(
            "Alerts that fire",
            "Alerts of the shipped rules. The name leads to its runbook.",
            FIRING,
            hidden=("Value",),
            links={"alertname": RUNBOOK},
        ),
    ]
