"""Keeping the watchdog still for a while: a small file that says since when, until when and why.

`pause` writes it, the watchdog reads it at each look (`paused`), `resume` removes it. It lies in
the state directory and so outlives a reboot. A file that cannot be read or understood means paused:
somebody wanted it so, and a wrong act is worse than a late one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

NAME = "paused.json"


class Pause(msgspec.Struct, frozen=True):
    """Times are wall clock, s since the epoch; `until` is None for a pause without an end."""

    since: float
    until: float | None = None
    why: str = ""
    by: str = ""
    """Who asked for it: a user's name."""


def pause_path(state_dir: Path) -> Path:
    """Where the file lies."""
    return state_dir / NAME


def read(path: Path) -> str:
    """The file's text, empty when there is none. What cannot be read becomes garbled text, and so
    a pause."""
    try:
        return path.read_text("utf-8", "replace") or "(empty)"
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"(unreadable: {error.strerror})"


def paused(text: str, now: float) -> str:
    """Why nobody may act at `now` (wall clock), by the file's text; empty when acting is allowed.

    The sentence stays the same as long as the pause does. A clock that went back before the pause
    began does not end it."""
    if not text:
        return ""
    found = parse(text)
    if found is None:
        return f"the pause file is garbled ({text[:60]!r}): `dockerdoctor resume` removes it"
    if found.until is not None and now >= found.until:
        return ""
    who = f"an operator ({found.by})" if found.by else "an operator"
    until = "`dockerdoctor resume`" if found.until is None else _clock(found.until)
    return f"{who} wants no act until {until}" + (f": {found.why}" if found.why else "")


def _clock(wall: float) -> str:
    """In the local zone. With its date: a pause of hours may end tomorrow."""
    try:
        return f"{datetime.fromtimestamp(wall, UTC).astimezone():%F %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return "the end of days"


def parse(text: str) -> Pause | None:
    """The pause that the file's text tells; None when it is garbled."""
    try:
        return msgspec.json.decode(text, type=Pause)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None


def encode(pause: Pause) -> bytes:
    """The content of the file."""
    return msgspec.json.encode(pause) + b"\n"
