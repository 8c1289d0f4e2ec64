"""The shipped rules and their tests, as promtool sees them; and that none is missing."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from dockerdoctor.rules import Catalogue, load_rules
from tests.prometheus import shipped
from tests.prometheus.exporters import exporter
from tests.prometheus.servers import promtool
from tests.values import READINGS, RUNGS
from tools import alerts, generate

ROOT = shipped.ROOT
ALERTS = shipped.alerts()
TESTS = sorted((ROOT / "rules/prometheus/tests").glob("*.yml"))
SEVERITIES = {"critical", "warning", "info"}


def test_what_is_generated_is_what_is_committed() -> None:
    stale = [str(path.relative_to(ROOT)) for path in generate.stale()]
    assert stale == [], "run: python -m tools.generate"


def test_promtool_finds_no_fault_in_the_rules() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", *shipped.RULE_FILES)


def test_every_alert_fires_and_resolves() -> None:
    said = promtool("test", "rules", *TESTS)
    assert said.count("SUCCESS") == len(TESTS)


def test_promtool_finds_no_fault_in_the_example_of_a_configuration(tmp_path: Path) -> None:
    example = (ROOT / "grafana/provisioning/prometheus.yml").read_text("utf-8")
    config = tmp_path / "prometheus.yml"
    config.write_text(example.replace("/etc/prometheus/dockerdoctor", f"{ROOT}/rules/prometheus"))
    assert f"{len(shipped.RULE_FILES)} rule files found" in promtool("check", "config", config)


def test_promtool_finds_no_fault_in_the_metrics_of_a_host_that_was_healed(tmp_path: Path) -> None:
    with exporter(tmp_path / "host") as host:
        host.story.goes_on_for(30)
        host.story.host.dockerd_process.hung = True
        host.story.goes_on_for(300)
        host.starts_a_container(0.7)
        host.story.goes_on_for(30)
        assert host.story.incidents[0].closed
        assert (
            promtool("check", "metrics", text=generate_latest(host.metrics.registry).decode()) == ""
        )


def test_every_verdict_rule_has_its_alert() -> None:
    rules = load_rules([ROOT / "rules"], Catalogue(READINGS, RUNGS))
    expressions = {alert["alert"]: alert["expr"] for alert in ALERTS}
    for rule in rules:
        assert expressions[alerts.name(rule)] == f'dockerdoctor_findings{{rule="{rule.name}"}} == 1'


def test_every_alert_is_tested_to_fire_and_to_resolve() -> None:
    fires, resolves = set(), set()
    for path in TESTS:
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            fired: set[str] = set()
            for case in sorted(
                test["alert_rule_test"], key=lambda case: _minutes(case["eval_time"])
            ):
                if case["exp_alerts"]:
                    fired.add(case["alertname"])
                elif case["alertname"] in fired:
                    resolves.add(case["alertname"])
            fires |= fired
    assert fires == resolves == {alert["alert"] for alert in ALERTS}


def _minutes(text: str) -> float:
    units = {"h": 60.0, "m": 1.0, "s": 1 / 60}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", text))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_is_in_mixin_style(alert: dict[str, Any]) -> None:
    assert re.fullmatch(r"Dockerdoctor([A-Z][a-z]+)+", alert["alert"])
    assert set(alert["labels"]) == {"severity"}
    assert alert["labels"]["severity"] in SEVERITIES
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"{alerts.RUNBOOKS}/{alert['alert']}.md"
    assert "\n" not in alert["annotations"]["summary"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_every_alert_has_its_runbook(alert: dict[str, Any]) -> None:
    page = (ROOT / f"docs/runbooks/{alert['alert']}.md").read_text("utf-8")
    assert page.startswith(f"# {alert['alert']}\n")
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert headings == [
        "What it means",
        "What dockerdoctor has already done",
        "What to do now",
        "Commands",
    ]


def test_there_is_no_runbook_of_an_alert_that_is_gone() -> None:
    pages = {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")} - {"README"}
    assert pages == {alert["alert"] for alert in ALERTS}


def test_a_recording_rule_is_named_after_its_level_and_operation() -> None:
    for rule in shipped.rules():
        if "record" in rule:
            level, metric, operation = rule["record"].split(":")
            assert level in ("job", "job_instance")
            assert metric.startswith("dockerdoctor_")
            assert re.fullmatch(r"(count|ratio|increase\w+|ratio_rate\w+|changes\w+)", operation)


def test_a_rule_that_can_never_fire_would_be_noticed(tmp_path: Path) -> None:
    """promtool's tests have teeth: what the community's alerts do is an error here."""
    rules, test = tmp_path / "rules.yml", tmp_path / "test.yml"
    rules.write_text(
        textwrap.dedent("""\
            groups:
              - name: famous
                rules: [ { alert: EngineDown, expr: engine_daemon_engine_info == 0 } ]
            """)
    )
    test.write_text(
        textwrap.dedent("""\
            rule_files: [rules.yml]
            evaluation_interval: 15s
            tests:
              - interval: 15s
                input_series:
                  - { series: 'engine_daemon_engine_info{instance="a"}', values: 1x10 stale }
                alert_rule_test:
                  - alertname: EngineDown
                    eval_time: 5m
                    exp_alerts: [ { exp_labels: { instance: a } } ]
            """)
    )
    with pytest.raises(AssertionError, match="FAILED"):
        promtool("test", "rules", test)
