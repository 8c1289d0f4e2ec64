"""Both dashboards as files: what they have in common, and the JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.alerts import RUNBOOKS
from tools.dashboards import daemon, fleet
from tools.dashboards.panels import DATASOURCE, Json

SCHEMA_VERSION = 39
"""Grafana 10.4 and later; older ones migrate nothing that is used here."""

TAG = "dockerdoctor"


def render(root: Path) -> Mapping[Path, str]:
    """grafana/*.json."""
    made = {
        "docker-daemon.json": dashboard(
            daemon.UID, daemon.TITLE, daemon.SAYS, daemon.panels(), daemon.overlays()
        ),
        "docker-fleet.json": dashboard(fleet.UID, fleet.TITLE, fleet.SAYS, fleet.panels(), ()),
    }
    return {
        root / "grafana" / name: json.dumps(each, indent=2, ensure_ascii=False) + "\n"
        for name, each in made.items()
    }


def dashboard(
    uid: str, title: str, says: str, panels: Sequence[Json], annotations: Sequence[Json]
) -> Json:
    """One dashboard, which cannot be edited in the browser: its source is here."""
    return {
        "uid": uid,
        "title": title,
        "description": says,
        "tags": [TAG, "docker"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "links": [_other_dashboards(), _runbooks()],
        "annotations": {"list": [_of_grafana(), *annotations]},
        "templating": {"list": variables()},
        "panels": list(panels),
    }


def variables() -> list[Json]:
    """$datasource, $job and $instance."""
    datasource = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {"text": "default", "value": "default"},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }
    return [
        datasource,
        _variable("job", "Job", "label_values(dockerdoctor_build_info, job)"),
        _variable(
            "instance",
            "Instance",
            'label_values(dockerdoctor_build_info{job=~"$job"}, instance)',
        ),
    ]


def _variable(name: str, label: str, query: str) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": f"{name}-values"},
        "includeAll": True,
        "allValue": ".+",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
        "hide": 0,
        "options": [],
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
    }


def _of_grafana() -> Json:
    return {
        "name": "Annotations & Alerts",
        "type": "dashboard",
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
    }


def _other_dashboards() -> Json:
    return {
        "title": "dockerdoctor",
        "type": "dashboards",
        "tags": [TAG],
        "asDropdown": False,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "tooltip": "",
        "url": "",
    }


def _runbooks() -> Json:
    return {
        "title": "Runbooks",
        "type": "link",
        "url": f"{RUNBOOKS}/README.md",
        "tags": [],
        "asDropdown": False,
        "icon": "doc",
        "includeVars": False,
        "keepTime": False,
        "targetBlank": True,
        "tooltip": "What each alert means, and what to do",
    }
