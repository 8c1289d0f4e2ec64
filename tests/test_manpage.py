"""The man page: of every command, agreeing with the help, and clean for groff."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dockerdoctor.errors import Exit
from tools import manpage
from tools.commandline import application, walk

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "man/dockerdoctor.1"


def test_the_committed_page_is_that_of_the_declarations() -> None:
    assert PAGE.read_text() == manpage.render(ROOT)[PAGE], "run `make generate`"


def test_it_tells_every_command_option_and_exit_code() -> None:
    text = PAGE.read_text().replace("\\-", "-")
    for command in walk(application()):
        if command.path and not command.commands:
            assert f'.SS "{" ".join(command.path)}"' in text
        for option in command.options:
            assert all(f"\\fB{name}\\fR" in text for name in option.names)
    codes = {int(code) for code in re.findall(r"^\\fB(\d+)\\fR$", text, re.MULTILINE)}
    assert codes == {0, 1, 2, 3, 130, *Exit}


def test_groff_has_nothing_to_complain_of_and_man_shows_it() -> None:
    if not (groff := shutil.which("groff")):
        pytest.skip("groff is not installed")
    ran = subprocess.run(
        [groff, "-man", "-Tutf8", "-ww", "-rLL=78n", str(PAGE)],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert ran.stderr == ""
    shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", ran.stdout)
    assert "dockerdoctor heal --only sigkill --yes" in shown
    assert "EXIT STATUS" in shown
