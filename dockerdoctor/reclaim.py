"""A plan to give back what is needed of a full data-root, and no more.

In: a `Survey`, how full the file system is, what the operator allows, when images were used last.
Out: a `Plan`. Pure; that what is planned is still true is checked again when it is done.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from dockerdoctor.allowed import Allowed, Step
from dockerdoctor.errors import HostFault
from dockerdoctor.host.imagestore import DRIVER
from dockerdoctor.host.nouns import DiskUse, Place
from dockerdoctor.host.removal import BUSY
from dockerdoctor.host.storage.facts import NOTHING, Kind, Survey, Usage, sum_of
from dockerdoctor.host.view import HostControl, HostView
from dockerdoctor.model import Fault
from dockerdoctor.regret import Scene, stages

STAT_S = 5.0
IN_THE_STORE = (Kind.DANGLING, Kind.CACHE, Kind.IMAGE)
"""What lies in containerd's root, where the daemon keeps its images there."""
PLACES = {Kind.TMP: "tmp", Kind.LOG: "containers", Kind.VOLUME: "volumes"}
"""Directories of the data-root; all else lies in the storage driver's."""


class Room(Struct, frozen=True):
    """A file system to make room on, how it is called, and what lies on it."""

    path: Path
    name: str
    kinds: Collection[Kind]


def room(view: HostView, found: Survey) -> Room:
    """Where room is wanted most: on the data-root's file system, or on that of containerd's root,
    where the images lie there and it is another one. HostFault when they cannot be looked at."""
    root, store = (view.places()[each] for each in (Place.DATA_ROOT, Place.CONTAINERD))
    whole = Room(root, "the data-root", lying_on(view, root, found.driver))
    if found.driver != DRIVER:
        return whole
    ours, theirs = view.disk(root, STAT_S), view.disk(store, STAT_S)
    if ours.device == theirs.device:
        return whole
    if fullness(theirs) > fullness(ours):
        return Room(store, "containerd's root", IN_THE_STORE)
    return replace(whole, kinds=[kind for kind in whole.kinds if kind not in IN_THE_STORE])


def lying_on(view: HostView, root: Path, driver: str) -> list[Kind]:
    """What gives something back to the data-root's file system: not what lies in a directory where
    another one is mounted. HostFault when the data-root cannot be looked at."""
    device = view.disk(root, STAT_S).device
    names = {kind: PLACES.get(kind, driver) for kind in Kind}
    away: set[str] = set()
    for name in set(names.values()):
        with contextlib.suppress(HostFault):  # it is not there, or as dead as the data-root is not
            if view.disk(root / name, STAT_S).device != device:
                away.add(name)
    return [kind for kind in Kind if names[kind] not in away]


def fullness(use: DiskUse) -> float:
    """The used share of its bytes or of its inodes, whichever is greater."""
    return max(use.used_ratio, use.inodes_used_ratio)


class Plan(Struct, frozen=True):
    """What to do, in order; `need` is to be freed, `short` is what the steps cannot free."""

    full: bool
    """Whether the file system is above the start mark at all."""
    need: Usage
    steps: tuple[Step, ...] = ()
    short: Usage = NOTHING
    spared: tuple[tuple[str, int], ...] = ()
    """Why things that could be removed are not, each with how many."""

    @property
    def frees(self) -> Usage:
        """All steps together."""
        return sum_of(step.frees for step in self.steps)


def need(use: DiskUse, stop_ratio: float) -> Usage:
    """What must go until neither bytes nor inodes are above `stop_ratio`."""
    if use.used_ratio < 1:
        capacity = use.free_bytes / (1 - use.used_ratio)
    else:
        capacity = float(use.total_bytes)
    over = capacity * (use.used_ratio - stop_ratio)
    inodes_over = use.inodes_total * (use.inodes_used_ratio - stop_ratio)
    return Usage(max(0, int(over + 0.5)), max(0, int(inodes_over + 0.5)))


def plan(
    survey: Survey,
    use: DiskUse,
    allowed: Allowed,
    uses: Mapping[str, float],
    now: float,
    steady: bool = True,
    daemon: bool = True,
    kinds: Collection[Kind] = tuple(Kind),
    without: Collection[str] = (),
) -> Plan:
    """The steps until the target is met by their own figures. `uses` tells when an image was last
    seen in use, by id or reference (wall clock, as `now`). `steady` False: the daemon started a
    short while ago, so that stopped containers may be those that have not come back yet. `daemon`
    False: it does not answer, and only what needs none is planned. `kinds` lie where room is
    wanted. `without`: what could not be removed, by its ident."""
    full = fullness(use) >= allowed.start_ratio
    wanted = need(use, allowed.stop_ratio) if full else NOTHING
    before = now - allowed.grace_s
    scene = Scene(survey, allowed, uses, before, steady, Counter(), kinds, _brimful(use))
    steps: list[Step] = []
    left = wanted
    for stage in stages(scene, daemon):
        for step in stage(left):
            if not (left.bytes or left.inodes):
                break
            if step.what.ident in without:
                continue
            steps.append(step)
            left = _less(left, step.frees)
    return Plan(full, wanted, tuple(steps), left, tuple(sorted(scene.spared.items())))


BRIMFUL_BYTES = 1 << 20
BRIMFUL_INODES = 64


def _brimful(use: DiskUse) -> bool:
    """Whether a daemon may not be able to write down what it removes."""
    few = use.inodes_total * (1 - use.inodes_used_ratio) < BRIMFUL_INODES
    return use.free_bytes < BRIMFUL_BYTES or (use.inodes_total > 0 and few)


def _less(left: Usage, freed: Usage) -> Usage:
    return Usage(max(0, left.bytes - freed.bytes), max(0, left.inodes - freed.inodes))


REMOVE_S = 120.0
"""For one removal: an image with tens of thousands of files on a slow disk."""
PING_S = 5.0
BUSY_TRIES = 12
BUSY_S = 5.0
"""Between two tries while somebody else prunes or removes: a minute in all, not for each step."""
HOPELESS = (Fault.MISSING, Fault.DENIED)
"""There is no daemon, or it is not for us to ask."""


class Done(Struct, frozen=True):
    """How one step ended: `why` it was not done, empty when it was."""

    step: Step
    why: str = ""
    late: bool = False
    """It had not ended when its time was over; dockerd may still be at it."""


def carry_out(
    steps: Sequence[Step],
    control: HostControl,
    enough: Callable[[], bool],
    began: Callable[[Step], None] = lambda _: None,
    ended: Callable[[Done], None] = lambda _: None,
) -> tuple[Done, ...]:
    """One step after the other until there is `enough` room. A step that cannot be done is told in
    its Done; a daemon that no longer answers ends it.

    One that answers and yet does not end a removal is not asked for more of that kind: a single
    container that hangs keeps dockerd from deleting any image (seen on 20.10, 26.1 and 28.5)."""
    done: list[Done] = []
    waits = iter(range(BUSY_TRIES))
    for step in steps:
        if enough():
            break
        if step.what.kind in {each.step.what.kind for each in done if each.late}:
            continue
        began(step)
        why, fault = _remove(step, control, waits)
        done.append(Done(step, why, fault is Fault.TIMEOUT))
        ended(done[-1])
        if fault in HOPELESS or (fault is Fault.TIMEOUT and not _answers(control)):
            break
    return tuple(done)


def _remove(step: Step, control: HostControl, waits: Iterator[int]) -> tuple[str, Fault | None]:
    """Why it was not removed; with the fault, where it is one. `waits`: how often to wait yet."""
    while True:
        try:
            return control.remove(step.what, REMOVE_S), None
        except HostFault as fault:
            if not any(words in fault.sentence for words in BUSY):
                return fault.sentence, fault.fault
            if next(waits, None) is None:
                return f"somebody else is at it, and was waited for ({fault.sentence})", None
            control.pause(BUSY_S)


def _answers(control: HostControl) -> bool:
    try:
        control.ping(PING_S)
    except HostFault:
        return False
    return True


def low_enough(use: DiskUse, allowed: Allowed) -> bool:
    """Whether both bytes and inodes are at the stop mark."""
    return fullness(use) <= allowed.stop_ratio
