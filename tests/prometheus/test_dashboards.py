"""The dashboards by the rules of Grafana's dashboard-linter, and a few of our own.

The linter itself needs a Go toolchain; these are its rules as far as they concern Prometheus.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.prometheus import shipped
from tests.prometheus.servers import promtool
from tools.dashboards.panels import COLUMNS

Json = dict[str, Any]

BOTH = list(shipped.DASHBOARDS.values())
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, dashboard in shipped.DASHBOARDS.items()
    for panel in shipped.panels(dashboard)
]
QUERIES = [pytest.param(query.expression, id=str(query)) for query in shipped.queries()]

UNITS = {"Bps", "bytes", "ops", "percentunit", "s", "short"}
COUNTER = re.compile(r"(?:(\w+)\(\s*)?\b\w+_total\b")
"""A counter, and the function around it if there is one."""
RATE = re.compile(r"\b(?:rate|irate)\(\w+(?:\{[^}]*\})?\[([^\]]+)\]")


@pytest.mark.parametrize("dashboard", BOTH, ids=list(shipped.DASHBOARDS))
def test_a_dashboard_is_fixed_and_cannot_be_edited(dashboard: Json) -> None:
    assert dashboard["editable"] is False
    assert re.fullmatch(r"dockerdoctor-[a-z]+", dashboard["uid"])
    assert "dockerdoctor" in dashboard["tags"]
    assert dashboard["description"]
    assert "id" not in dashboard


@pytest.mark.parametrize("dashboard", BOTH, ids=list(shipped.DASHBOARDS))
def test_its_variables_are_data_source_job_and_instance(dashboard: Json) -> None:
    datasource, job, instance = dashboard["templating"]["list"]
    assert (datasource["name"], datasource["type"]) == ("datasource", "datasource")
    assert (datasource["label"], datasource["query"]) == ("Data source", "prometheus")
    for variable, name in ((job, "job"), (instance, "instance")):
        assert (variable["name"], variable["label"]) == (name, name.capitalize())
        assert variable["datasource"]["uid"] == "${datasource}"
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (
            True,
            True,
            ".+",
        )
        assert variable["refresh"] == 2  # when the time range changes
        assert re.fullmatch(
            rf"label_values\(dockerdoctor_build_info.*, {name}\)", variable["query"]["query"]
        )


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_in_which_unit_from_which_source(panel: Json) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".") or "`" in panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    for source in (panel, *panel["targets"]):
        assert source["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("expression", QUERIES)
def test_every_series_of_a_query_is_chosen_by_job_and_instance(expression: str) -> None:
    selected = shipped.selectors(expression)
    assert selected
    for selector in selected:
        assert 'job=~"$job"' in selector
        assert 'instance=~"$instance"' in selector


@pytest.mark.parametrize("expression", QUERIES)
def test_a_counter_is_shown_by_its_rate_over_the_interval_of_grafana(expression: str) -> None:
    assert set(RATE.findall(expression)) <= {"$__rate_interval"}
    for function in COUNTER.findall(expression):
        assert function in ("rate", "increase")


@pytest.mark.parametrize("dashboard", BOTH, ids=list(shipped.DASHBOARDS))
def test_no_panel_lies_on_another_or_outside(dashboard: Json) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (column, line)
            for column in range(place["x"], place["x"] + place["w"])
            for line in range(place["y"], place["y"] + place["h"])
        }
        assert max(column for column, _ in cells) < COLUMNS
        assert not cells & taken, panel["title"]
        taken |= cells
    identities = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(identities)) == len(identities)


def test_the_fleet_leads_to_the_host_and_alerts_lead_to_their_runbook() -> None:
    fleet, daemon = shipped.DASHBOARDS["docker-fleet"], shipped.DASHBOARDS["docker-daemon"]
    tables = {panel["title"]: panel for panel in shipped.panels(fleet)}
    to_host = _link(tables["Who is sick"], "instance")
    assert to_host.startswith(f"/d/{daemon['uid']}?")
    assert "var-instance=${__data.fields.instance}" in to_host
    assert _link(tables["Alerts that fire"], "alertname").endswith("${__data.fields.alertname}.md")


def _link(panel: Json, column: str) -> str:
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == column:
            return str(override["properties"][0]["value"][0]["url"])
    raise AssertionError(f"{panel['title']} has no link at {column}")


def test_every_query_is_promql(tmp_path: Path) -> None:
    records = [
        {"record": f"query:{number}", "expr": shipped.expanded(query.expression)}
        for number, query in enumerate(shipped.queries())
    ]
    rules = tmp_path / "queries.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": records}]}))
    assert f"{len(records)} rules found" in promtool("check", "rules", "--lint=none", rules)


def test_the_thresholds_drawn_are_those_of_the_rules() -> None:
    drawn = {
        panel["title"]: [
            step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        ]
        for panel in shipped.panels(shipped.DASHBOARDS["docker-daemon"])
        if panel["type"] == "timeseries"
    }
    assert drawn["Memory of dockerd"] == [None, *_limits("rss-high", "rss-critical")]
    assert drawn["Data-root"] == [None, *_limits("disk-high", "disk-full")]
    assert drawn["Container start time"] == [None, *_limits("container-start-slow")]
    assert drawn["Socket response time"] == [None, *_limits("socket-slow")]


def _limits(*names: str) -> list[float]:
    from tests.story import RULES

    rules = {rule.name: rule for rule in RULES}
    return [float(rules[name].when[0].value) for name in names]


def test_grafana_finds_the_provisioned_files_as_it_expects_them() -> None:
    provisioning = shipped.ROOT / "grafana/provisioning"
    dashboards = yaml.safe_load((provisioning / "dashboards/dockerdoctor.yml").read_text("utf-8"))
    assert dashboards["apiVersion"] == 1
    assert dashboards["providers"][0]["options"]["path"].startswith("/")
    sources = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text("utf-8"))
    example = yaml.safe_load((provisioning / "prometheus.yml").read_text("utf-8"))
    interval = sources["datasources"][0]["jsonData"]["timeInterval"]
    assert interval == example["global"]["scrape_interval"]
