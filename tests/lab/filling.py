"""A host with a small disk, what must stay as it is there, and what fills it.

In: a lab host whose data-root is a loop-mounted ext4 with few inodes. Out: a `Room`; litter of each
kind, by bytes or by inodes, until a share of the disk is used.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from dockerdoctor.model import Incident, Outcome
from tests.lab.boot import SHARE
from tests.lab.faults.disks import DATA_ROOT
from tests.lab.faults.load import BUILD
from tests.lab.host import LabHost
from tests.lab.watchdog import POLICY, Watchdog, rungs, volume_file

SIZE_MB = 220
INODES = 5000
GRACE = '[disk]\ngrace = "0s"\nkeep = ["wanted:*"]\n'
CONFIG = POLICY + GRACE
PRODUCT = "/opt/dockerdoctor/bin/dockerdoctor"
TALK = ("sh", "-c", "while :; do echo a line that nobody reads; sleep 0.2; done")


class Piece(NamedTuple):
    """One thing of litter: so many bytes, so many files."""

    bytes: int
    files: int


Litter: TypeAlias = Callable[["Room", Piece, int], str]
"""Makes one piece; its number and its name."""
CHUNK = Piece(12 << 20, 0)
SMALL = Piece(3 << 20, 0)
BY = {
    "bytes": ((CHUNK, 0.88), (SMALL, 1.0)),
    "inodes": ((Piece(1000, 300), 0.85), (Piece(1000, 50), 1.0)),
}
"""Pieces, and up to which used share they are made; the small ones last."""


@dataclass
class Room:
    """A host with a small disk, and what must stay as it is."""

    watchdog: Watchdog
    pids: str
    checksum: str

    @property
    def host(self) -> LabHost:
        return self.watchdog.host

    def used(self, by: str = "bytes") -> float:
        """Used share of the data-root's bytes or inodes."""
        told = os.statvfs(self.host.outside(DATA_ROOT))
        if by == "inodes":
            return 1 - told.f_ffree / told.f_files
        return 1 - told.f_bavail / (told.f_blocks - told.f_bfree + told.f_bavail)

    def fill(
        self, until: float, make: Callable[[Room, Piece, int], str], by: str = "bytes"
    ) -> list[str]:
        """Make litter of one kind until that share is used; its names, the oldest first."""
        made: list[str] = []
        for piece, most in BY[by]:
            while self.used(by) < min(until, most):
                made.append(make(self, piece, len(made)))
        return made

    def doctor(self, *words: str, timeout: float = 120, check: bool = True) -> str:
        """What a command of the product says."""
        return self.host.run(PRODUCT, *words, timeout=timeout, check=check).stdout

    def tags(self) -> set[str]:
        """The images that there are."""
        told = self.host.docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout
        return set(told.split())

    def begin(self, rules: str, more: str = "") -> float:
        """Start the watchdog; since when its incidents count."""
        began = time.time()
        self.watchdog.begin(CONFIG + more, rules)
        return began

    def layers(self) -> set[str]:
        """The directories of overlay2."""
        return {each.name for each in self.host.outside(f"{DATA_ROOT}/overlay2").iterdir()}

    def assert_at_the_mark(self) -> None:
        """Bytes are, and not far below it; nothing else is missed."""
        assert self.used() <= 0.80
        assert self.used() > 0.80 - 2.5 * CHUNK.bytes / (SIZE_MB << 20), "more went than needed"
        self.assert_untouched()

    def assert_untouched(self) -> None:
        """The named volume, the running containers and the wanted images are as they were."""
        assert self.checksum == _checksum(self.host)
        assert self.pids == _pids(self.host)
        assert {"wanted:1", "labelled:1", "busybox:latest"} <= self.tags()
        for name in ("runs", "talks"):
            self.host.docker("exec", name, "true")


def _checksum(host: LabHost) -> str:
    return hashlib.sha256(volume_file(host, "precious", "file").read_bytes()).hexdigest()


def _pids(host: LabHost) -> str:
    names = ("runs", "talks", "idle")
    return host.docker("inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}}", *names).stdout


def furnished(host: LabHost) -> Room:
    """With what must stay as it is."""
    script = "dd if=/dev/urandom of=/data/file bs=1M count=3; exec sleep 1000000"
    host.start_container("runs", "-v", "precious:/data", cmd=("sh", "-c", script))
    host.start_container("talks", "--log-driver", "json-file", cmd=TALK)
    host.start_container("idle", "-v", "/anonymous")
    host.docker("import", f"{SHARE}/busybox.tar", "wanted:1")
    label = "LABEL keep=yes"
    host.docker("import", "--change", label, f"{SHARE}/busybox.tar", "labelled:1")
    host.wait(
        lambda: volume_file(host, "precious", "file").stat().st_size == 3 << 20, 60, "its data"
    )
    return Room(Watchdog(host), _pids(host), _checksum(host))


def an_image(room: Room, piece: Piece, number: int) -> str:
    """Imported."""
    tag = f"fill:{number:02}"
    script = """set -e; d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"; mkdir -p fill/t
        head -c "$1" /dev/urandom >fill/bytes
        i=0; while [ $i -lt "$2" ]; do : >fill/t/$i; i=$((i+1)); done
        tar -C fill -cf all.tar . && docker import all.tar "$3" >/dev/null"""
    room.host.run("sh", "-c", script, "sh", *map(str, piece), tag)
    return tag


def a_build(room: Room, piece: Piece, number: int) -> str:
    """By BuildKit; what it made is in the cache alone, but for an image with one empty file."""
    files = f"mkdir /t{number}; cd /t{number}; for i in $(seq {piece.files}); do : >$i; done"
    run = f"head -c {piece.bytes} /dev/urandom >/bytes{number}; {files}; : >/mark"
    text = f"FROM busybox\nRUN {run}\nFROM busybox\nCOPY --from=0 /mark /mark\n"
    said = room.host.run("python3", "-c", BUILD, "2", text, timeout=120).stdout
    assert "error" not in said.lower(), said
    return f"build {number}"


def an_orphan(room: Room, piece: Piece, number: int) -> str:
    """A layer in overlay2 that nothing knows, as a crash leaves it."""
    name = hashlib.sha256(f"orphan {number}".encode()).hexdigest()
    short, place = name[:26].upper(), f"{DATA_ROOT}/overlay2"
    script = """set -e; mkdir -p "$3/diff/t" "$3/work"; head -c "$1" /dev/urandom >"$3/diff/bytes"
        for i in $(seq "$2"); do : >"$3/diff/t/$i"; done
        printf %s "$4" >"$3/link"; ln -s "../$5/diff" "$6" """
    words = (*map(str, piece), f"{place}/{name}", short, name, f"{place}/l/{short}")
    room.host.run("sh", "-c", script, "sh", *words)
    return name


def lines_of_a_log(room: Room, piece: Piece, number: int) -> str:
    """By the container itself: the engine counts what it has written."""
    line = "a line of a log that nobody rotates, as long as lines are that tell what they do"
    script = f"yes '{line}' | head -c {piece.bytes * 2 // 3} >/proc/1/fd/1"
    room.host.docker("exec", "talks", "sh", "-c", script, timeout=180)
    return f"lines {number}"


def cured(room: Room, began: float, rule: str) -> Incident:
    """The incident of this rule, cured by the rung prune."""
    incident = room.watchdog.wait_closed(began, rule)
    assert [each for each in rungs(incident) if each != "bring-back"] == ["dump-stacks", "prune"]
    assert incident.outcome is Outcome.CURED
    return incident
