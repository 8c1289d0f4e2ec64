"""What the shells offer on TAB: bash is really asked; zsh and fish where they are installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import completions
from tools.commandline import Command, application, walk

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = tuple(walk(application()))
PATIENCE_S = 300.0


def run(shell: str, script: str, cwd: Path = ROOT) -> list[str]:
    """The lines that a shell prints; nothing on stderr."""
    ran = subprocess.run(
        [shell, "-c", script], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


def offered(words: Sequence[str], cwd: Path = ROOT) -> set[str]:
    """What bash offers for the last of these words, behind `dockerdoctor`."""
    quoted = " ".join(f"'{word}'" for word in ("dockerdoctor", *words))
    script = (
        f"source '{ROOT}/completions/dockerdoctor.bash' && complete -p dockerdoctor >/dev/null\n"
        "dockerdoctor() { printf 'ID  OPENED\\n20270115-a  x\\n20270116-b  y\\n'; }\n"
        f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}\n"
        '_dockerdoctor; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return set(run("bash", script, cwd)) - {""}


def test_the_committed_files_are_those_of_the_declarations() -> None:
    for path, text in completions.render(ROOT).items():
        assert path.read_text() == text, "run `make generate`"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: " ".join(each.path))
def test_bash_offers_every_option_and_every_command_of_each(command: Command) -> None:
    options = offered([*command.path, "-"])
    assert {name for each in command.options for name in each.names} <= options
    assert {"--config", "--debug", "--no-input"} <= options
    if command.commands:
        assert offered([*command.path, ""]) == {each.name for each in command.commands}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["he"], {"heal"}),
        (["heal", "--max-impact", ""], {"none", "daemon", "containers", "host"}),
        (["heal", "--max-impact", "=", "da"], {"daemon"}),
        (["heal", "--max-impact", "="], {"none", "daemon", "containers", "host"}),
        (["--config", "x", "heal", "--only", "sig"], {"sigkill"}),
        (["--config", "=", "x", "heal", "--only", "sig"], {"sigkill"}),
        (["-H", "check", "top", "--sort", ""], {"growth", "size", "name"}),
        (["--output", ""], {"text", "json", "nagios"}),
        (["rules", "show", "daemon-un"], {"daemon-unresponsive"}),
        (["probes", "run", "pi"], {"ping"}),
        (["demo", "--fault", ""], {"frozen", "deaf", "killed"}),
        (["incidents", "show", ""], {"20270115-a", "20270116-b"}),
        (["incidents", "report", "20270116"], {"20270116-b"}),
        (["pause", "--for", ""], set()),
        (["pause", ""], set()),
        (["nonsense", ""], {each.name for each in COMMANDS[0].commands}),
    ],
)
def test_bash_offers_what_may_stand_there(words: list[str], wanted: set[str]) -> None:
    assert offered(words) == wanted


def test_bash_offers_files_and_directories_where_they_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "a directory").mkdir()
    (tmp_path / "a.toml").touch()
    both = {"a directory", "a.toml"}
    assert offered(["--config", ""], tmp_path) == both
    assert offered(["explain", "a"], tmp_path) == both
    assert offered(["rules", "check", ""], tmp_path) == {"a directory"}


def test_fish_offers_the_same() -> None:
    if not (fish := shutil.which("fish")):
        pytest.skip("fish is not installed")
    source = f"source '{ROOT}/completions/dockerdoctor.fish'\ncomplete -C"
    assert "heal" in "\n".join(run(fish, f"{source} 'dockerdoctor he'"))
    sorts = run(fish, f"{source} 'dockerdoctor top --sort '")
    assert {line.split("\t")[0] for line in sorts} == {"growth", "size", "name"}
    rules = run(fish, f"{source} 'dockerdoctor --config x rules show daemon-un'")
    assert rules == ["daemon-unresponsive"]


def test_zsh_can_read_its_file() -> None:
    if not (zsh := shutil.which("zsh")):
        pytest.skip("zsh is not installed")
    ran = subprocess.run(
        [zsh, "-n", str(ROOT / "completions/_dockerdoctor")],
        capture_output=True,
        timeout=PATIENCE_S,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
