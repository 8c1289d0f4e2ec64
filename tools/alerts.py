"""Makes rules/prometheus/verdicts.yml: one alert for each shipped verdict rule, in its own words.

A rule's `says` becomes the summary, with Prometheus' own templates in the places of the readings:
a page tells the value and not only the rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from dockerdoctor.declare import Probe, Rung, known_readings, load
from dockerdoctor.judge import PLACEHOLDER, Rule
from dockerdoctor.metricfamilies import name_of
from dockerdoctor.model import Kind, Reading
from dockerdoctor.rules import Catalogue, load_rules

RUNBOOKS = "https://dockerdoctor.example/runbooks"
"""Stands before every page's name; users put their own there (see watchdog.yml)."""

HEAD = """\
# Made from rules/*.toml by `python -m tools.generate`: change those, not this.
#
# One alert for each verdict rule. The rule itself has waited already for as long as its finding
# must hold; `for` adds what nobody need be woken for: the time that healing takes where the rule
# has a ladder. What was healed before that is on record, and counted by
# DockerdoctorHealedButRecurring. For keep_firing_for and runbook_url see watchdog.yml.
groups:
  - name: dockerdoctor-verdicts
    rules:
"""

HEALING, TOLD = "3m", "1m"
"""Patience with a rule that has a ladder, and with one that only tells."""

UNKNOWN = "(not seen)"
"""What stands for a reading that is not there; the same as in the watchdog's own sentences."""

ELSEWHERE = "see dockerdoctor check"
"""What stands in parentheses for free text, which is not exported."""

FORMATS = {"bytes": "humanize1024", "ratio": "humanizePercentage", "seconds": "humanizeDuration"}


def render(root: Path) -> Mapping[Path, str]:
    """verdicts.yml."""
    rules, readings = shipped(root)
    text = HEAD + "".join(alert(rule, readings) for rule in rules)
    return {root / "rules/prometheus/verdicts.yml": text}


def shipped(root: Path) -> tuple[tuple[Rule, ...], Mapping[str, Reading]]:
    """The checkout's rules, and what they speak of."""
    readings = known_readings(load("dockerdoctor.probes", Probe))
    rungs = load("dockerdoctor.rungs", Rung)
    return load_rules([root / "rules"], Catalogue(readings, rungs)), readings


def name(rule: Rule) -> str:
    """`daemon-unresponsive` is DockerdoctorDaemonUnresponsive."""
    return "Dockerdoctor" + "".join(word.capitalize() for word in rule.name.split("-"))


def alert(rule: Rule, readings: Mapping[str, Reading]) -> str:
    """The alert of one rule, as a piece of YAML."""
    says = filled(rule, readings, lambda full_name: template(full_name, readings[full_name]))
    return f"""\
      - alert: {name(rule)}
        expr: dockerdoctor_findings{{rule="{rule.name}"}} == 1
        for: {patience(rule)}
        keep_firing_for: 2m
        labels:
          severity: {rule.severity.name.lower()}
        annotations:
          summary: {quoted("{{ $labels.instance }}: " + says)}
          description: {quoted(description(rule))}
          runbook_url: {RUNBOOKS}/{name(rule)}.md
"""


def filled(rule: Rule, readings: Mapping[str, Reading], value: Callable[[str], str]) -> str:
    """What the rule says, with `value` of each reading's full name in its place."""

    def shown(match: re.Match[str]) -> str:
        if readings[match[1]].kind is not Kind.TEXT:
            return value(match[1])
        stands_alone = rule.says[match.start() - 1 : match.end() + 1] == f"({match[0]})"
        return ELSEWHERE if stands_alone else f"({ELSEWHERE})"

    return PLACEHOLDER.sub(shown, rule.says)


def patience(rule: Rule) -> str:
    """How long the finding must be there before somebody is called."""
    return HEALING if rule.ladder else TOLD


def description(rule: Rule) -> str:
    """What is being done about it, what helps, and what does not."""
    done = (
        f"dockerdoctor climbs {', '.join(rule.ladder)} as far as its policy allows."
        if rule.ladder
        else "dockerdoctor only tells: it climbs nothing for this."
    )
    helps = f" What helps: {rule.remedy}." if rule.remedy else ""
    avoid = f" What does not: {rule.avoid}." if rule.avoid else ""
    return done + helps + avoid


def template(full_name: str, reading: Reading) -> str:
    """A template that shows a reading of the alert's own instance; not for free text."""
    metric = name_of(full_name.partition(".")[0], reading)
    series = f'{metric}{{job=%q,instance=%q}}" $labels.job $labels.instance'
    shown = _shown(reading)
    return f'{{{{ with printf "{series} | query }}}}{shown}{{{{ else }}}}{UNKNOWN}{{{{ end }}}}'


def _shown(reading: Reading) -> str:
    if reading.kind is Kind.STATE:
        return '{{ . | first | label "value" }}'
    how = FORMATS.get(reading.unit, "humanize")
    return f"{{{{ . | first | value | {how} }}}}" + ("B" if reading.unit == "bytes" else "")


def quoted(text: str) -> str:
    """A YAML string in single quotes."""
    return "'" + text.replace("'", "''") + "'"
