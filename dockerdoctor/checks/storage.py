"""The data-root as files: containers and layers that cannot be read, databases that are none.

Nothing is walked and nothing opened for writing: the files' own first bytes tell. Works with the
daemon dead. What a full or a read-only disk shows is for the rules.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from dockerdoctor.declare import Check, Clue
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Place
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Severity

BOLT = 0xED0CDAED
"""The magic of a bolt database, 16 bytes into each of its two first pages (bbolt, db.go)."""
PAGES = (4096, 8192, 16384, 65536)
DATABASES = (
    ("network/files/local-kv.db", "network-database-corrupt", "the networks"),
    ("buildkit/metadata_v2.db", "build-cache-database-corrupt", "the build cache"),
    ("buildkit/cache.db", "build-cache-database-corrupt", "the build cache"),
    ("buildkit/snapshots.db", "build-cache-database-corrupt", "the build cache"),
    ("buildkit/containerdmeta.db", "build-cache-database-corrupt", "the build cache"),
    ("volumes/metadata.db", "volume-database-corrupt", "the volumes' names"),
)
CONTAINERD = "io.containerd.metadata.v1.bolt/meta.db"
BROKEN = (
    ("containers/", "container-unreadable", "be read"),
    ("layerdb/mounts/", "container-without-layer", "has a hole"),
    ("layerdb/", "image-layer-missing", "has a hole"),
    ("imagedb/", "image-layer-missing", "be read"),
    ("repositories.json", "image-names-lost", "be read"),
)
"""What a survey could not read: where, the rule it speaks for, and words of the complaint."""
SHOWN = 5


def run(view: HostView) -> Sequence[Clue]:
    """HostFault where the data-root cannot be read at all."""
    root = view.places()[Place.DATA_ROOT]
    files = [(root / name, rule, whose) for name, rule, whose in DATABASES]
    meta = view.places()[Place.CONTAINERD] / CONTAINERD
    files.append((meta, "containerd-database-corrupt", "containerd"))
    clues = [clue for file in files for clue in _database(view, *file)]
    found = view.survey()
    skipped = list(found.skipped)
    if skipped:  # what is just being made or removed is well, or gone, a moment later
        again = set(view.survey().skipped)
        skipped = [line for line in skipped if line in again]
    return [*clues, *_unreadable(skipped), *_leftovers(view, root, found.driver)]


def _database(view: HostView, path: Path, rule: str, whose: str) -> Iterator[Clue]:
    """A database that is being written has one good page of two at every moment."""
    try:
        head = view.lens().content(path, PAGES[-1] + 64)
    except HostFault as fault:
        if fault.fault is Fault.TIMEOUT:
            raise
        return
    if not head or any(_magic(head, at) == BOLT for at in (0, *PAGES)):
        return  # an empty one is made anew
    volumes = rule == "volume-database-corrupt"
    yield Clue(
        rule,
        f"{path} is no database: that of {whose} is corrupt",
        Severity.CRITICAL,
        remedy="stop dockerd, move it aside, start: the volumes are well" if volumes else "",
        avoid="deleting /var/lib/docker" if volumes else "",
        next=f"systemctl stop docker.socket docker; mv {path} {path}.bad; systemctl start docker",
    )


def _magic(head: bytes, page: int) -> int:
    at = page + 16
    return int(struct.unpack_from("<I", head, at)[0]) if len(head) >= at + 4 else 0


def _unreadable(skipped: Sequence[str]) -> Iterator[Clue]:
    """One clue for each kind, naming the first."""
    for where, rule, words in BROKEN:
        found = [line for line in skipped if _name(line).startswith(where) and words in line]
        skipped = [line for line in skipped if line not in found]
        if not found:
            continue
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        lost = rule == "image-names-lost"
        yield Clue(
            rule,
            "; ".join(found[:SHOWN]) + more,
            Severity.WARNING,
            remedy="the images are there without names: tag them again, or pull" if lost else "",
            avoid="`prune -a`: it takes images without a name" if lost else "",
        )


def _name(line: str) -> str:
    """A survey tells names as Python writes them: in quotes."""
    return line.lstrip("'\"")


def _leftovers(view: HostView, root: Path, driver: str) -> Iterator[Clue]:
    """Of pulls that were cut short (moby #44909). One under way has one too, so only a crowd."""
    tmp = root / "image" / (driver or "overlay2") / "layerdb/tmp"
    try:
        left = [name for name in view.lens().names(tmp) if name.startswith("write-set-")]
    except HostFault:
        return
    if len(left) > SHOWN:
        yield Clue(
            "layer-leftover",
            f"{len(left)} leftovers of pulls that were cut short lie in {tmp}",
            Severity.INFO,
            next=f"ls -l {tmp}",
        )


CHECK = Check(
    name="storage",
    help="containers, layers and databases in the data-root that cannot be read",
    symptom="storage",
    timeout_s=8.0,
    run=run,
)
