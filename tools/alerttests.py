"""Makes rules/prometheus/tests/verdicts.yml: promtool sees each verdict's alert fire and resolve.

The expected summaries are rendered here, by a port of the few template functions that are used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from dockerdoctor.judge import PLACEHOLDER, Rule
from dockerdoctor.metricfamilies import name_of
from dockerdoctor.model import Kind, Reading, Value
from tools import alerts

HEAD = """\
# Made from rules/*.toml by `python -m tools.generate`. Run: promtool test rules tests/*.yml
rule_files: [../verdicts.yml]
evaluation_interval: 15s
tests:
"""

JOB, INSTANCE = "dockerdoctor", "host-1:10073"

USUAL: Mapping[str, float] = {"bytes": 5 * 2.0**30, "ratio": 0.5, "seconds": 40.0}
"""What a reading shows when its rule does not compare it with anything."""


def render(root: Path) -> Mapping[Path, str]:
    """tests/verdicts.yml."""
    rules, readings = alerts.shipped(root)
    text = HEAD + "".join(test(rule, readings) for rule in rules)
    return {root / "rules/prometheus/tests/verdicts.yml": text}


def test(rule: Rule, readings: Mapping[str, Reading]) -> str:
    """The finding is there from minute 1 to 10: pending first, then firing, then resolved."""
    finding = series("dockerdoctor_findings", rule=rule.name, severity=rule.severity.name.lower())
    shown = {
        full_name: value(rule, full_name, readings[full_name])
        for full_name in PLACEHOLDER.findall(rule.says)
        if readings[full_name].kind is not Kind.TEXT
    }
    inputs = [f"      - series: '{finding}'", "        values: 0x3 1x35 0x40"]
    for full_name, seen in shown.items():
        inputs += [f"      - series: '{_series_of(full_name, readings[full_name], seen)}'"]
        inputs += [f"        values: {1 if isinstance(seen, str) else seen}x80"]
    says = alerts.filled(
        rule, readings, lambda full_name: humanized(shown[full_name], readings[full_name])
    )
    name, quoted = alerts.name(rule), alerts.quoted
    severity = rule.severity.name.lower()
    lines = "\n".join(inputs)
    return f"""\
  - name: {rule.name}
    interval: 15s
    input_series:
{lines}
    alert_rule_test:
      - {{ alertname: {name}, eval_time: 1m30s, exp_alerts: [] }}
      - alertname: {name}
        eval_time: 6m
        exp_alerts:
          - exp_labels:
              severity: {severity}
              rule: {rule.name}
              job: {JOB}
              instance: {INSTANCE}
            exp_annotations:
              summary: {quoted(f"{INSTANCE}: {says}")}
              description: {quoted(alerts.description(rule))}
              runbook_url: {alerts.RUNBOOKS}/{name}.md
      - {{ alertname: {name}, eval_time: 14m, exp_alerts: [] }}
"""


def series(name: str, **labels: str) -> str:
    """One series of the test's host."""
    every = {"job": JOB, "instance": INSTANCE, **labels}
    pairs = ",".join(f'{label}="{value}"' for label, value in every.items())
    return f"{name}{{{pairs}}}"


def value(rule: Rule, full_name: str, reading: Reading) -> Value:
    """What the reading shows in the test: what the rule compares it with, or something usual."""
    for condition in rule.when:
        if condition.reading == full_name and not isinstance(condition.value, bool):
            return condition.value
    return "timeout" if reading.kind is Kind.STATE else USUAL.get(reading.unit, 7.0)


def humanized(seen: Value, reading: Reading) -> str:
    """As Prometheus renders it."""
    if isinstance(seen, str):
        return seen
    match reading.unit:
        case "ratio":
            return f"{seen * 100:.4g}%"
        case "bytes":
            power = min(int(math.log2(seen) // 10), 4) if seen > 1 else 0
            return f"{seen / 1024**power:.4g}{('', 'ki', 'Mi', 'Gi', 'Ti')[power]}B"
        case "seconds":
            return _duration(seen)
    return f"{seen:.4g}"  # below 1000


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.4g}ms"
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.4g}s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m {rest}s" if hours else f"{minutes}m {rest}s"


def _series_of(full_name: str, reading: Reading, seen: Value) -> str:
    name = name_of(full_name.partition(".")[0], reading)
    return series(name, value=seen) if isinstance(seen, str) else series(name)
