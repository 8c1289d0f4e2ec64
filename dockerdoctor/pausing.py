"""The pause: an operator's word that nobody may act now, in a file that outlives a reboot.

`dockerdoctor pause` writes it, `resume` removes it, and the watchdog reads it at each look. A file
that cannot be understood means paused: somebody wanted something.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from dockerdoctor.model import Policy

FILE = "paused.json"


class Pause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Until when (wall clock, s since the epoch; None: until `resume`), why, and by whom."""

    why: str = ""
    by: str = ""
    until: float | None = None


def paused(content: bytes, now: float) -> str:
    """Why nobody may act at `now`, from the file's content; empty once its time is over."""
    try:
        pause = msgspec.json.decode(content, type=Pause)
    except msgspec.DecodeError as error:
        return f"paused by a file that cannot be read ({error}): `dockerdoctor resume` removes it"
    if pause.until is not None and now >= pause.until:
        return ""
    until = "until `dockerdoctor resume`"
    if pause.until is not None:
        until = f"until {datetime.fromtimestamp(pause.until).astimezone():%Y-%m-%d %H:%M:%S}"
    by = f" by {pause.by}" if pause.by else ""
    return f"paused{by} {until}" + (f": {pause.why}" if pause.why else "")


def with_pause(policy: Policy, state_dir: Path, now: float) -> Policy:
    """The policy with what the file says; a directory without one is not paused."""
    try:
        content = (state_dir / FILE).read_bytes()
    except FileNotFoundError:
        return policy
    except OSError as error:
        return replace(policy, paused=f"paused: {state_dir / FILE} cannot be read ({error})")
    return replace(policy, paused=paused(content, now))
