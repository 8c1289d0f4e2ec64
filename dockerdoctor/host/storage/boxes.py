"""The containers, as their own files in `containers/` tell them, and their logs.

In: a container's open directory. Out: facts, and the names of its log files. Names and labels
are others' text; a config that is garbled or half-written is named and skipped.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

import msgspec

from dockerdoctor.host.labels import COMPOSE
from dockerdoctor.host.storage.facts import Box
from dockerdoctor.host.storage.layerdb import Skip, kept_by_label, moment, on_a_line
from dockerdoctor.host.storage.opened import Directory, readable
from dockerdoctor.units import parse_bytes

LOCAL_LOGS = "local-logs"
CACHED_LOG = "container-cached.log"
"""What is kept here of logs that a driver sends elsewhere, for `docker logs`: 5 files of 20 MB at
most (from 20.10 on)."""
_ROTATED = re.compile(r"(\.\d+(\.gz)?)?")


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


def read(entry: Directory, ident: str, skip: Skip) -> Box:
    """One container; of one that cannot be read the id is known, no state."""
    try:
        told = msgspec.json.decode(entry.read("config.v2.json"), type=_File)
        host = msgspec.json.decode(entry.read("hostconfig.json"), type=_HostFile)
    except (OSError, ValueError, RecursionError) as error:
        skip(f"containers/{ident[:12]}", f"its configuration cannot be read ({readable(error)})")
        return Box(ident, ident[:12], "", "unknown")
    log = host.log_config or _Log()
    labels = told.config.labels if told.config else None
    state = told.state
    ended = 0.0 if state.running else moment(state.finished_at)
    return Box(
        id=ident,
        name=on_a_line(told.name.lstrip("/")) or ident[:12],
        image=told.image,
        state=_state(state),
        ended=ended,
        used=max(moment(told.created), moment(state.started_at), ended),
        restart_policy=(host.restart_policy.name if host.restart_policy else "") or "no",
        log_driver=log.type,
        log_rotates=rotates(log.type, log.config or {}),
        volumes=tuple(point.name for point in (told.mount_points or {}).values() if point.name),
        kept=kept_by_label(labels),
        compose=_compose(labels or {}),
    )


def _compose(labels: dict[str, str]) -> tuple[str, ...]:
    """Project, service and files, where compose made it; its older versions name files by their
    place below a directory that has a label of its own."""
    if not labels.get(f"{COMPOSE}.project") or not labels.get(f"{COMPOSE}.service"):
        return ()
    place = labels.get(f"{COMPOSE}.project.working_dir", "")
    named = labels.get(f"{COMPOSE}.project.config_files", "").split(",")
    files = [posixpath.join(place, each) for each in named if each]
    return (labels[f"{COMPOSE}.project"], labels[f"{COMPOSE}.service"], *files)


def rotates(driver: str, options: dict[str, str]) -> bool:
    """Whether a log is bounded: `local` always is (5 files of 20 MB); json-file only with max-size,
    whose default is -1."""
    if driver != "json-file":
        return True
    try:
        return parse_bytes(options.get("max-size", "")) > 0
    except ValueError:
        return False


def current_name(ident: str) -> str:
    """The json-file log that grows."""
    return f"{ident}-json.log"


def log_names(names: Sequence[str], ident: str) -> list[str]:
    """Those of a container's json-file log, or of the copy of one that goes elsewhere, and of their
    predecessors."""
    heads = (current_name(ident), CACHED_LOG)
    return [name for name in names if any(_is_of(name, head) for head in heads)]


def _is_of(name: str, head: str) -> bool:
    return name.startswith(head) and bool(_ROTATED.fullmatch(name[len(head) :]))


def _state(state: _State) -> str:
    if state.dead:
        return "dead"
    if state.restarting:
        return "restarting"
    if state.running:
        return "paused" if state.paused else "running"
    return "exited" if moment(state.started_at) else "created"
