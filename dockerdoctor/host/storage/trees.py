"""The storage driver's directories: how large each is.

In: an open data-root and what the databases said. Out: a `Tree` by name. What cannot change any
more is measured once and then remembered by identity.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Set

from dockerdoctor.host.storage.facts import Survey, Tree, Usage
from dockerdoctor.host.storage.hands import measured
from dockerdoctor.host.storage.opened import Directory
from dockerdoctor.host.storage.remembered import Stamp, settled
from dockerdoctor.host.storage.work import Work

PLAIN = ("overlay2", "fuse-overlayfs", "overlay", "vfs")
"""Drivers with one plain directory for each layer."""
LINKS = "l"
_UNKNOWN = 1 << 62
"""Bytes; what nobody knows the size of may be the largest."""
STILL = ("exited", "created", "dead")
"""States of containers that write nothing."""


def trees(found: Survey, top: Directory, work: Work) -> dict[str, Tree]:
    """The driver's directories. One that is in the layer database (or is the base of a container's
    own) is never written to again: it is measured once, and then known by its name and inode."""
    if found.driver not in PLAIN:
        return {}
    sizes = {layer.cache_id: layer.size for layer in found.layers.values()}
    final = sizes.keys() | {mount.init_id for mount in found.mounts.values()}
    try:
        directory = top.sub(found.driver, *(["dir"] if found.driver == "vfs" else []))
    except OSError:
        return {}
    with directory:
        seen = dict(_seen(directory, final, _live(found)))
        known: dict[str, Usage] = {}
        for name, (_, stamp) in seen.items():
            usage = work.remembered.of(f"{found.driver}/{name}", stamp) if stamp else None
            if usage is not None:
                known[name] = usage
        strange = [name for name in seen if name not in known] if work.measure else []
        strange.sort(key=lambda name: sizes.get(name, _UNKNOWN), reverse=True)
        for name, usage in measured(work.walk, directory, strange, found.driver, work.hands):
            known[name] = usage
            stamp = seen[name][1]
            if stamp and (name in final or stamp == _stamp(directory, name)):
                work.remembered.learn(f"{found.driver}/{name}", stamp, usage)
    return {
        name: Tree(known.get(name) or Usage(sizes.get(name, 0), 0), born)
        for name, (born, _) in seen.items()
    }


def _seen(
    directory: Directory, final: Set[str], live: Set[str]
) -> Iterator[tuple[str, tuple[float, Stamp | None]]]:
    """Each directory with when it last changed, and with its stamp where it has one."""
    for name, inode in directory.directories().items():
        if name == LINKS:
            continue
        if name in final:
            yield name, (0.0, (inode,))
            continue
        try:
            itself = directory.stat(name)
        except OSError:
            continue
        stamp = None if name in live else _stamp(directory, name, itself)
        yield name, (itself.st_ctime, stamp)


def links(directory: Directory, driver: str, work: Work) -> Usage:
    """`l`: short links to the others. They are made and removed, and nothing else."""
    key = f"{driver}/{LINKS}"
    try:
        stamp = settled(work.now, directory.stat(LINKS))
    except OSError:
        return Usage()
    usage = work.remembered.of(key, stamp) if stamp else None
    if usage is None:
        usage = work.tree(directory, LINKS, key)
        if stamp:
            work.remembered.learn(key, stamp, usage)
    return usage


def _live(found: Survey) -> set[str]:
    """Directories that a running container writes to, or one whose state is not known."""
    return {
        mount.mount_id
        for ident, mount in found.mounts.items()
        if ident not in found.boxes or found.boxes[ident].state not in STILL
    }


def _stamp(directory: Directory, name: str, seen: os.stat_result | None = None) -> Stamp | None:
    """What tells that a writable layer is as it was. A file system that is mounted to be written to
    makes its `work` directory anew each time, and no file of a layer changes while none is. None
    where it is mounted now (`merged` is another device), or has no `diff`."""
    try:
        seen = seen or directory.stat(name)
        diff = directory.stat(f"{name}/diff")
        stamp = [seen.st_ino, diff.st_ino, diff.st_ctime_ns]
        for part in ("merged", "work"):
            try:
                inner = directory.stat(f"{name}/{part}")
            except FileNotFoundError:
                continue
            if part == "merged" and inner.st_dev != seen.st_dev:
                return None
            if part == "work":
                stamp += [inner.st_ino, inner.st_mtime_ns]
        return tuple(stamp)
    except OSError:
        return None
