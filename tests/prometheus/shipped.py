"""What we ship for Prometheus and Grafana, as the tests read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULE_FILES = sorted((ROOT / "rules/prometheus").glob("*.yml"))
DASHBOARDS: Mapping[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((ROOT / "grafana").glob("*.json"))
}

EMPTY_ON_HEALTHY = {
    "docker-daemon: Alerts that fire",
    "docker-daemon: Duration of incidents",
    "docker-daemon: Incidents",
    "docker-daemon: Rules that held",
    "docker-daemon: Rungs",
    "docker-fleet: Alerts that fire",
    "docker-fleet: Healing now",
    "docker-fleet: Kept still",
    "docker-fleet: Rules that hold",
    "docker-fleet: Who is sick",
}
"""Panels and annotations that have nothing to show where all is well."""

SELECTOR = re.compile(
    r"(?<![\w:])((?:\w+:)?(?:dockerdoctor|engine_daemon|process|go|up|ALERTS)[\w:]*)(\{[^}]*\})?"
)


@dataclass(frozen=True)
class Query:
    """One expression of a panel or of an annotation."""

    dashboard: str
    panel: str
    expression: str

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}"


def rules() -> list[dict[str, Any]]:
    """Every alert and recording rule of every file."""
    return [
        rule
        for path in RULE_FILES
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[dict[str, Any]]:
    """Only the alerts."""
    return [rule for rule in rules() if "alert" in rule]


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All but the titles of rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Every expression of every panel and annotation."""
    for name, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield Query(name, panel["title"], target["expr"])
        for annotation in dashboard["annotations"]["list"]:
            if "expr" in annotation:
                yield Query(name, annotation["name"], annotation["expr"])


def expanded(expression: str, instance: str = ".+") -> str:
    """As Grafana would send it: its variables replaced."""
    values = {
        "$__rate_interval": "1h",
        "$__range": "1h",
        "$job": "dockerdoctor.*",
        "$instance": instance,
    }
    for variable, value in values.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


def selectors(expression: str) -> set[str]:
    """Every series that an expression selects, without its range."""
    return {name + (matchers or "") for name, matchers in SELECTOR.findall(expression)}
