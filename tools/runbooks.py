"""Makes docs/runbooks: a first page for an alert that has none yet, and the list of all pages.

A page that exists belongs to whoever wrote it and is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dockerdoctor.judge import Condition, Rule
from tools import alerts

ALERT = re.compile(r"^ +- alert: (\w+)$", re.MULTILINE)
FILES = ("watchdog.yml", "engine.yml")
"""The alerts that are written by hand; those of verdicts.yml come from the rules."""

INDEX = """\
# Runbooks

One page for each alert in `rules/prometheus/`: what it means, what dockerdoctor has already done,
what to do now, and the commands. This list is made by `python -m tools.generate`.

"""

PAGE = """\
# {name}

{says}.

## What it means

The verdict rule `{rule}` holds: {conditions}{wait}. Severity: {severity}.

## What dockerdoctor has already done

{done}

## What to do now

1. See the whole picture: `dockerdoctor check`.
2. {remedy}
3. What does not help: {avoid}.

## Commands

```sh
dockerdoctor check
dockerdoctor incidents
dockerdoctor rules show {rule}
journalctl -u docker -n 50 --no-pager
```
"""


def render(root: Path) -> Mapping[Path, str]:
    """The list, and pages that are missing."""
    pages = root / "docs/runbooks"
    rules, _ = alerts.shipped(root)
    missing = {
        pages / f"{alerts.name(rule)}.md": first_page(rule)
        for rule in rules
        if not (pages / f"{alerts.name(rule)}.md").exists()
    }
    return {pages / "README.md": INDEX + "".join(_list(root, rules)), **missing}


def written_by_hand(root: Path, file: str) -> list[str]:
    """The names of the alerts of one file, each once."""
    text = (root / "rules/prometheus" / file).read_text("utf-8")
    return list(dict.fromkeys(ALERT.findall(text)))


def first_page(rule: Rule) -> str:
    """What the rule itself can tell; better than nothing, and a start for whoever knows more."""
    climbs = ", ".join(f"`{rung}`" for rung in rule.ladder)
    return PAGE.format(
        name=alerts.name(rule),
        rule=rule.name,
        says=re.sub(r"\{([a-z_0-9.]+)\}", r"`\1`", rule.says[0].upper() + rule.says[1:]),
        conditions=" and ".join(f"`{_condition(each)}`" for each in rule.when),
        wait=f", for {rule.for_s:.0f} s" if rule.for_s else "",
        severity=rule.severity.name.lower(),
        done=(
            f"It climbs {climbs}, each as far as the policy allows, and looks for the cure after "
            "each. `dockerdoctor incidents` shows how far it is."
            if rule.ladder
            else "It tells, and climbs nothing for this."
        ),
        remedy=_sentence(rule.remedy or "look at the readings that the finding names"),
        avoid=rule.avoid or "restart the daemon before you know the cause",
    )


def _list(root: Path, rules: tuple[Rule, ...]) -> Iterator[str]:
    yield "## Verdict rules\n\n"
    for rule in rules:
        yield f"- [{alerts.name(rule)}]({alerts.name(rule)}.md): `{rule.name}`\n"
    for file in FILES:
        yield f"\n## {file}\n\n"
        for name in written_by_hand(root, file):
            yield f"- [{name}]({name}.md)\n"


def _condition(condition: Condition) -> str:
    return f"{condition.reading} {condition.op} {condition.value}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
