"""Keep what the next rung destroys: process state, the journal's last lines, the goroutine stacks.

dockerd writes its stacks on SIGUSR1 without taking a lock, to a file in its exec-root (a tmpfs:
lost at a reboot); containerd to one in its /tmp. The file is waited for and moved out. A daemon
that does not even take the signal writes none; that too is evidence. One that is well is not asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.errors import HostFault
from dockerdoctor.host import programs
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact, Process
from dockerdoctor.rungs._common import DEAF_S, takes_no_signal
from dockerdoctor.stackjams import explain
from dockerdoctor.stacks import NoDumpError, lines_of, read

SIGUSR1 = 10
DUMP_S = 10.0
"""4,000 goroutines (moby #30605) are written in about a second; a busy disk gets more."""
NAMES = {
    Service.DOCKERD: "goroutine-stacks-*.log",
    Service.CONTAINERD: "containerd.*.stacks.log",
}
"""What the dumps are called (moby pkg/stack; containerd cmd/containerd/command/main.go)."""
TAKES_IT = {Service.DOCKERD: programs.is_dockerd, Service.CONTAINERD: programs.is_containerd}
"""Anybody else dies of SIGUSR1, as a shell in ExecStart= does, and the unit with it."""
JOURNAL_LINES = 200
READ_BYTES, READ_S = 12 << 20, 1.5
"""Of a dump, and for how long: a part of 4,000 goroutines (10 MB) tells what all of them do."""
TOLD = 600
"""Characters of the explanation that go on record."""


def run(control: HostControl, scene: Scene) -> Note:
    """Never raises for a piece that cannot be had: the others are kept and the note says so."""
    kept: list[str] = []
    missed: list[str] = []
    told: list[str] = []
    process: Process | None = None
    with _piece("state of the process", missed):
        process = control.main_process(Service.DOCKERD)
        for name, text in control.proc_files(process).items() if process else ():
            kept.append(str(control.keep(f"proc-{name}.txt", text.encode())))
    for service in (Service.DOCKERD, Service.CONTAINERD):
        with _piece(f"journal of {service}", missed):
            lines = control.journal(service, JOURNAL_LINES, timeout_s=3.0)
            kept.append(str(control.keep(f"journal-{service}.txt", "\n".join(lines).encode())))
    if process and hangs(scene):
        with _piece("stacks", missed):
            stacks = _all_stacks(control, scene, process, missed)
            kept.extend(stacks)
            told = [explained(control, Path(each), scene) for each in stacks]
    says = f"kept {len(kept)} pieces of evidence" + (f" ({'; '.join(missed)})" if missed else "")
    return Note("; ".join([says, *filter(None, told)]), tuple(kept))


@contextlib.contextmanager
def _piece(what: str, missed: list[str]) -> Iterator[None]:
    """A piece that cannot be had, or not be kept (a full disk), is no reason to miss the next."""
    try:
        yield
    except HostFault as fault:
        missed.append(f"{what}: {fault.sentence}")
    except OSError as error:  # a dump that somebody else removed
        missed.append(f"{what}: {error.strerror}")


def hangs(scene: Scene) -> bool:
    """Whether the stacks can tell anything: the daemon hangs, or a part of it."""
    return (
        not scene.flag("ping.answered")
        or scene.readings.get("containerd.answered") is False
        or scene.number("locks.stuck") > 0
    )


def explained(control: HostControl, dump: Path, scene: Scene) -> str:
    """What the goroutines wait for, in a sentence; empty when it cannot be told."""
    try:
        with dump.open("rb") as file:
            found = explain(read(_in_time(control, lines_of(file, READ_BYTES))), least=0)
    except (OSError, NoDumpError):
        return ""
    except Exception as bug:  # noqa: BLE001  no evidence is lost for want of an explanation
        return f"the stacks could not be explained, by a bug of ours: {type(bug).__name__}"
    stuck = scene.word("locks.stuck_name") if scene.number("locks.stuck") else ""
    return found.says[:TOLD] + (f" (the container that hangs: {stuck[:100]})" if stuck else "")


def _in_time(control: HostControl, lines: Iterator[str]) -> Iterator[str]:
    """As many as can be read before the next rung must wait no longer."""
    began = control.now().mono
    for number, line in enumerate(lines):
        if number % 1000 == 0 and control.now().mono - began > READ_S:
            return
        yield line


def _all_stacks(
    control: HostControl, scene: Scene, process: Process, missed: list[str]
) -> list[str]:
    """The dumps of dockerd and, where that has a part in it, of containerd."""
    kept: list[str] = []
    if why := takes_no_signal(scene):
        missed.append(f"no goroutine dump: {why}")
    else:
        kept += _stacks(control, Service.DOCKERD, process, missed)
    containerd = control.main_process(Service.CONTAINERD) if blames_containerd(scene) else None
    if containerd and control.dump_dirs(Service.CONTAINERD):
        kept += _stacks(control, Service.CONTAINERD, containerd, missed)
    return kept


def blames_containerd(scene: Scene) -> bool:
    """Whether containerd hangs, or a container that it may have to answer for."""
    silent = scene.readings.get("containerd.answered") is False
    return silent or scene.number("locks.stuck") > 0


def _stacks(control: HostControl, which: Service, process: Process, missed: list[str]) -> list[str]:
    """The dump that comes of one SIGUSR1, if any; why there is none goes to `missed`."""
    none = f"no goroutine dump of {which}" if which is Service.CONTAINERD else "no goroutine dump"
    if not TAKES_IT[which](process):
        missed.append(f"{none}: its unit runs {process.name}, which SIGUSR1 would end")
        return []
    with _piece(none, missed):
        before = set(_dumps(control, which))
        control.signal(process, SIGUSR1)
        dump = _wait_for_dump(control, which, process, before)
        if dump is None:
            missed.append(f"{none}: SIGUSR1 was not taken, or nothing was written")
            return []
        with _piece(f"{dump} stays where it is", missed):
            return [str(control.keep_copy(dump))]
    return []


def _wait_for_dump(
    control: HostControl, which: Service, process: Process, before: set[tuple[Path, int]]
) -> Path | None:
    """The new dump once it no longer grows; None when the signal is not even taken."""
    began = control.now().mono
    size = -1
    while (waited := control.now().mono - began) < DUMP_S:
        control.pause(0.25)
        new = sorted(set(_dumps(control, which)) - before)
        if new:
            dump = new[-1][0]
            grown = dump.stat().st_size
            if grown == size and grown > 0:
                return dump
            size = grown
        elif waited > DEAF_S and SIGUSR1 in control.vitals(process).pending:
            return None
    return None


def _dumps(control: HostControl, which: Service) -> Iterator[tuple[Path, int]]:
    """With the time of their last change: containerd writes to the same file again."""
    for directory in control.dump_dirs(which):
        for path in directory.glob(NAMES[which]):
            with contextlib.suppress(OSError):
                yield path, path.stat().st_mtime_ns


RUNG = Rung(
    name="dump-stacks",
    help="keep the evidence: goroutine stacks, /proc state, the journal's last lines",
    impact=lambda _: Impact.NONE,
    settle_s=lambda _: 0.0,
    run=run,
)
