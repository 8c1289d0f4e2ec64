"""The storage driver's directories: how large each is, and which the build cache knows.

In: an open data-root and what the databases said. Out: a `Tree` by name. What cannot change any
more is measured once and then remembered by identity.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dockerdoctor.host.storage.facts import Survey, Tree, Usage
from dockerdoctor.host.storage.opened import Directory, readable
from dockerdoctor.host.storage.remembered import Remembered, Stamp
from dockerdoctor.host.storage.walk import Walk

MAX_DATABASE = 256 << 20
NAME_LENGTH = 25
"""Buildkit names what it keeps with 25 digits of base 36 (identity.NewID)."""
_NAMES = re.compile(rb"[0-9a-z]{25,}")
_CHAIN = re.compile(rb"sha256:[0-9a-f]{64}")
PLAIN = ("overlay2", "fuse-overlayfs", "overlay", "vfs")
"""Drivers with one plain directory for each layer."""
STILL = ("exited", "created", "dead")
"""States of containers that write nothing."""


@dataclass(slots=True)
class Work:
    """What the parts of a survey share."""

    walk: Walk
    remembered: Remembered
    measure: bool


def cached(top: Directory, work: Work) -> tuple[frozenset[str], frozenset[str]]:
    """Names of directories, and chain ids, that buildkit's databases mention. They are bolt files
    and may be written meanwhile; what is no longer valid in them only keeps a directory from being
    called an orphan, and a layer from being counted as freed."""
    names: set[str] = set()
    chains: set[str] = set()
    try:
        with top.sub("buildkit") as buildkit:
            for name in buildkit.names():
                if name.endswith(".db"):
                    content = buildkit.read(name, MAX_DATABASE)
                    chains.update(each.decode() for each in _CHAIN.findall(content))
                    # Overlapping: a name may follow another word without a gap between them.
                    for run in _NAMES.findall(content):
                        text = run.decode("ascii")
                        names.update(
                            text[at : at + NAME_LENGTH] for at in range(len(text) - NAME_LENGTH + 1)
                        )
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        work.walk.skip("buildkit", f"its databases cannot be read ({readable(error)})")
    return frozenset(names), frozenset(chains)


def trees(found: Survey, top: Directory, work: Work) -> dict[str, Tree]:
    """The driver's directories. One that cannot change any more is measured once."""
    if found.driver not in PLAIN:
        return {}
    by_layer = {layer.cache_id: layer.size for layer in found.layers.values()}
    live = _live(found)
    found_trees: dict[str, Tree] = {}
    try:
        directory = top.sub(found.driver, *(["dir"] if found.driver == "vfs" else []))
    except OSError:
        return {}
    with directory:
        for name in directory.names():
            if name == "l":
                continue  # short links to the others
            try:
                born = directory.stat(name).st_ctime
            except OSError:
                continue
            stamp = None if name in live else _stamp(directory, name)
            key = f"{found.driver}/{name}"
            usage = work.remembered.of(key, stamp) if stamp else None
            if usage is None and work.measure:
                usage = work.walk.tree(directory, name, key)
                if stamp and stamp == _stamp(directory, name):
                    work.remembered.learn(key, stamp, usage)
            found_trees[name] = Tree(usage or Usage(by_layer.get(name, 0), 0), born)
    return found_trees


def _live(found: Survey) -> set[str]:
    """Directories that a running container writes to, or one whose state is not known."""
    return {
        mount.mount_id
        for ident, mount in found.mounts.items()
        if ident not in found.boxes or found.boxes[ident].state not in STILL
    }


def _stamp(directory: Directory, name: str) -> Stamp | None:
    """What tells that a layer is as it was. A file system that is mounted to be written to makes
    its `work` directory anew each time, and no file of a layer changes while none is. None where
    it is mounted now (`merged` is another device), or has no `diff`."""
    try:
        with directory.sub(name) as entry:
            diff, own = entry.stat("diff"), entry.stat(".")
            stamp = [own.st_ino, diff.st_ino, diff.st_ctime_ns]
            for part in ("merged", "work"):
                try:
                    seen = entry.stat(part)
                except FileNotFoundError:
                    continue
                if part == "merged" and seen.st_dev != own.st_dev:
                    return None
                if part == "work":
                    stamp += [seen.st_ino, seen.st_mtime_ns]
            return tuple(stamp)
    except OSError:
        return None
