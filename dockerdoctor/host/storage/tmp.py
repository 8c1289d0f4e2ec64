"""What lies in a data-root's `tmp`: pulls, loads and builds that were cut off, and those under way.

dockerd empties it at each start; while it hangs, or finds no room to start, nobody does. In: a
data-root. Out: what is there, and why one stays, or empty. It stays while any process has it open,
while it is mounted, and until nothing in it has changed for long.
"""

from __future__ import annotations

import contextlib
import stat
import time
from pathlib import Path

from dockerdoctor.host.storage import aside, holders
from dockerdoctor.host.storage.facts import Tree
from dockerdoctor.host.storage.opened import Directory
from dockerdoctor.host.storage.walk import Walk
from dockerdoctor.host.storage.work import Work, itself


def entries(top: Directory, work: Work) -> dict[str, Tree]:
    """By name. What we moved there is old, whenever it was: it was on its way out. A tree is
    measured where all is."""
    found: dict[str, Tree] = {}
    with contextlib.suppress(OSError), top.sub(aside.PLACE) as place:
        for name in place.names():
            with contextlib.suppress(OSError):
                born = 0.0 if name.startswith(aside.OURS) else _changed(place, name)
                # With a walk of its own: another part counts these files too.
                walk = Walk(work.walk.device)
                usage = walk.tree(place, name) if work.measure else itself(place, name)
                found[name] = Tree(usage, born)
    return found


def remove(root: Path, name: str, before: float, timeout_s: float) -> str:
    """`before` is wall clock, s. HostFault when the data-root cannot be entered."""
    deadline = time.monotonic() + timeout_s
    if name in ("", ".", "..") or "/" in name:
        return "is no name in tmp"
    with Directory.root(root) as top:
        try:
            with aside.aside(top) as place:
                if not aside.cleared(place, deadline):
                    return aside.LATER
                if name.startswith(aside.OURS):
                    return ""
                if why := _why_it_stays(place, name, before):
                    return why
                aside.moved(place, name, place)
                if not aside.cleared(place, deadline):
                    return f"is out of docker's way; not all of it is gone after {timeout_s:.0f} s"
        except FileNotFoundError:
            return "is gone already"
        except OSError as error:
            return f"cannot be removed ({error.strerror})"
    return ""


def _why_it_stays(place: Directory, name: str, before: float) -> str:
    seen = place.stat(name)
    if seen.st_dev != place.stat(".").st_dev or any(_named(name, each) for each in aside.mounts()):
        return "is mounted"
    if _changed(place, name) >= before:
        return "has changed since"
    for entry in holders.entries(lambda path: _named(name, f"{path} ")):
        with contextlib.suppress(OSError):  # gone meanwhile
            return f"is open: {holders.owner(entry)}"
    return ""


def _named(name: str, text: str) -> bool:
    """Whether it, or what is in it, is named by its path, wherever others see the data-root."""
    path = f"/{aside.PLACE}/{name}"
    return any(f"{path}{end}" in text for end in ("/", " "))


def _changed(place: Directory, name: str) -> float:
    """When it was last written to, or something was made in it (wall clock, s)."""
    seen = place.stat(name)
    times = [seen.st_ctime, seen.st_mtime]
    if stat.S_ISDIR(seen.st_mode):
        with place.sub(name) as inner:
            for each in inner.names():
                within = inner.stat(each)
                times += [within.st_ctime, within.st_mtime]
    return max(times)
