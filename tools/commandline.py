"""The whole command line as values, read from the application's own declarations.

Completions, the man page and the tests of conventions are made from this: a new command is in all
of them without being named here.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer

from dockerdoctor.cli import main
from dockerdoctor.declare import Probe, Rung, known_readings, load
from dockerdoctor.demo import FAULTS
from dockerdoctor.rules import Catalogue, load_rules, shipped_rules

FILES, DIRECTORIES, INCIDENTS = "files", "directories", "incidents"
"""Kinds of values that a shell looks up when it is asked."""
PROGRAM = "dockerdoctor"


@dataclass(frozen=True)
class Value:
    """What may stand for an option's value or an argument: some words, or a kind of the above."""

    metavar: str
    words: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class Option:
    """One option; `value` is None for a flag."""

    names: tuple[str, ...]
    help: str
    value: Value | None = None
    default: str = ""


@dataclass(frozen=True)
class Command:
    """A command or a group of them; `path` has the words that lead to it, none for dockerdoctor."""

    path: tuple[str, ...]
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Value, ...]
    commands: tuple[Command, ...]
    default: str = ""
    """The command that a group runs when none is named."""

    @property
    def name(self) -> str:
        """The last word that leads to it."""
        return self.path[-1] if self.path else PROGRAM

    @property
    def summary(self) -> str:
        """The first sentence of its help."""
        first = " ".join(self.help.partition("\n\n")[0].split())
        return first.partition(". ")[0].rstrip(".")


def application() -> Command:
    """All of it."""
    return _command(typer.main.get_command(main.application()), ())


def walk(command: Command) -> Iterator[Command]:
    """It and all that are below it, in the order in which they are declared."""
    yield command
    for each in command.commands:
        yield from walk(each)


def _command(declared: Any, path: tuple[str, ...]) -> Command:
    options, arguments = [], []
    words = _words(path)
    for each in declared.params:
        if each.param_type_name == "argument":
            arguments.append(_value(each, words))
        else:
            options.append(_option(each, words))
    inner = getattr(declared, "commands", {})
    return Command(
        path,
        inspect.cleandoc(declared.help or ""),
        (*options, Option(("--help", "-h"), "Show what it does, with examples.")),
        tuple(arguments),
        tuple(_command(each, (*path, name)) for name, each in inner.items() if not each.hidden),
        main.DEFAULTS.get(path[-1], "") if path and inner else "" if path else "check",
    )


def _option(declared: Any, words: Mapping[str, tuple[str, ...]]) -> Option:
    names = tuple(sorted(declared.opts, key=lambda name: not name.startswith("--")))
    if declared.is_flag:
        return Option(names, declared.help)
    default = "" if declared.default in (None, "") else str(declared.default)
    return Option(names, declared.help, _value(declared, words), default)


def _value(declared: Any, words: Mapping[str, tuple[str, ...]]) -> Value:
    metavar = (declared.metavar or declared.name.upper()).strip("[].")
    if choices := getattr(declared.type, "choices", None):
        plain = tuple(str(getattr(each, "value", each)) for each in choices)
        return Value(declared.metavar or "|".join(plain), plain)
    if metavar in ("DIR", "DIRECTORY"):
        return Value(metavar, kind=DIRECTORIES)
    if declared.type.name in ("path", "file") or metavar in ("DUMP", "FILE"):
        return Value(metavar if declared.metavar else "FILE", kind=FILES)
    if metavar == "ID":
        return Value(metavar, kind=INCIDENTS)
    return Value(metavar, words.get(metavar, ()))


def _words(path: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """What a metavar stands for in this command."""
    probes, rungs = load("dockerdoctor.probes", Probe), load("dockerdoctor.rungs", Rung)
    rules = load_rules([shipped_rules()], Catalogue(known_readings(probes), rungs))
    named = {"rules": tuple(each.name for each in rules), "probes": tuple(probes)}
    return {"RUNG": tuple(rungs), "FAULT": tuple(FAULTS), "NAME": named.get("".join(path[:1]), ())}
