"""The command line itself: exit codes, two streams, no traceback, colours, light imports."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dockerdoctor.cli.endings import explained
from dockerdoctor.cli.main import arrange
from dockerdoctor.cli.terminal import clean, paint, wants_colour
from dockerdoctor.errors import Busy, ConfigError, HostFault
from dockerdoctor.model import Fault
from tests.clirun import PATIENCE_S, dockerdoctor, environment, write_config
from tests.dataroot import DataRoot

HEAVY = ("docker", "prometheus_client", "rich", "pydantic", "msgspec", "sqlite3")


@pytest.mark.parametrize("words", [["--help"], ["check", "--help"], ["heal", "--help"]])
def test_help_imports_nothing_that_is_heavy(words: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dockerdoctor", *words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in ran.stderr.split("\n")
    }
    assert imported.isdisjoint(HEAVY)
    assert "dockerdoctor" in imported


def test_a_command_loads_no_other() -> None:
    code = (
        "import sys\n"
        "from dockerdoctor.cli.main import run\n"
        "run(['disk', 'reclaim', '--help'])\n"
        "print(*(name for name in sys.modules if name.startswith('dockerdoctor.cli.')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert set(ran.stdout.splitlines()[-1].split()) == {
        "dockerdoctor.cli.main",
        "dockerdoctor.cli.options",
        "dockerdoctor.cli.disk",
    }


def test_help_teaches_by_examples() -> None:
    ran = dockerdoctor("-h")
    assert ran.code == 0
    assert "Examples:" in ran.out
    assert "incidents" in ran.out


def test_version_is_said_on_stdout() -> None:
    ran = dockerdoctor("--version")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("dockerdoctor ")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["no-such-command"], 64),
        (["rules", "no-such-command"], 64),
        (["incidents", "show"], 64),
        (["rules", "list", "--no-such-option"], 64),
        (["check", "--no-such-option"], 3),
        (["--no-such-option"], 3),
        (["check", "too-much"], 3),
        (["check", "--output", "xml"], 3),
        (["heal", "--max-impact", "everything"], 64),
        (["--config"], 3),
    ],
)
def test_a_wrong_command_line_is_64_and_3_for_check(words: list[str], code: int) -> None:
    ran = dockerdoctor(*words)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("dockerdoctor: ")
    assert "--help`" in ran.err


def test_a_configuration_that_is_wrong_is_78_with_all_its_mistakes(tmp_path: Path) -> None:
    config = write_config(tmp_path, '[policy]\nmax_impact = "lots"\nno_such_key = 1\n')
    ran = dockerdoctor("rules", "check", config=config)
    assert (ran.code, ran.out) == (78, "")
    assert ran.err.startswith("dockerdoctor: 2 mistakes in the configuration")
    assert dockerdoctor("check", config=config).code == 3


def test_the_configuration_that_was_named_must_be_there(tmp_path: Path) -> None:
    ran = dockerdoctor("rules", config=tmp_path / "none.toml")
    assert ran.code == 78
    assert "cannot be read" in ran.err


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    assert "Traceback" in dockerdoctor("rules", "show", "x", "--debug", config=config).err


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        ran = subprocess.run(
            [sys.executable, "-m", "dockerdoctor", "rules", "list"],
            env=environment(),
            stdout=out,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_S,
            check=False,
        )
    assert (ran.returncode, ran.stderr) == (141, b"")


def test_a_full_disk_under_stdout_is_said(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as out:  # noqa: PTH123
        ran = subprocess.run(
            [sys.executable, "-m", "dockerdoctor", "rules", "list"],
            env=environment(),
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert ran.returncode == 74
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_bug(closed: str, tmp_path: Path) -> None:
    DataRoot(tmp_path)
    config = write_config(tmp_path)
    words = f"exec {sys.executable} -m dockerdoctor --config {config} disk {closed}"
    done = subprocess.run(["sh", "-c", words], env=environment(), timeout=PATIENCE_S, check=False)
    assert done.returncode == 0


def test_a_closed_stderr_does_not_change_the_exit_code() -> None:
    words = f"exec {sys.executable} -m dockerdoctor no-such-command 2>&-"
    ran = subprocess.run(["sh", "-c", words], env=environment(), timeout=PATIENCE_S, check=False)
    assert ran.returncode == 64


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (SystemExit(5), 5),
        (Busy("somebody is at it"), 75),
        (ConfigError(["a", "b"]), 78),
        (HostFault(Fault.DENIED, "no"), 77),
        (HostFault(Fault.TIMEOUT, "no"), 69),
        (OSError(errno.ENOSPC, "full"), 74),
        (ZeroDivisionError("x"), 70),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert explained(error, checks=False)[0] == code
    in_check = 3 if isinstance(error, Exception) else code
    assert explained(error, checks=True)[0] == in_check


def test_a_bug_asks_for_a_report_and_shows_no_traceback() -> None:
    _, lines = explained(ZeroDivisionError("division by zero"), checks=False)
    assert "bug of dockerdoctor: ZeroDivisionError: division by zero" in lines[0]
    assert "--debug" in lines[1]


def test_options_of_dockerdoctor_itself_may_stand_anywhere() -> None:
    assert arrange(["check", "-H", "x", "--json"]) == ["-H", "x", "check", "--json"]
    assert arrange(["check", "--config=f", "--debug"]) == ["--config=f", "--debug", "check"]
    assert arrange(["--host", "x"]) == ["--host", "x", "check"]


def test_without_a_command_it_checks() -> None:
    assert arrange([]) == ["check"]
    assert arrange(["--json"]) == ["check", "--json"]
    assert arrange(["--help"]) == ["--help"]


def test_a_group_without_a_command_lists() -> None:
    assert arrange(["incidents"]) == ["incidents", "list"]
    assert arrange(["rules", "--json"]) == ["rules", "list", "--json"]
    assert arrange(["rules", "--help"]) == ["rules", "--help"]
    assert arrange(["incidents", "show", "x"]) == ["incidents", "show", "x"]


def test_words_after_two_dashes_stay_where_they_are() -> None:
    assert arrange(["incidents", "show", "--", "--debug"])[-2:] == ["--", "--debug"]


@pytest.mark.parametrize(
    ("terminal", "environ", "wanted"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {"CLICOLOR": "0"}, False),
        (False, {"CLICOLOR_FORCE": "1"}, True),
        (False, {"CLICOLOR_FORCE": "0"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_for_those_who_want_it(
    terminal: bool, environ: dict[str, str], wanted: bool
) -> None:
    assert wants_colour(terminal, environ) is wanted


def test_only_the_marks_are_coloured() -> None:
    assert paint("[x] rule: text [x]") == "\x1b[31;1m[x]\x1b[0m rule: text [x]"
    assert paint("nothing [ok]") == "nothing [ok]"


def test_text_from_outside_cannot_speak_to_the_terminal() -> None:
    assert clean("a\x1b[2Jb\r\x07c\u202ed\ne") == "a?[2Jb??c?d\ne"


def test_a_piped_check_has_neither_colours_nor_wrapped_lines(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    ran = dockerdoctor("check", config=config, env={"COLUMNS": "40"})
    assert "\x1b" not in ran.out
    forced = dockerdoctor("check", config=config, env={"CLICOLOR_FORCE": "1"})
    assert "\x1b[33;1mWARNING" in forced.out
