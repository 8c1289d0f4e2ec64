"""The containers, as their own files in `containers/` tell them, and their logs.

In: the open directory `containers`. Out: facts by id, and the log files of each. Names and labels
are others' text; a config that is garbled or half-written is named and skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from dockerdoctor.host.storage.facts import Box
from dockerdoctor.host.storage.layerdb import HEX, Skip, kept_by_label, moment
from dockerdoctor.host.storage.opened import Directory, readable
from dockerdoctor.units import parse_bytes

LOCAL_LOGS = "local-logs"


class _State(msgspec.Struct, rename="pascal"):
    running: bool = False
    paused: bool = False
    restarting: bool = False
    dead: bool = False
    started_at: str = ""
    finished_at: str = ""


class _Config(msgspec.Struct, rename="pascal"):
    labels: dict[str, str] | None = None


class _Point(msgspec.Struct, rename="pascal"):
    name: str = ""


class _File(msgspec.Struct, rename="pascal"):
    id: str = msgspec.field(name="ID")
    state: _State
    name: str = ""
    image: str = ""
    created: str = ""
    config: _Config | None = None
    mount_points: dict[str, _Point] | None = None


class _Log(msgspec.Struct, rename="pascal"):
    type: str = ""
    config: dict[str, str] | None = None


class _Policy(msgspec.Struct, rename="pascal"):
    name: str = ""


class _HostFile(msgspec.Struct, rename="pascal"):
    log_config: _Log | None = None
    restart_policy: _Policy | None = None


def boxes(top: Directory, skip: Skip) -> Iterator[tuple[Box, Directory]]:
    """Each container with its open directory, which the caller closes."""
    for name in top.names():
        if not HEX.fullmatch(name):
            continue  # counted by whoever counts the rest
        try:
            entry = top.sub(name)
        except OSError as error:
            skip(f"containers/{name[:12]}", readable(error))
            continue
        yield read(entry, name, skip), entry


def read(entry: Directory, ident: str, skip: Skip) -> Box:
    """One container; of one that cannot be read the id is known, no state."""
    try:
        told = msgspec.json.decode(entry.read("config.v2.json"), type=_File)
        host = msgspec.json.decode(entry.read("hostconfig.json"), type=_HostFile)
    except (OSError, ValueError, RecursionError) as error:
        skip(f"containers/{ident[:12]}", f"its configuration cannot be read ({readable(error)})")
        return Box(ident, ident[:12], "", "unknown")
    log = host.log_config or _Log()
    state = told.state
    ended = 0.0 if state.running else moment(state.finished_at)
    return Box(
        id=ident,
        name=told.name.lstrip("/") or ident[:12],
        image=told.image,
        state=_state(state),
        ended=ended,
        used=max(moment(told.created), moment(state.started_at), ended),
        restart_policy=(host.restart_policy.name if host.restart_policy else "") or "no",
        log_driver=log.type,
        log_rotates=rotates(log.type, log.config or {}),
        volumes=tuple(point.name for point in (told.mount_points or {}).values() if point.name),
        kept=kept_by_label(told.config.labels if told.config else None),
    )


def rotates(driver: str, options: dict[str, str]) -> bool:
    """Whether a log is bounded: `local` always is (5 files of 20 MB); json-file only with max-size,
    whose default is -1."""
    if driver != "json-file":
        return True
    try:
        return parse_bytes(options.get("max-size", "")) > 0
    except ValueError:
        return False


def log_names(entry: Directory, ident: str) -> tuple[str, list[str]]:
    """The name of the log that grows, and all names with its predecessors; none where there is no
    log. Below `local-logs` for the driver local."""
    own = re.compile(rf"{ident}-json\.log(\.\d+)?(\.gz)?")
    names = [name for name in entry.names() if own.fullmatch(name)]
    return f"{ident}-json.log", names


def _state(state: _State) -> str:
    if state.dead:
        return "dead"
    if state.restarting:
        return "restarting"
    if state.running:
        return "paused" if state.paused else "running"
    return "exited" if moment(state.started_at) else "created"
