"""The commands of the runbooks can be typed: they exist, with the options that are shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import typer

from dockerdoctor.cli import main
from tests.prometheus import shipped
from tools import alerts, runbooks

ROOT = shipped.ROOT
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

DOCKER = re.compile("builder|events|exec|image|info|inspect|network|ps|start|system|version")
OF_THE_HOST = re.compile("cat|ctr|curl|df|du|find|iptables-save|journalctl|ls|ps|ss|systemctl")
"""What every host with systemd and docker has."""


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line with the page that shows it."""
    for path in sorted((ROOT / "docs/runbooks").glob("*.md")):
        for block in BLOCK.findall(path.read_text("utf-8")):
            for line in block.splitlines():
                yield path.stem, shlex.split(line)


@pytest.mark.parametrize(
    "words", [pytest.param(words, id=f"{page}: {shlex.join(words)}") for page, words in commands()]
)
def test_every_command_of_a_runbook_exists(words: list[str]) -> None:
    program, *rest = words
    if program == "dockerdoctor":
        _parse(main.arrange(rest))
    elif program == "docker":
        assert DOCKER.fullmatch(rest[0])
    else:
        assert OF_THE_HOST.fullmatch(program)


def _parse(words: list[str]) -> None:
    """As the command line would, without running it; the test fails on what it does not know."""
    command, parent = typer.main.get_command(main.application()), None
    while hasattr(command, "commands"):
        context = command.make_context(words[0], [], parent=parent, resilient_parsing=True)
        command, parent = command.commands[words[0]], context
        words = words[1:]
    command.make_context("", words, parent=parent)


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(KeyError):
        _parse(main.arrange(["pray"]))
    with pytest.raises(Exception, match="--louder"):
        _parse(main.arrange(["check", "--louder"]))


def test_the_first_page_of_a_new_rule_says_all_that_the_rule_knows() -> None:
    rules, readings = alerts.shipped(ROOT)
    rule = next(rule for rule in rules if rule.name == "daemon-unresponsive")
    page = runbooks.first_page(rule, readings)
    for said in ("`ping.answered == false`", "`dump-stacks`, `restart`", "for 8 s", rule.avoid):
        assert said in page
