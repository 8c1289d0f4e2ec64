"""Removes a directory of overlay2's that nothing knows, after looking once more at all that might.

In: a data-root, the directory's name, how old it must be. Out: why it stays, or empty. It stays
unless every database can be read whole, none of them nor the build cache mentions it, nothing that
is kept lies on top of it, no mount namespace has it mounted, and nothing in it changed for long: a
pull or build under way is unknown too. It is moved aside first.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from pathlib import Path

from dockerdoctor.host.storage import aside
from dockerdoctor.host.storage.databases import databases
from dockerdoctor.host.storage.facts import Databases, named
from dockerdoctor.host.storage.layerdb import HEX, NAME
from dockerdoctor.host.storage.opened import Directory
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.walk import Walk
from dockerdoctor.host.storage.work import Work

DRIVER = "overlay2"
_PARTS = ("diff", "work", "link", "lower", "merged", "committed")


def remove(root: Path, name: str, before: float, timeout_s: float) -> str:
    """`before` is wall clock, s. HostFault when the data-root cannot be entered."""
    deadline = time.monotonic() + timeout_s
    if not NAME.fullmatch(name) or name == "l":
        return "is no directory of the storage driver"
    with Directory.root(root) as top:
        try:
            with top.sub(DRIVER) as trees, aside.aside(top) as place:
                if not aside.cleared(place, deadline):
                    return aside.LATER
                why = _why_it_stays(top, trees, name, before)
                if why:
                    return why
                short = _short_name(trees, name)
                aside.moved(trees, name, place)
                _unlink_short(trees, name, short)
                if not aside.cleared(place, deadline):
                    return f"is out of docker's way; not all of it is gone after {timeout_s:.0f} s"
        except OSError as error:  # an immutable file, a file system that is read-only
            return f"cannot be removed ({error.strerror})"
    return ""


def _why_it_stays(top: Directory, trees: Directory, name: str, before: float) -> str:
    """In words that go on with "it"; empty when it may go."""
    walk = Walk(top.stat(".").st_dev)
    told = databases(top, DRIVER, Work(walk, Remembered(None), 0.0, measure=False))
    why = _hole(top, told, walk)
    if why:
        return f"may not be unknown: {why}"
    known = named(told) | told.cached
    if name in known:
        return "is known by now"
    if not _old(trees, name, before):
        return "has changed since, or is no plain directory: a pull or build may be under way"
    short = _short_name(trees, name)
    for other in trees.names():
        # What is itself unknown and old keeps nothing.
        if other not in (name, "l") and (other in known or not _old(trees, other, before)):
            below = _lower(trees, other)
            if name in below or (short and short in below):
                return f"lies below {other[:12]}"
    for mounted in aside.mounts():
        if name in mounted or (short and short in mounted):
            return "is mounted"
    return ""


def _hole(top: Directory, told: Databases, walk: Walk) -> str:
    """Why what the databases do not know may be in use all the same."""
    if walk.skipped:
        return walk.skipped[0]
    if not told.layers:
        return "there is no layer database"
    tops = [mount.parent for mount in told.mounts.values() if mount.parent]
    chains = [chain for image in told.images.values() for chain in image.chains]
    parents = [layer.parent for layer in told.layers.values() if layer.parent]
    if lost := next((each for each in (*chains, *tops, *parents) if each not in told.layers), ""):
        return f"the layer {lost[7:19]} is needed, and the layer database lacks it"
    try:
        with top.sub("containers") as containers:
            boxes = [box for box in containers.names() if HEX.fullmatch(box)]
    except FileNotFoundError:
        boxes = []
    lost = next((box for box in boxes if box not in told.mounts), "")
    return f"the layer of the container {lost[:12]} is not known" if lost else ""


def _old(trees: Directory, name: str, before: float) -> bool:
    """Whether it is a directory in which nothing was made, renamed or removed since `before`."""
    try:
        seen = [trees.stat(name)]
        if not stat.S_ISDIR(seen[0].st_mode):
            return False
        for part in _PARTS:
            with contextlib.suppress(FileNotFoundError):
                seen.append(trees.stat(f"{name}/{part}"))
    except OSError:
        return False
    return all(max(each.st_ctime, each.st_mtime) < before for each in seen)


def _short_name(trees: Directory, name: str) -> str:
    """Its name in `l`, by which others name it as what is below them."""
    try:
        with trees.sub(name) as entry:
            text = entry.read("link", 4096).decode("ascii", "replace").strip()
    except (OSError, ValueError):
        return ""
    return text if re.fullmatch(r"[A-Z0-9]{20,32}", text) else ""


def _lower(trees: Directory, name: str) -> frozenset[str]:
    """What a layer lies on, by the last parts of the paths: short names, or names."""
    try:
        with trees.sub(name) as entry:
            text = entry.read("lower").decode("utf-8", "replace")
    except (OSError, ValueError):
        return frozenset()
    paths = [path.removesuffix("/diff") for path in text.strip().split(":")]
    return frozenset(path.rpartition("/")[2] for path in paths)


def _unlink_short(trees: Directory, name: str, short: str) -> None:
    if not short:
        return
    with contextlib.suppress(OSError), trees.sub("l") as links:
        if os.readlink(short, dir_fd=links.fd) == f"../{name}/diff":
            os.unlink(short, dir_fd=links.fd)
