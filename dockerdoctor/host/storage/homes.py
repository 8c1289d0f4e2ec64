"""The containers' directories: who they are, how large their logs, how large all else in them.

In: an open data-root. Out: boxes and logs by id, and the sum of the rest. A directory in which
nothing was made or renamed since is not read again (docker replaces its files, it never writes into
them): of that container only the logs are looked at. Only to show: see `survey`.
"""

from __future__ import annotations

import stat
from pathlib import Path

from dockerdoctor.host.storage.boxes import LOCAL_LOGS, current_name, log_names, read
from dockerdoctor.host.storage.facts import Box, Home, LogUse, Usage
from dockerdoctor.host.storage.layerdb import HEX
from dockerdoctor.host.storage.opened import Directory, readable
from dockerdoctor.host.storage.remembered import settled
from dockerdoctor.host.storage.walk import BLOCK
from dockerdoctor.host.storage.work import Work, itself

PLACE = "containers"


def homes(
    root: Path, top: Directory, work: Work
) -> tuple[dict[str, Box], dict[str, LogUse], Usage]:
    """Boxes, logs, and all else in `containers/` (without the directory itself)."""
    boxes: dict[str, Box] = {}
    logs: dict[str, LogUse] = {}
    rest = Usage()
    try:
        directory = top.sub(PLACE)
    except OSError:
        return boxes, logs, rest
    with directory:
        for name in directory.names():
            home = _home(directory, name, work) if HEX.fullmatch(name) else None
            if home is None:
                rest += work.tree(directory, name, f"{PLACE}/{name[:12]}")
                continue
            boxes[name] = home.box
            rest += home.own
            if home.logs:
                logs[name] = _log(directory, home, root / PLACE / name)
    return boxes, logs, rest


def _home(directory: Directory, name: str, work: Work) -> Home | None:
    """One container; None for what is no directory, or may not be looked into."""
    try:
        seen = directory.stat(name)
        stamp = settled(work.now, seen) if work.recall else None
        known = work.remembered.home(name, stamp) if stamp else None
        if known is not None:
            return known
        with directory.sub(name) as entry:
            home, plain = _read(entry, name, work)
    except OSError as error:
        work.walk.skip(f"{PLACE}/{name[:12]}", readable(error))
        return None
    if stamp and plain and home.box.state != "unknown":
        work.remembered.learn_home(name, stamp, home)
    return home


def _read(entry: Directory, ident: str, work: Work) -> tuple[Home, bool]:
    """A container, and whether its directory's own stamp tells of all that changes in it."""
    box = read(entry, ident, work.walk.skip)
    own, logs, plain = itself(entry, "."), [], True
    names = entry.names()
    ours = log_names(names, ident)
    for name in names:
        if name in ours and _is_log(entry, name):
            logs.append(name)
        elif name == LOCAL_LOGS:
            logs.append(name)
            own += itself(entry, name)
        else:
            if name in ours:
                work.walk.skip(f"log of {box.name}", "is no plain file: left alone")
            usage = work.tree(entry, name, f"{PLACE}/{ident[:12]}/{name}")
            own += usage
            plain = plain and name not in ours and not (name == "checkpoints" and usage.inodes > 1)
    return Home(box, own, tuple(logs)), plain


def _is_log(entry: Directory, name: str) -> bool:
    """Also one that was rotated away meanwhile: it is no link."""
    try:
        return stat.S_ISREG(entry.stat(name).st_mode)
    except OSError:
        return True


def _log(directory: Directory, home: Home, where: Path) -> LogUse:
    """The log files of one container. One may be rotated away while it is looked at."""
    ident, usage = home.box.id, Usage()
    path = where / current_name(ident)
    for name in home.logs:
        if name != LOCAL_LOGS:
            usage += _file(directory, f"{ident}/{name}")
            continue
        path = where / LOCAL_LOGS / "container.log"
        try:
            with directory.sub(ident, LOCAL_LOGS) as local:
                usage = sum((_file(local, each) for each in local.names()), usage)
        except OSError:
            continue
    try:
        return LogUse(usage, path, directory.stat(str(path.relative_to(where.parent))).st_mtime)
    except OSError:
        return LogUse(usage, path)


def _file(parent: Directory, name: str) -> Usage:
    """Nothing for what is gone."""
    try:
        return Usage(parent.stat(name).st_blocks * BLOCK, 1)
    except OSError:
        return Usage()
