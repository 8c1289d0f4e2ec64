"""What holds for every command of the tree, also for one that is added tomorrow: help, two streams,
exit codes, colour, JSON with a schema, times, questions."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest

from dockerdoctor.cli.healing import Ending
from dockerdoctor.cli.main import CHECKS
from dockerdoctor.cli.reportjson import incident_json
from dockerdoctor.cli.schemas import shapes_of
from dockerdoctor.cli.shapes import HealJson
from tests.clirun import PATIENCE_S, Ran, dockerdoctor, environment, write_config
from tests.dataroot import DataRoot
from tests.test_cli_commands import an_incident, recorded
from tools import schemas
from tools.commandline import Command, application, walk

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "dockerdoctor/shipped/schema"
LEAVES = {
    " ".join(each.path): each for each in walk(application()) if each.path and not each.commands
}
GROUPS = [" ".join(each.path) for each in walk(application()) if each.commands]
ACTING = ("watch", "demo", "service install", "service uninstall")
"""Not run here: they become a watchdog, need an engine, or change the host."""
WORDS: Mapping[str, tuple[str, ...]] = {
    "heal": ("--plan",),
    "explain": (str(ROOT / "tests/dumps/dockerd-26.1.5-stuck.log.gz"),),
    "incidents show": ("20270115",),
    "incidents report": ("20270115", "--markdown"),
    "bundle": ("--output", "bundle.tar.gz"),
    "disk logs": ("--for", "0", "--all"),
    "disk reclaim": ("--to", "1%"),
    "rules show": ("daemon-unresponsive",),
    "probes run": ("disk",),
}
"""What a command needs to be run; nothing for most."""
ASKING = {"heal": (), "disk reclaim": ("--apply",), "disk logs": ("--cut", "web")}
"""What makes a command ask, or want a --yes."""
BOXES = re.compile("[\u2500-\u259f]")
MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

every_command = pytest.mark.parametrize("name", LEAVES)


@cache
def schema_of(name: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return loaded


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A host with a record and a data-root, and without a daemon."""
    path = write_config(tmp_path)
    recorded(path, an_incident()).shut()
    root = DataRoot(tmp_path)
    root.container("web", root.image("app", {"base": 4096}), logged=8192)
    return path


def ran(name: str, config: Path, *more: str, **env: str) -> Ran:
    """The command as a test may run it; the files that it writes land beside the configuration."""
    words = [*name.split(), *WORDS.get(name, ()), *more]
    words = [str(config.parent / word) if word == "bundle.tar.gz" else word for word in words]
    return dockerdoctor(*words, config=config, env={"COLUMNS": "80", **env})


@every_command
def test_help_teaches_on_stdout_in_eighty_columns_and_without_boxes(name: str) -> None:
    told = dockerdoctor(*name.split(), "--help", "--no-input", env={"COLUMNS": "80"})
    assert (told.code, told.err) == (0, "")
    assert f"Usage: dockerdoctor {name}" in told.out
    assert not BOXES.search(told.out)
    assert "\x1b" not in told.out
    assert max(map(len, told.out.splitlines())) <= 80
    assert "\n  Examples:\n" in told.out
    assert LEAVES[name].summary


@pytest.mark.parametrize("name", GROUPS)
def test_a_list_of_commands_has_each_ones_first_sentence_whole(name: str) -> None:
    told = dockerdoctor(*name.split(), "--help", env={"COLUMNS": "80"}).out
    assert max(map(len, told.splitlines())) <= 80
    assert not [line for line in told.splitlines()[1:] if line.endswith("...")]


@every_command
def test_a_wrong_option_is_said_on_stderr_with_a_hint_and_a_traceback_on_demand_only(
    name: str,
) -> None:
    wrong = dockerdoctor(*name.split(), "--no-such-option")
    assert (wrong.code, wrong.out) == (3 if name in CHECKS else 64, "")
    assert wrong.err.startswith("dockerdoctor: ")
    assert f"`dockerdoctor {name} --help`" in wrong.err
    assert "Traceback" in dockerdoctor(*name.split(), "--no-such-option", "--debug").err


@pytest.mark.parametrize("name", [name for name in LEAVES if name not in ACTING])
def test_text_has_neither_colours_nor_boxes_nor_questions_when_piped(
    name: str, config: Path
) -> None:
    told = ran(name, config, "--no-input")
    assert told.code in (0, 1, 2, 3, 64, 69, 74, 77), told.err
    both = told.out + told.err
    assert both.strip()
    assert "\x1b" not in both
    assert not BOXES.search(both)
    assert "[y/N]" not in both
    assert "bug of dockerdoctor" not in both
    plain = ran(name, config, NO_COLOR="1", CLICOLOR_FORCE="1")
    assert "\x1b" not in plain.out + plain.err


@pytest.mark.parametrize("name", schemas.writing())
def test_json_is_all_of_stdout_fits_its_schema_and_has_times_in_utc(
    name: str, config: Path
) -> None:
    told = ran(name, config, "--json", "--no-input", TZ="Asia/Tokyo", CLICOLOR_FORCE="1")
    document = json.loads(told.out)
    assert document["schema_version"] == 1
    wrong = {each: misfits(document, each) for each in shapes_of(name)}
    assert [] in wrong.values(), wrong
    for text in texts(document):
        assert not MOMENT.match(text) or text.endswith("Z"), text


def misfits(document: object, name: str) -> list[str]:
    """Where it is not what that schema says, or has a key that the schema does not know."""
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(closed(schema_of(name)), format_checker=checker)
    return [f"{each.json_path}: {each.message}" for each in validator.iter_errors(document)]


def closed(schema: object) -> object:
    """The same schema, in which an unknown key is an error: programs may be given more one day, a
    test is not."""
    if isinstance(schema, dict):
        inner = {key: closed(value) for key, value in schema.items()}
        return {**inner, "additionalProperties": False} if "properties" in schema else inner
    return [closed(each) for each in schema] if isinstance(schema, list) else schema


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def test_a_healed_incident_fits_its_schema() -> None:
    told: HealJson = {
        "schema_version": 1,
        "ending": Ending.WELL,
        "why": "well",
        "incidents": [incident_json(an_incident())],
    }
    assert misfits(json.loads(msgspec.json.encode(told)), "heal") == []
    assert misfits({}, "heal") != []


def test_the_shipped_schemas_are_those_of_the_shapes() -> None:
    made = schemas.render(ROOT)
    assert {path.name for path in SCHEMAS.iterdir()} == {path.name for path in made}
    for path, text in made.items():
        assert path.read_text() == text, "run `make generate`"
        jsonschema.Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize("name", [n for n, each in LEAVES.items() if "--yes" in str(each.options)])
def test_who_may_not_be_asked_is_told_to_say_yes(name: str, config: Path) -> None:
    words = [*name.split(), *ASKING[name]]
    told = dockerdoctor(*words, "--no-input", config=config)
    assert (told.code, told.out) == (64, "")
    assert "--yes" in told.err
    primary, terminal = pty.openpty()  # somebody is there, and --no-input says not to ask
    argv = [sys.executable, "-m", "dockerdoctor", "--config", str(config), *words, "--no-input"]
    seen = subprocess.run(
        argv, stdin=terminal, capture_output=True, env=environment(), timeout=PATIENCE_S
    )
    os.close(primary)
    os.close(terminal)
    assert seen.returncode == 64


def test_times_for_people_are_in_the_local_zone(config: Path) -> None:
    there = ran("incidents show", config, TZ="Asia/Tokyo")
    here = ran("incidents show", config, TZ="UTC")
    opened = re.compile(r"opened +(\d\d:\d\d:\d\d|\S+ \S+)")
    assert opened.findall(there.out) != opened.findall(here.out)
    with_json = ran("incidents show", config, "--json", TZ="Asia/Tokyo")
    assert json.loads(with_json.out)["incident"]["opened"] == "2027-01-15T08:00:00.000Z"


def test_the_readme_names_every_command() -> None:
    table = (ROOT / "README.md").read_text().partition("## Commands")[2]
    for command in application().commands:
        assert f"`{command.name}" in table or f"`dockerdoctor {command.name}" in table, command.name


def test_every_command_takes_the_options_of_all() -> None:
    def names(command: Command) -> set[str]:
        return {name for option in command.options for name in option.names}

    common = names(application()) - {"--help", "-h"}
    for name, command in LEAVES.items():
        assert not names(command) & common, f"{name} has an option of dockerdoctor's own"
