"""What several checks ask: is the daemon down, and what is it told at its start."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from dockerdoctor.errors import HostFault
from dockerdoctor.host.layout import config_file
from dockerdoctor.host.lens import Word
from dockerdoctor.host.nouns import Service, ServiceState
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault

DOWN = ("failed", "inactive")


def state(view: HostView, which: Service = Service.DOCKERD) -> ServiceState | None:
    """None where there is no such unit, or nobody says."""
    with contextlib.suppress(HostFault):
        return view.service(which)
    return None


def is_down(view: HostView) -> bool:
    """Whether it has failed, or nobody runs it."""
    found = state(view)
    return found is not None and found.active in DOWN


def is_up(view: HostView) -> bool:
    """Whether it runs and is not about to start or to end."""
    found = state(view)
    return found is not None and found.active == "active"


def command(view: HostView) -> Sequence[Word]:
    """dockerd's command line; empty where nobody knows it."""
    with contextlib.suppress(HostFault):
        return view.lens().command()
    return ()


class DaemonJson(Struct, frozen=True):
    """daemon.json as it lies there. `keys` is None where it is no JSON object, and `wrong` says
    why and where."""

    path: Path
    keys: Mapping[str, object] | None
    wrong: str = ""


def daemon_json(view: HostView, words: Sequence[Word]) -> DaemonJson:
    """An absent file has no keys. HostFault where it cannot be read."""
    path = config_file([word.text for word in words])
    try:
        text = view.lens().content(path).decode("utf-8")
    except HostFault as fault:
        if fault.fault is Fault.MISSING:
            return DaemonJson(path, {})
        raise
    except UnicodeDecodeError as error:
        return DaemonJson(path, None, f"byte {error.start} is not UTF-8")
    return parsed(path, text)


def parsed(path: Path, text: str) -> DaemonJson:
    """Where the mistake is, line and column; dockerd itself says no more than the character."""
    if not text.strip():
        return DaemonJson(path, {})  # dockerd takes an empty file
    try:
        keys = json.loads(text)
    except RecursionError:
        return DaemonJson(path, None, "it is nested too deeply")
    except ValueError as error:
        return DaemonJson(path, None, _place(text, error))
    if not isinstance(keys, dict):
        return DaemonJson(path, None, "it is no object: it must begin with {")
    return DaemonJson(path, keys)


def _place(text: str, error: ValueError) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    lines = text.splitlines() or [""]
    shown = lines[min(error.lineno, len(lines)) - 1].strip()[:60]
    return f"line {error.lineno}, column {error.colno}: {error.msg} (`{shown}`)"


def settings(view: HostView) -> Mapping[str, object]:
    """The keys of daemon.json, as far as it can be read."""
    with contextlib.suppress(HostFault):
        return daemon_json(view, command(view)).keys or {}
    return {}
