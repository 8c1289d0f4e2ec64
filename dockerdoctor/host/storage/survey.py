"""One survey of a data-root: all metadata, and the size of everything, largest parts remembered.

In: a path, what was remembered, what containerd's root is. Out: a `Survey`. Reads only. HostFault:
MISSING, DENIED (not root), GARBLED (not a data-root of docker's).
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dockerdoctor.errors import HostFault
from dockerdoctor.host import clock
from dockerdoctor.host.storage import layerdb, trees
from dockerdoctor.host.storage.boxes import LOCAL_LOGS, boxes, log_names
from dockerdoctor.host.storage.facts import Box, LogUse, Survey, Usage, Volume
from dockerdoctor.host.storage.opened import Directory, readable
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.trees import Work
from dockerdoctor.host.storage.walk import Walk
from dockerdoctor.model import Fault

MARKS = ("containers", "image", "volumes", "network", "buildkit", "swarm", "plugins", "runtimes")
"""What dockerd makes in a new data-root; half of them are enough."""
DRIVERS = ("overlay2", "fuse-overlayfs", "overlay", "vfs", "btrfs", "zfs", "aufs", "devicemapper")


def survey(
    root: Path,
    remembered: Remembered,
    store: Path | None = None,
    measure: bool = True,
    tick: Callable[[int], None] = lambda _: None,
) -> Survey:
    """`measure` False: nothing is walked but logs; layers have the sizes that are remembered, or
    the layer database's (which are too small, and without inodes)."""
    with Directory.root(root) as top:
        names = top.names()
        if sum(name in names for name in MARKS) < len(MARKS) // 2:
            raise HostFault(
                Fault.GARBLED,
                f"{root} does not look like a data-root of docker's",
                "name the right one: [daemon] data_root in the configuration",
            )
        work = Work(Walk(top.stat(".").st_dev, tick), remembered, measure)
        found = _databases(root, top, names, work)
        found = _containers(found, top, work)
        found = replace(found, trees=trees.trees(found, top, work), volumes=_volumes(top, work))
        found = replace(found, rest=_rest(found, top, names, work))
    if store is not None and measure and not store.is_relative_to(root):
        found = replace(found, store=_store(store, work), store_root=store)
    walk = work.walk
    more = [f"and {walk.more_skipped} more"] if walk.more_skipped else []
    return replace(
        found, skipped=(*walk.skipped, *more), walked=walk.walked, taken=clock.now().wall
    )


def _databases(root: Path, top: Directory, names: list[str], work: Work) -> Survey:
    driver = _driver(top, names)
    found = Survey(root, driver)
    try:
        database = top.sub("image", driver)
    except OSError:
        return found  # the image store of engine 29, or no image yet
    cached, chains = trees.cached(top, work)
    with database:
        return replace(
            found,
            layers=layerdb.layers(database, work.walk.skip),
            images=layerdb.images(database, work.walk.skip),
            mounts=layerdb.mounts(database, work.walk.skip),
            cached=cached,
            cached_chains=chains,
        )


def _driver(top: Directory, names: list[str]) -> str:
    """Which storage driver is in use: the one with images and a directory of its own."""
    try:
        with top.sub("image") as image:
            used = image.names()
    except OSError:
        used = []
    known = [driver for driver in DRIVERS if driver in names]
    return next((driver for driver in known if driver in used), known[0] if known else "overlay2")


def _containers(found: Survey, top: Directory, work: Work) -> Survey:
    known: dict[str, Box] = {}
    logs: dict[str, LogUse] = {}
    rest = Usage()
    try:
        directory = top.sub("containers")
    except OSError:
        return found
    with directory:
        for box, entry in boxes(directory, work.walk.skip):
            known[box.id] = box
            with entry:
                log = _log(found.root, box, entry, work)
                if log is not None:
                    logs[box.id] = log
        for name in directory.names() if work.measure else ():
            rest += work.walk.tree(directory, name, f"containers/{name[:12]}")
    # What the logs are was counted again as a part of the directories.
    own = Usage(
        max(0, rest.bytes - sum(log.usage.bytes for log in logs.values())),
        max(0, rest.inodes - sum(log.usage.inodes for log in logs.values())),
    )
    return replace(found, boxes=known, logs=logs, rest={"containers": own})


def _log(root: Path, box: Box, entry: Directory, work: Work) -> LogUse | None:
    """The log files of one container. One may be rotated away while it is looked at."""
    where = root / "containers" / box.id
    told = f"log of {box.name}"
    current, names = log_names(entry, box.id)
    try:
        if names:
            usage = _plain(entry, names, told, work)
            return LogUse(usage, where / current, _changed(entry, current))
        with entry.sub(LOCAL_LOGS) as local:
            usage = _plain(local, local.names(), told, work)
            return LogUse(
                usage, where / LOCAL_LOGS / "container.log", _changed(local, "container.log")
            )
    except OSError:
        return None


def _plain(directory: Directory, names: list[str], told: str, work: Work) -> Usage:
    """The space of plain files; a link in the place of a log is named."""
    usage = Usage()
    for name in names:
        try:
            seen = directory.stat(name)
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(seen.st_mode):
            work.walk.skip(told, "is no plain file: left alone")
            continue
        usage += Usage(seen.st_blocks * 512, 1)
    return usage


def _changed(directory: Directory, name: str) -> float:
    try:
        return directory.stat(name).st_mtime
    except OSError:
        return 0.0


def _volumes(top: Directory, work: Work) -> dict[str, Volume]:
    volumes: dict[str, Volume] = {}
    try:
        directory = top.sub("volumes")
    except OSError:
        return {}
    with directory:
        for name in directory.names():
            try:
                seen = directory.stat(name)
            except OSError:
                continue
            if not stat.S_ISDIR(seen.st_mode):
                continue
            usage = work.walk.tree(directory, name, f"volume {name}") if work.measure else Usage()
            touched = max(seen.st_ctime, _data_changed(directory, name))
            volumes[name] = Volume(name, usage, bool(layerdb.HEX.fullmatch(name)), touched)
    return volumes


def _data_changed(directory: Directory, name: str) -> float:
    try:
        with directory.sub(name) as entry:
            return max(entry.stat("_data").st_mtime, entry.stat("_data").st_ctime)
    except OSError:
        return 0.0


def _rest(found: Survey, top: Directory, names: list[str], work: Work) -> dict[str, Usage]:
    """All that no other part has counted, by its top directory."""
    rest = dict(found.rest)
    if not work.measure:
        return rest
    for name in names:
        if name == found.driver and found.trees:
            rest[name] = _beside(top, name, set(found.trees), work)
        elif name == "volumes":
            rest[name] = _beside(top, name, set(found.volumes), work)
        elif name == "containers":
            rest[name] = rest.get(name, Usage()) + _itself(top, name)
        else:
            rest[name] = work.walk.tree(top, name)
    rest["."] = _itself(top, ".")
    return {name: usage for name, usage in rest.items() if usage.inodes}


def _beside(top: Directory, name: str, counted: set[str], work: Work) -> Usage:
    """A directory without those of its entries that were counted already."""
    usage = _itself(top, name)
    try:
        with top.sub(name) as directory:
            for inner in directory.names():
                if inner == "dir" and name == "vfs":
                    usage += _itself(directory, inner)
                elif inner not in counted:
                    usage += work.walk.tree(directory, inner, f"{name}/{inner}")
    except OSError as error:
        work.walk.skip(name, readable(error))
    return usage


def _itself(top: Directory, name: str) -> Usage:
    try:
        return Usage(top.stat(name).st_blocks * 512, 1)
    except OSError:
        return Usage()


def _store(path: Path, work: Work) -> dict[str, Usage]:
    """containerd's own root, by plugin: content, snapshots, metadata."""
    try:
        with Directory.root(path) as top:
            walk = Walk(top.stat(".").st_dev)
            usage = {name: walk.tree(top, name, f"containerd/{name}") for name in top.names()}
    except HostFault as fault:
        if fault.fault is not Fault.MISSING:
            work.walk.skip(str(path), fault.sentence)
        return {}
    for told in walk.skipped:
        work.walk.skipped.append(told)
    work.walk.walked += walk.walked
    return {name: used for name, used in usage.items() if used.inodes}
