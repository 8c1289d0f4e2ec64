"""The command line: `dockerdoctor COMMAND`, and what a command ends with.

Only the module of the command that was named is loaded (all of them for `--help`), and each
imports what it needs when it runs. `run` is the one place where exceptions become sentences and
exit codes.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from dockerdoctor.cli.options import GLOBAL_FLAGS, GLOBAL_VALUES, Options

CHECKS = ("check", "diagnose", "")
"""Commands with the exit codes of the monitoring plugins."""
BROKEN_PIPE = 141
"""128 + SIGPIPE, as a shell tells it."""

EPILOG = """\b
Options of dockerdoctor itself may stand before or after the command.
Exit codes (but for check, diagnose): 0 done, 1 failed, 64 wrong words,
65 a file that is not what it should be, 69 no daemon, 70 bug, 73 cannot
write, 74 cannot read, 75 busy, 77 no permission, 78 configuration,
130 Ctrl-C.

\b
Examples:
  dockerdoctor                        what is wrong, and what to do now
  dockerdoctor diagnose               why, with the causes ranked by evidence
  dockerdoctor heal --plan            what healing would do and cost
  dockerdoctor heal                   do it, after asking
  dockerdoctor incidents show 2025    the story of one incident
  dockerdoctor service install --enable    a watchdog that does it by itself
"""

COMMANDS = (
    *("check", "diagnose", "top", "heal", "watch", "incidents", "explain", "bundle", "disk"),
    *("pause", "resume", "rules", "probes", "service", "demo"),
)
"""In the order of the help. Each has a module with a function of its name, or with an `app` where
it is a group of commands."""
_ELSEWHERE = {"resume": "pause"}
"""Those in a module of another name."""


def application(names: Iterable[str] = COMMANDS, inner: str = "") -> typer.Typer:
    """dockerdoctor with these commands, in the order of its help. `inner` is the one command that
    matters of a group: typer prepares all that it has, which takes longer than some of them run."""
    made = typer.Typer(
        name="dockerdoctor",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,  # ours are files, without a start of Python for each TAB
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=EPILOG,
    )
    made.callback()(main)
    for name in names:
        module = importlib.import_module(f"dockerdoctor.cli.{_ELSEWHERE.get(name, name)}")
        if hasattr(module, "app"):
            made.add_typer(_with(module.app, inner), name=name)
        else:
            made.command()(getattr(module, name))
    return made


def _with(group: typer.Typer, name: str) -> typer.Typer:
    """The group with this command alone; all of it for help, and for a name that is not there."""
    alone = copy.copy(group)
    alone.registered_commands = [
        each
        for each in group.registered_commands
        if each.callback and name == (each.name or each.callback.__name__)
    ]
    return alone if alone.registered_commands else group


def main(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(help="Configuration file.  [/etc/dockerdoctor/dockerdoctor.toml]"),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", "-H", help="The daemon, as for docker -H.", metavar="ADDRESS")
    ] = "",
    context: Annotated[str, typer.Option(help="A context of the docker CLI.", metavar="NAME")] = "",
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Never ask; what needs an answer is refused.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Keep a real dockerd alive: see what is wrong, heal it, prove the cure, write it down.

    Without a command: `check`.
    """
    ctx.obj = Options(config, host, context, no_input)


DEFAULTS = {
    "incidents": "list",
    "rules": "list",
    "probes": "list",
    "service": "print",
    "disk": "show",
}
"""What a group does without a command of its own."""
FOR_ALL = ("-h", "--help", "--version")
"""Options that need no command."""


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Never raises."""
    words = arrange(sys.argv[1:] if argv is None else argv)
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return _dispatch(words)
    except BaseException as error:  # noqa: BLE001  the one place
        return _ended(error, words)


def _open_what_is_closed() -> None:
    """A stream that was closed before we began (`>&-`) goes nowhere from here: else the next file
    that is opened has its number, and gets what a child prints."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            setattr(sys, name, open(number, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def arrange(argv: Sequence[str]) -> list[str]:
    """The same words with the options of dockerdoctor itself in front, and `check` where no command
    is named. Words after `--` stay."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        name = word.partition("=")[0]
        if word == "--":
            rest += [word, *words]
        elif word in GLOBAL_FLAGS or (name in GLOBAL_VALUES and "=" in word and name != "-H"):
            front.append(word)
        elif word in GLOBAL_VALUES:
            value = next(words, None)
            if value is None:
                return [*front, word]  # for typer to complain of
            front += [word, value]
        else:
            rest.append(word)
    if not rest or _is_option(rest[0]):
        rest.insert(0, "check")
    elif rest[0] in DEFAULTS and (len(rest) == 1 or _is_option(rest[1])):
        rest.insert(1, DEFAULTS[rest[0]])
    return ["--version"] if rest[0] == "--version" else [*front, *rest]


def _is_option(word: str) -> bool:
    return word.startswith("-") and word not in FOR_ALL


def _dispatch(words: list[str]) -> int:
    if "--version" in words[:1]:
        from dockerdoctor import __version__

        print(f"dockerdoctor {__version__}", flush=True)
        return 0
    name, inner = (*_named(words), "", "")[:2]
    named = application([name], inner) if name in COMMANDS else application()
    command = typer.main.get_command(named)
    result = command.main(words, prog_name="dockerdoctor", standalone_mode=False)
    sys.stdout.flush()
    return int(result or 0)


def _reader_gone() -> int:
    """Whoever read us has left (`| head`): no reason to shout, at exit neither."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(devnull, stream.fileno())
    return BROKEN_PIPE


def _ended(error: BaseException, words: Sequence[str]) -> int:
    """Say what happened, as far as anybody listens; the exit code."""
    from dockerdoctor.cli import endings, terminal

    if "--debug" in words and not isinstance(error, SystemExit):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, terminal.ReaderGone):
        return _reader_gone()
    code, lines = endings.explained(error, checks=_command_of(words) in CHECKS)
    with contextlib.suppress(OSError):
        for line in lines:
            terminal.say(line)
    _forget_what_cannot_be_written()
    return code


def _forget_what_cannot_be_written() -> None:
    """Python flushes stdout once more at exit, and would end with 120 if that fails again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _command_of(words: Sequence[str]) -> str:
    """The command's name among arranged words."""
    return next(_named(words), "")


def _named(words: Sequence[str]) -> Iterator[str]:
    """The words that are no options of dockerdoctor itself, nor their values."""
    left = iter(words)
    for word in left:
        if word in GLOBAL_VALUES:
            next(left, None)
        elif not word.startswith("-"):
            yield word
