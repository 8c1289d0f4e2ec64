"""What is printed where: data to stdout, talk to stderr; colour, width, and times for people.

Renderers give plain text; colour is put on here, at the last moment, and only on a terminal that
wants it. Text from outside (names, answers) cannot send control sequences to the terminal.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO

from dockerdoctor.cli.plain import fold

_RED, _YELLOW, _GREEN, _BOLD, _DIM, _OFF = (
    "\x1b[31;1m",
    "\x1b[33;1m",
    "\x1b[32m",
    "\x1b[1m",
    "\x1b[2m",
    "\x1b[0m",
)
_PAINT = (
    (r"^(\[x\]|CRITICAL|GAVE UP)", _RED),
    (r"^(\[!\]|WARNING|UNKNOWN)", _YELLOW),
    (r"^(\[ok\]|OK|CURED)", _GREEN),
    (r"^(\[\?\])", _DIM),
    (r"^( +next +)(.+)$", _BOLD),
)
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class ReaderGone(OSError):
    """Whoever read our output has left (`| head`)."""


def emit(text: str) -> None:
    """Data, to stdout."""
    write(sys.stdout, text)


def say(text: str) -> None:
    """Talk, to stderr; folded where that is a terminal."""
    columns = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    write(sys.stderr, fold(text.split("\n"), columns))


def emit_raw(data: bytes) -> None:
    """Data that is encoded already (JSON), to stdout, with a line's end."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data + b"\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error


def clean(text: str) -> str:
    """Without control characters but the line's end, each shown as `?`; nor any that turn the
    direction of writing."""
    return _CONTROLS.sub("?", text)


def paint(text: str) -> str:
    """The marks at the beginning of lines in colour."""
    for pattern, colour in _PAINT:
        text = re.sub(
            pattern,
            lambda found, colour=colour: (  # type: ignore[misc]
                f"{found[1]}{colour}{found[2]}{_OFF}"
                if found.re.groups > 1
                else f"{colour}{found[1]}{_OFF}"
            ),
            text,
            flags=re.MULTILINE,
        )
    return text


def wants_colour(is_terminal: bool, environ: Mapping[str, str]) -> bool:
    """NO_COLOR (any text) forbids it, CLICOLOR_FORCE and FORCE_COLOR (not 0) demand it, a dumb
    terminal and CLICOLOR=0 do without; else a terminal gets it."""
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in ("", "0") for name in ("CLICOLOR_FORCE", "FORCE_COLOR")):
        return True
    if environ.get("TERM") == "dumb" or environ.get("CLICOLOR") == "0":
        return False
    return is_terminal


def width() -> int | None:
    """Columns of stdout when it is a terminal; None for a pipe, where nothing is wrapped."""
    return max(40, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None


def clock_of(now: float) -> Callable[[float], str]:
    """Writes moments (wall clock, s) in the local zone: "14:03:09", with the date when it is
    another than that of `now`."""
    today = _local(now).date()

    def clock(wall: float) -> str:
        moment = _local(wall)
        return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%F %H:%M:%S}"

    return clock


def iso(wall: float) -> str:
    """A moment for machines: UTC, ISO 8601, to the millisecond."""
    stamp = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")


def _local(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC).astimezone()


def write(stream: TextIO, text: str) -> None:
    """Text and a line's end, in colour if that stream wants it."""
    text = clean(text)
    if wants_colour(stream.isatty(), os.environ):
        text = paint(text)
    try:
        stream.write(text + "\n")
        stream.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error
