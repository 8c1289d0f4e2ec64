"""Unit files as text go in; the command line that they amount to comes out, each word with the file
it is from. All but `of` is pure. Understood is what a dockerd's unit uses: ExecStart= in fragment
and drop-ins, continued lines, quotes, Environment=, EnvironmentFile= and $WORDS.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from dockerdoctor.host import command
from dockerdoctor.host.lens import Word

ASK_S = 3.0

_HEADER = re.compile(r"# (/\S+\.(?:service|conf))")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_PREFIXES = "@-:+!|"
"""What may stand before the program of ExecStart=."""


def of(unit: str) -> list[Word]:
    """How systemd would start this unit now. HostFault."""
    text = command.run(["systemctl", "--no-pager", "cat", "--", unit], ASK_S)
    return exec_start(text, lambda path: Path(path).read_text("utf-8", "replace"))


class Setting(Struct, frozen=True):
    """One `key=value` of a [Service] section."""

    key: str
    value: str
    origin: str


def settings(text: str) -> Iterator[Setting]:
    """The settings of [Service] in `systemctl cat`'s output, in their order."""
    origin, section, kept = "", "", ""
    for raw in text.splitlines():
        if found := _HEADER.fullmatch(raw.strip()):
            origin, section, kept = found[1], "", ""
            continue
        line = kept + raw.strip()
        kept = ""
        if line.endswith("\\"):
            kept = f"{line[:-1]} "
        elif line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and line[0] not in "#;":
            key, _, value = line.partition("=")
            yield Setting(key.strip(), value.strip(), origin)


def exec_start(text: str, read: Callable[[str], str]) -> list[Word]:
    """The words of the last ExecStart= that holds (an empty one forgets those before it). `read`
    gives the text of an environment file; OSError where there is none."""
    last: Setting | None = None
    variables: dict[str, Word] = {}
    for each in settings(text):
        if each.key == "ExecStart":
            last = each if each.value else None
        elif each.key == "Environment":
            variables |= _assigned(each.value.split("\n"), each.origin)
        elif each.key == "EnvironmentFile":
            path = each.value.removeprefix("-")
            with contextlib.suppress(OSError):
                variables |= _assigned(read(path).splitlines(), path)
    return list(_words(last, variables)) if last else []


def _assigned(lines: list[str], origin: str) -> dict[str, Word]:
    found = {}
    for line in lines:
        for word in _split(line, comments=True):
            name, equals, value = word.partition("=")
            if equals and name.isidentifier():
                found[name] = Word(value, origin)
    return found


def _words(start: Setting, variables: Mapping[str, Word]) -> Iterator[Word]:
    """A variable that stands alone becomes several words, as systemd does it."""
    for number, word in enumerate(_split(start.value)):
        alone = _VARIABLE.fullmatch(word)
        if alone and alone[2]:
            value = variables.get(alone[2])
            for each in _split(value.text) if value else ():
                yield Word(each, value.origin if value else start.origin)
            continue
        text = word.lstrip(_PREFIXES) if number == 0 else word
        yield Word(_VARIABLE.sub(lambda m: _value(variables, m), text), start.origin)


def _value(variables: Mapping[str, Word], found: re.Match[str]) -> str:
    value = variables.get(found[1] or found[2])
    return value.text if value else ""


def _split(text: str, comments: bool = False) -> list[str]:
    try:
        return shlex.split(text, comments=comments)
    except ValueError:  # a quote that is never closed
        return text.split()
