"""Rule files: what is shipped is right, and every mistake is told, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockerdoctor.declare import Scene
from dockerdoctor.errors import ConfigError, Exit
from dockerdoctor.model import Impact, Severity
from dockerdoctor.rules import Catalogue, load_rules, shipped_rules
from tests.values import READINGS, RUNGS

CATALOGUE = Catalogue(READINGS, RUNGS)


def write(directory: Path, text: str, name: str = "a.toml") -> Path:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text)
    return directory


def test_the_shipped_rules_have_the_figures_of_the_field() -> None:
    rules = {rule.name: rule for rule in load_rules([shipped_rules()], CATALOGUE)}
    assert rules["rss-high"].when[0].value == 4 * 1024**3
    assert rules["rss-critical"].when[0].value == 6 * 1024**3
    assert rules["container-start-slow"].when[0].value == 30
    assert rules["disk-high"].when[0].value == pytest.approx(0.85)
    assert rules["disk-full"].when[0].value == pytest.approx(0.95)
    assert rules["disk-high"].clear[0].value == pytest.approx(0.80)


def test_every_shipped_rule_names_the_remedy_and_the_wrong_one() -> None:
    for rule in load_rules([shipped_rules()], CATALOGUE):
        assert rule.remedy, rule.name
        assert rule.avoid, rule.name


def test_every_shipped_ladder_that_may_cost_something_begins_with_evidence() -> None:
    for rule in load_rules([shipped_rules()], CATALOGUE):
        costly = any(RUNGS[rung].impact(Scene()) > Impact.NONE for rung in rule.ladder)
        assert not costly or rule.ladder[0] == "dump-stacks", rule.name


def test_a_later_file_changes_only_the_keys_that_it_gives(tmp_path: Path) -> None:
    mine = write(tmp_path / "rules.d", '[rss-high]\nwhen = ["process.rss_bytes >= 10GiB"]\n')
    rules = {rule.name: rule for rule in load_rules([shipped_rules(), mine], CATALOGUE)}
    assert rules["rss-high"].when[0].value == 10 * 1024**3
    assert rules["rss-high"].severity is Severity.WARNING


def test_a_rule_can_be_switched_off(tmp_path: Path) -> None:
    mine = write(tmp_path / "rules.d", "[rss-high]\nenabled = false\n")
    assert "rss-high" not in {r.name for r in load_rules([shipped_rules(), mine], CATALOGUE)}


def test_all_mistakes_of_all_files_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    write(
        tmp_path / "d",
        """
        lonely = 3
        [Shouting]
        says = "x"
        [no-condition]
        says = "x"
        when = []
        severity = "critical"
        [strange]
        says = "{process.rss}"
        when = ["ping.answerd == false", "ping.answered > true", "process.rss_bytes >= 4 apples"]
        severity = "dreadful"
        ladder = ["restrat"]
        for = "soon"
        colour = "red"
        looks = "three"
        [empty]
        """,
    )
    write(tmp_path / "d", "this is no TOML", "b.toml")
    with pytest.raises(ConfigError) as caught:
        load_rules([tmp_path / "d"], CATALOGUE)
    told = "\n".join(caught.value.mistakes)
    for expected in (
        "`lonely` stands outside a table",
        "[Shouting]: a rule's name",
        "no condition, so it would always hold",
        "no probe reads `process.rss`",
        "did you mean `ping.answered`?",
        "can only be compared with",
        "condition 3",
        "`dreadful` is none of",
        "did you mean `restart`?",
        "[strange] for: ",
        "unknown key `colour`",
        "looks: must be a number",
        "[empty]: `says` is missing",
        "b.toml: ",
    ):
        assert expected in told
    assert caught.value.exit == Exit.CONFIG


def test_no_rule_directory_is_no_mistake(tmp_path: Path) -> None:
    assert load_rules([tmp_path / "missing"], CATALOGUE) == ()
