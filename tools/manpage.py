"""Makes man/dockerdoctor.1 from the help of all commands, for man(7) macros.

What no declaration tells (files, environment) is written here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dockerdoctor.cli.main import CHECKS
from dockerdoctor.config import DEFAULT_FILE, Config
from dockerdoctor.errors import Exit
from tools.commandline import PROGRAM, Command, Option, application, walk

CHECKED = {0: "ok", 1: "warning, also: stopped by an operator, or starting", 2: "critical",
           3: "unknown, also: whatever else went wrong"}  # fmt: skip
ENDED = {
    Exit.OK: "done",
    Exit.FAILED: "failed, or not healed",
    Exit.USAGE: "the command line is wrong, or it had to ask and may not",
    Exit.DATA: "the file that was given is not what it should be",
    Exit.UNAVAILABLE: "no daemon, or no engine",
    Exit.BUG: "a bug of dockerdoctor",
    Exit.CANNOT_CREATE: "a file cannot be created",
    Exit.IO: "cannot read or write",
    Exit.BUSY: "somebody else is at it: the watchdog, or another heal",
    Exit.PERMISSION: "no permission: root is needed",
    Exit.CONFIG: "the configuration is wrong",
    130: "ended by Ctrl-C",
}
ENVIRONMENT = (
    ("DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH",
     "Which daemon is looked at, as for the docker CLI. The watchdog ignores them: its daemon is "
     "that of its configuration."),
    ("NO_COLOR, CLICOLOR, CLICOLOR_FORCE, FORCE_COLOR",
     "NO_COLOR and CLICOLOR=0 keep colours away, the others demand them also where output is "
     "piped. Without them a terminal gets colours."),
    ("DOCKERDOCTOR_ENGINE", "A directory that holds a dockerd, for the demo."),
    ("TZ", "The time zone of times for people. JSON has UTC."),
)  # fmt: skip


def render(root: Path) -> Mapping[Path, str]:
    """The page."""
    return {root / "man" / f"{PROGRAM}.1": page(application())}


def page(program: Command) -> str:
    """All of it as roff."""
    lines = [
        r".\" Made by tools/manpage.py: do not edit.",
        f'.TH {PROGRAM.upper()} 1 "" "dockerdoctor" "User Commands"',
        ".SH NAME",
        f"{PROGRAM} \\- keep a real dockerd alive",
        ".SH SYNOPSIS",
        f".B {PROGRAM}",
        r"[\fIoptions\fR] [\fIcommand\fR] [\fIoptions and arguments of the command\fR]",
        ".SH DESCRIPTION",
        *_prose(_without_examples(program.help)),
        ".SH OPTIONS",
        "These may stand before or after the command.",
        *_options(program.options),
        ".SH COMMANDS",
    ]
    for command in walk(program):
        if command.path and not command.commands:
            lines += _command(command, program)
    lines += [*_exits(), *_files(), ".SH ENVIRONMENT"]
    for names, says in ENVIRONMENT:
        lines += [".TP", f".B {_plain(names)}", _plain(says)]
    lines += [
        ".SH SEE ALSO",
        r".BR docker (1), dockerd (8), systemctl (1), journalctl (1)",
        "",
    ]
    return "\n".join(lines)


def _command(command: Command, program: Command) -> Iterator[str]:
    words = " ".join(command.path)
    arguments = "".join(rf" \fI{_plain(each.metavar)}\fR" for each in command.arguments)
    has_options = " [options]" if len(command.options) > 1 else ""
    yield f'.SS "{_plain(words)}"'
    yield rf"\fB{PROGRAM} {_plain(words)}\fR{has_options}{arguments}"
    yield ".PP"
    yield from _prose(command.help)
    yield from _options([each for each in command.options if each not in program.options])


def _options(options: tuple[Option, ...] | list[Option]) -> Iterator[str]:
    for option in options:
        names = ", ".join(rf"\fB{_plain(name)}\fR" for name in option.names)
        value = rf" \fI{_plain(option.value.metavar)}\fR" if option.value else ""
        default = f" (default: {option.default})" if option.default else ""
        yield from (".TP", f"{names}{value}", _plain(option.help + default))


def _prose(text: str) -> Iterator[str]:
    """Paragraphs filled, and those that click must not wrap (after a backspace) as they are."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if paragraph.startswith("\b"):
            head, *rest = paragraph.removeprefix("\b").strip("\n").splitlines()
            yield from (".PP", _plain(head), ".nf", ".RS 4")
            yield from (_plain(line.removeprefix("  ")) for line in rest)
            yield from (".RE", ".fi")
        else:
            if number:
                yield ".PP"
            yield _plain(" ".join(paragraph.split()))


def _without_examples(text: str) -> str:
    return "\n\n".join(each for each in text.split("\n\n") if not each.startswith("\b"))


def _exits() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    looking = " and ".join(name for name in CHECKS if name)
    for head, codes in (
        (f"Of {looking}, as monitoring plugins have it:", CHECKED),
        ("Of all others, after sysexits.h:", ENDED),
    ):
        yield from (".PP", head)
        for code, says in codes.items():
            yield from (".TP", rf"\fB{int(code)}\fR", _plain(says))


def _files() -> Iterator[str]:
    config = Config()
    known = (
        (DEFAULT_FILE, "The configuration; none is needed."),
        (DEFAULT_FILE.parent / "conf.d/*.toml", "Read after it, in the order of their names."),
        (config.rules_dirs[0] / "*.toml", "Rules of the operator, over the shipped ones by name."),
        (config.watch.record, "The record: samples, incidents, attempts. SQLite."),
        (config.watch.evidence, "What was kept before something was destroyed."),
        (config.watch.run_dir, "Locks: whose turn it is."),
    )
    yield ".SH FILES"
    for path, says in known:
        yield from (".TP", rf"\fI{_plain(str(path))}\fR", _plain(says))


def _plain(text: str) -> str:
    """Text that roff takes as it is."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    text = text.replace("“", r"\(lq").replace("”", r"\(rq").replace("…", "...")
    return re.sub(r"^(?=[.'])", r"\\&", text)
