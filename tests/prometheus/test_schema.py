"""The dashboards against Grafana's own published schema (see schema/README.md)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.prometheus import shipped

Json = dict[str, Any]

SCHEMAS = Path(__file__).parent / "schema"

OF_THE_DATA_SOURCE = {"expr", "step", "titleFormat", "textFormat", "tagKeys", "useValueForTime"}
"""What Prometheus' data source adds to an annotation; the schema knows Grafana's own alone."""

DASHBOARDS = [pytest.param(each, id=name) for name, each in shipped.DASHBOARDS.items()]
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, dashboard in shipped.DASHBOARDS.items()
    for panel in shipped.panels(dashboard)
]


def faults(document: object, schema: str) -> list[str]:
    """What is wrong, as `place: why`."""
    validator = jsonschema.Draft7Validator(json.loads((SCHEMAS / schema).read_text("utf-8")))
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator.iter_errors(document)
    ]


def as_grafana_s_own(dashboard: Json) -> Json:
    """Without what its data source adds."""
    told = copy.deepcopy(dashboard)
    annotations = told["annotations"]["list"]
    told["annotations"]["list"] = [
        {key: value for key, value in each.items() if key not in OF_THE_DATA_SOURCE}
        for each in annotations
    ]
    return told


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_a_dashboard_is_one_by_grafana_s_schema(dashboard: Json) -> None:
    assert faults(as_grafana_s_own(dashboard), "dashboard.json") == []


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_s_options_are_those_of_its_kind(panel: Json) -> None:
    kind = panel["type"].replace("-", "")
    assert faults(panel["options"], f"options-{kind}.json") == []


def planted() -> Iterator[tuple[str, Callable[[Json], object]]]:
    """A mistake, and how to make it."""
    yield "a key that nobody knows", lambda d: d.update(colour="red")
    yield "a version that is no number", lambda d: d.update(schemaVersion="39")
    yield "a refresh that is no text", lambda d: d.update(refresh=30)
    yield "a panel without a kind", lambda d: d["panels"][1].pop("type")
    yield "a place that is no place", lambda d: d["panels"][1].update(gridPos=[0, 0, 12, 8])
    yield "a variable of no kind", lambda d: d["templating"]["list"][0].update(type="wish")
    yield "a link of no kind", lambda d: d["links"][0].update(type="door")
    yield "an annotation without a name", lambda d: d["annotations"]["list"][1].pop("name")
    yield (
        "a threshold mode that is none",
        lambda d: d["panels"][1]["fieldConfig"]["defaults"]["thresholds"].update(mode="fuzzy"),
    )


@pytest.mark.parametrize("plant", [pytest.param(how, id=what) for what, how in planted()])
def test_a_mistake_in_a_dashboard_would_be_noticed(plant: Callable[[Json], object]) -> None:
    wrong = as_grafana_s_own(shipped.DASHBOARDS["docker-daemon"])
    plant(wrong)
    assert faults(wrong, "dashboard.json")


def test_a_mistake_in_a_panel_s_options_would_be_noticed() -> None:
    for panel in shipped.panels(shipped.DASHBOARDS["docker-daemon"]):
        options = panel["options"] | {"legend": "below", "showHeader": 1, "orientation": "up"}
        assert faults(options, f"options-{panel['type'].replace('-', '')}.json"), panel["title"]
