"""One survey of a data-root: all metadata, and the size of everything, largest parts remembered.

In: a path, what was remembered, what containerd's root is. Out: a `Survey`. Reads only. HostFault:
MISSING, DENIED (not root), GARBLED (not a data-root of docker's).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host import clock, remote
from dockerdoctor.host.storage import homes, tmp, trees, volumes
from dockerdoctor.host.storage.databases import databases
from dockerdoctor.host.storage.facts import Survey, Usage
from dockerdoctor.host.storage.opened import Directory, readable
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.walk import Walk
from dockerdoctor.host.storage.work import Work, itself
from dockerdoctor.model import Fault

MARKS = ("containers", "image", "volumes", "network", "buildkit", "swarm", "plugins", "runtimes")
"""What dockerd makes in a new data-root; half of them are enough."""
DRIVERS = ("overlay2", "fuse-overlayfs", "overlay", "vfs", "btrfs", "zfs", "aufs", "devicemapper")


def survey(
    root: Path,
    remembered: Remembered,
    store: Path | None = None,
    *,
    measure: bool = True,
    recall: bool = False,
    hands: int = 1,
    tick: Callable[[int], None] = lambda _: None,
    now: Callable[[], float] = lambda: clock.now().wall,
) -> Survey:
    """`measure` False: nothing is walked but logs; layers have the sizes that are remembered, or
    the layer database's (which are too small, and without inodes). `recall`: databases in which
    nothing was added or removed are taken from memory too: to show what there is, not to act.
    `hands`: processes that may measure at once."""
    with Directory.root(root) as top:
        names = top.names()
        if sum(name in names for name in MARKS) < len(MARKS) // 2:
            raise HostFault(
                Fault.GARBLED,
                f"{root} does not look like a data-root of docker's",
                "name the right one: [daemon] data_root in the configuration",
            )
        device = top.stat(".").st_dev
        walk = Walk(device, tick, _grafted(root, device, measure))
        work = Work(walk, remembered, now(), measure, hands, recall and measure)
        driver = _driver(top, names)
        told = databases(top, driver, work)
        boxes, logs, rest = homes.homes(root, top, work)
        found = Survey(
            root,
            driver,
            told.layers,
            told.images,
            told.mounts,
            boxes,
            volumes.volumes(top, work),
            logs=logs,
            tmp=tmp.entries(top, work),
            cached=told.cached,
            cached_chains=told.cached_chains,
            rest={homes.PLACE: rest, "image": told.own},
        )
        found = replace(found, trees=trees.trees(found, top, work))
        found = replace(found, rest=_rest(found, top, names, work))
    if store is not None and measure and not store.is_relative_to(root):
        found = replace(found, store=_store(store, work), store_root=store)
    more = [f"and {walk.more_skipped} more"] if walk.more_skipped else []
    return replace(found, skipped=(*walk.skipped, *more), walked=walk.walked, taken=now())


def _grafted(root: Path, device: int, measure: bool) -> frozenset[int]:
    """What is walked never leads out by a mount of the same disk."""
    try:
        return remote.grafted(remote.mounts(), root, device) if measure else frozenset()
    except OSError:
        return frozenset()


def _driver(top: Directory, names: list[str]) -> str:
    """Which storage driver is in use: the one with images and a directory of its own."""
    try:
        with top.sub("image") as image:
            used = image.names()
    except OSError:
        used = []
    known = [driver for driver in DRIVERS if driver in names]
    return next((driver for driver in known if driver in used), known[0] if known else "overlay2")


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
        elif name == homes.PLACE:
            rest[name] += itself(top, name)
        elif name != "image":
            rest[name] = work.walk.tree(top, name)
    rest["."] = itself(top, ".")
    return {name: usage for name, usage in rest.items() if usage.inodes}


def _beside(top: Directory, name: str, counted: set[str], work: Work) -> Usage:
    """A directory without those of its entries that were counted already."""
    usage = itself(top, name)
    try:
        with top.sub(name) as directory:
            for inner in directory.names():
                if inner in counted:
                    continue
                if inner == "dir" and name == "vfs":
                    usage += itself(directory, inner)
                elif inner == trees.LINKS:
                    usage += trees.links(directory, name, work)
                else:
                    usage += work.walk.tree(directory, inner, f"{name}/{inner}")
    except OSError as error:
        work.walk.skip(name, readable(error))
    return usage


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
