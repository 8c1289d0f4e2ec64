"""The local volumes: how large each is, and when it last changed.

In: an open data-root, or a volume's directory. Out: facts by name. What a volume's own directory
tells is the names in it; for one that may go (an anonymous one) all that lies in it is asked.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

from dockerdoctor.host.storage.facts import NOTHING, Volume
from dockerdoctor.host.storage.hands import measured
from dockerdoctor.host.storage.layerdb import HEX
from dockerdoctor.host.storage.opened import Directory
from dockerdoctor.host.storage.work import Work

PLACE = "volumes"


def volumes(top: Directory, work: Work) -> dict[str, Volume]:
    """By name. Where it is only shown (`recall`), or nothing is walked, a change deep in one is
    not told."""
    try:
        directory = top.sub(PLACE)
    except OSError:
        return {}
    with directory:
        touched = dict(_touched(directory, deep=work.measure and not work.recall))
        names = list(touched) if work.measure else []
        sizes = dict(measured(work.walk, directory, names, PLACE, work.hands))
    return {
        name: Volume(name, sizes.get(name, NOTHING), bool(HEX.fullmatch(name)), at)
        for name, at in touched.items()
    }


def changed(root: Path, name: str) -> float:
    """When anything in a volume last changed (wall clock, s): 0 for one that is gone, without end
    where not all of it can be seen. HostFault when the data-root cannot be entered."""
    with Directory.root(root) as top:
        try:
            with top.sub(PLACE) as directory:
                return _newest(directory, name)
        except FileNotFoundError:
            return 0.0
        except (OSError, RecursionError):
            return math.inf


def _touched(directory: Directory, deep: bool) -> Iterator[tuple[str, float]]:
    """Each volume, with when its own directory or its data's last changed."""
    for name in directory.directories():
        try:
            at = max(directory.stat(name).st_ctime, _data_changed(directory, name))
            if deep and HEX.fullmatch(name):
                at = max(at, _newest(directory, name))
        except FileNotFoundError:
            continue
        except (OSError, RecursionError):
            at = math.inf
        yield name, at


def _data_changed(directory: Directory, name: str) -> float:
    try:
        with directory.sub(name) as entry:
            return max(entry.stat("_data").st_mtime, entry.stat("_data").st_ctime)
    except OSError:
        return 0.0


def _newest(directory: Directory, name: str) -> float:
    """Through descriptors: no link is followed, and what is mounted in it is not entered. What
    vanishes meanwhile has changed its directory, which is asked after what lies in it."""

    def gone(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    last, device = 0.0, directory.stat(".").st_dev
    for _, inner, files, fd in os.fwalk(name, onerror=gone, dir_fd=directory.fd):
        if os.fstat(fd).st_dev != device:
            inner.clear()
            continue
        for each in files:
            with contextlib.suppress(FileNotFoundError):
                seen = os.stat(each, dir_fd=fd, follow_symlinks=False)
                last = max(last, seen.st_mtime, seen.st_ctime)
        itself = os.fstat(fd)
        last = max(last, itself.st_mtime, itself.st_ctime)
    return last
