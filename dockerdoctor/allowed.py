"""What an operator allows to be removed of a full data-root, and one removal of a plan. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from msgspec import Struct

from dockerdoctor.host.storage.facts import Kind, Removal, Usage
from dockerdoctor.host.storage.layerdb import familiar

ANY = "*"
"""Among the moments at which images were last used, by name: for each that has one. Before it
nobody watched, and a `run --rm` leaves no trace."""
TAG = re.compile(r"(@.*|:[^/:]*)$")
"""What follows the repository in an image's name."""


class Allowed(Struct, frozen=True):
    """What the operator allows. Shares are ratios of the file system, for bytes and for inodes."""

    start_ratio: float = 0.85
    """Nothing is planned below."""
    stop_ratio: float = 0.80
    """Nothing is planned beyond."""
    grace_s: float = 24 * 3600.0
    """What was made or used in this time is left alone."""
    keep: tuple[str, ...] = ()
    """Globs on names of images (with their tag, or without), containers and volumes."""
    cut_logs: bool = False
    """Whether logs that nobody rotates may be cut (their end stays)."""
    keep_log_bytes: int = 10 << 20
    orphans: bool = False
    """Whether directories of overlay2 that no database knows may go, and what lies in tmp."""
    orphan_age_s: float = 7 * 86400.0
    """For how long nothing may have changed in them."""
    anonymous_volumes: bool = False
    """Whether volumes without a name that no container has may go."""


def kept_by_name(allowed: Allowed, *names: str) -> bool:
    """Whether one of these is to stay; an image by each name that people call it."""
    called = {familiar(name) for name in names}
    called |= {TAG.sub("", name) for name in called}
    return any(fnmatchcase(name, familiar(glob)) for glob in allowed.keep for name in called)


class Step(Struct, frozen=True):
    """One removal: what it gives back (at most), and when it was used last (0: not known)."""

    what: Removal
    name: str
    frees: Usage
    used: float
    back: str
    """What it costs to have it back."""


SAFE: Mapping[Kind, str] = {
    Kind.TMP: "no process has it open, it is old, and dockerd itself empties tmp at its start",
    Kind.ORPHAN: "no database knows it, nothing lies on it or has it mounted, and it is old",
    Kind.CONTAINER: "it ended before the grace time, and no restart policy wants it back",
    Kind.DANGLING: "it has no name and no container, nothing is built on it, and it is old",
    Kind.CACHE: "only what no build has used within the grace time",
    Kind.IMAGE: "it has no container, nothing is built on it, no use in the grace time is known",
    Kind.LOG: "its container writes on, and its end stays",
    Kind.VOLUME: "it has no name and no container, and nobody has changed it within the grace time",
}
"""Why what is planned may go. Each is asked again, of the daemon or its files, when it goes."""
