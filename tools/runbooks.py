"""Makes docs/runbooks: the list of all pages, and the page of each rule that nobody has written.

A page without MADE in it belongs to whoever wrote it, and is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dockerdoctor.judge import Condition, Rule
from dockerdoctor.model import Reading
from dockerdoctor.units import plain
from tools import alerts

ALERT = re.compile(r"^ +- alert: (\w+)$", re.MULTILINE)
NAMES = ("docker", "containerd")
"""Names of programs keep their small letter."""
FILES = ("watchdog.yml", "engine.yml")
"""The alerts that are written by hand; those of verdicts.yml come from the rules."""

INDEX = """\
# Runbooks

One page for each alert in `rules/prometheus/`: what it means, what dockerdoctor has already done,
what to do now, and the commands. This list is made by `python -m tools.generate`.

"""

PAGE = """\
# {name}

{says}

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
dockerdoctor rules show {rule}
{commands}
```

{made}
"""

MADE = "<!-- Made from the rule by `make generate`. Without this line the page is yours. -->"

STACKS = "http://docker/debug/pprof/goroutine?debug=2"
LOOK: Mapping[str, str] = {
    "builds": f"curl -s --unix-socket /run/docker.sock '{STACKS}' | dockerdoctor explain -",
    "journal": "journalctl -u docker -n 200 --no-pager",
    "containerd": "journalctl -u containerd -n 50 --no-pager",
    "unit": "systemctl status docker.service docker.socket",
    "disk": "df -h /var/lib/docker /var/lib/containerd /run\ndf -i /var/lib/{docker,containerd}",
    "kernel": "journalctl -k -n 100 --no-pager\nps -eo pid,stat,wchan:30,comm",
    "process": "ps -o pid,rss,nlwp,etime,comm -C dockerd",
    "containers": "docker ps -a",
    "leftovers": "ss -ltnp\nctr -n moby tasks ls\ndocker ps -a",
    "health": "docker inspect --format '{{json .State.Health}}' NAME",
    "firewall": "iptables-save",
    "events": "docker events --since 1h --until 0s",
    "canary": "journalctl -u docker -u containerd -n 50 --no-pager",
}
"""What shows by hand what a probe reads."""


def render(root: Path) -> Mapping[Path, str]:
    """The list, and the pages that are not written by hand."""
    pages = root / "docs/runbooks"
    rules, readings = alerts.shipped(root)
    places = {pages / f"{alerts.name(rule)}.md": rule for rule in rules}
    ours = {
        page: first_page(rule, readings)
        for page, rule in places.items()
        if not page.exists() or MADE in page.read_text("utf-8")
    }
    return {pages / "README.md": INDEX + "".join(_list(root, rules)), **ours}


def written_by_hand(root: Path, file: str) -> list[str]:
    """The names of the alerts of one file, each once."""
    text = (root / "rules/prometheus" / file).read_text("utf-8")
    return list(dict.fromkeys(ALERT.findall(text)))


def first_page(rule: Rule, readings: Mapping[str, Reading]) -> str:
    """What the rule itself can tell; better than nothing, and a start for whoever knows more."""
    climbs = ", ".join(f"`{rung}`" for rung in rule.ladder)
    probes = dict.fromkeys(each.reading.partition(".")[0] for each in rule.when)
    looks = [LOOK[probe] for probe in probes if probe in LOOK]
    return PAGE.format(
        name=alerts.name(rule),
        rule=rule.name,
        says=_sentence(alerts.filled(rule, readings, lambda name: f"`{name}`")),
        conditions=" and ".join(f"`{_condition(each, readings)}`" for each in rule.when),
        wait=f", for {plain(rule.for_s, 's')}" if rule.for_s else "",
        severity=rule.severity.name.lower(),
        done=(
            f"It climbs {climbs}, each as far as the policy allows, and looks for the cure after "
            "each. `dockerdoctor incidents` shows how far it is."
            if rule.ladder
            else "It tells, and climbs nothing for this."
        ),
        remedy=_sentence(rule.remedy or "look at the readings that the finding names"),
        made=MADE,
        avoid=rule.avoid or "a restart before you know the cause",
        commands="\n".join(looks + ["dockerdoctor heal --plan"] * bool(rule.ladder)),
    )


def _list(root: Path, rules: tuple[Rule, ...]) -> Iterator[str]:
    yield "## Verdict rules\n\n"
    for rule in rules:
        yield f"- [{alerts.name(rule)}]({alerts.name(rule)}.md): `{rule.name}`\n"
    for file in FILES:
        yield f"\n## {file}\n\n"
        for name in written_by_hand(root, file):
            yield f"- [{name}]({name}.md)\n"


def _condition(condition: Condition, readings: Mapping[str, Reading]) -> str:
    value = condition.value
    shown = str(value).lower() if isinstance(value, bool) else value
    if not isinstance(shown, str):
        shown = plain(shown, readings[condition.reading].unit)
    return f"{condition.reading} {condition.op} {shown}"


def _sentence(text: str) -> str:
    first = text if text.startswith(NAMES) else text[0].upper() + text[1:]
    return f"{first}."
