"""Text folded or cut to a terminal's width, and JSON for people. Loads nothing that is slow."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Literal

import msgspec

SCHEMA_VERSION: Literal[1] = 1
"""Of all JSON that commands write."""


def wrap(line: str, columns: int | None) -> list[str]:
    """Wrapped with the continuation under the text, not under its mark, number, time or label. A
    path is never broken."""
    if columns is None or len(line) <= columns or " " not in line.strip():
        return [line]
    lead = _LEAD.match(line)
    hang = min(len(lead[0]) if lead else 0, columns // 3)
    return textwrap.wrap(
        line,
        columns,
        subsequent_indent=" " * (hang or 4),
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def fold(lines: Iterable[str], columns: int | None) -> str:
    """Each line wrapped, as one text."""
    return "\n".join(piece for line in lines for piece in wrap(line, columns))


def cut(line: str, columns: int | None) -> str:
    """On one line of so many columns; None: all of it."""
    return line if columns is None or len(line) <= columns else f"{line[: columns - 1]}…"


def pretty(value: object) -> bytes:
    """Any of these as indented JSON. Names of files that are no text lose what is none."""
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:
        import json  # seldom needed

        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
        encoded = text.encode("utf-8", "replace")
    return msgspec.json.format(encoded, indent=2)


_LEAD = re.compile(
    r" *(?:\[(?:x|!|ok|\?)\] +|\d+\. +|\d+ s +|- +|(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d  "
    r"|(?:cause|seen|since|remedy|avoid|next|time|when|certain|clear|ladder|rule|opened|closed|lasted|why)"
    r" +)?"
)
