"""Climb one rung, then look until the daemon is well or the rung's time is over.

What goes in is a decision to climb; what comes out is the attempt as it is on record. "Began" is on
disk before the rung acts, and only the probes say cured: several good looks in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from dockerdoctor import aftermath
from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import HostControl
from dockerdoctor.judge import GOOD_LOOKS, Judgement
from dockerdoctor.model import Attempt, Climb, Health, Impact, Incident
from dockerdoctor.store import Store

BRING_BACK = "bring-back"
"""What is on record, beside the rungs, of the containers that are started again."""
SLACK_S = 1.0
"""Between what two clocks say of a rung and of the start that it asked for."""
LATE_S = 60.0
"""More time for a cure that has begun to show when the rung's time is over."""


class Seen(Struct, frozen=True):
    """One look during a climb."""

    judgement: Judgement
    scene: Scene


def climb(
    step: Climb,
    incident: str,
    rungs: Mapping[str, Rung],
    control: HostControl,
    scene: Scene,
    look: Callable[[], Seen],
    store: Store,
) -> Attempt:
    """Climb and look. `look` paces itself and takes one look at each call."""
    rung = rungs[step.rung]
    attempt = Attempt(rung.name, control.now().wall, rung.impact(scene))
    store.began(incident, attempt)
    note = _act(rung, control, scene)
    cured, why = False, note.futile
    if not note.futile:
        deadline = control.now().mono + rung.settle_s(scene)
        cured, why = _watch(step, rung, deadline, control, look)
    says = f"{note.says}; {why}" if why else note.says
    done = replace(
        attempt, ended=control.now().wall, cured=cured, note=says, evidence=note.evidence
    )
    store.ended(incident, done)
    return done


def _act(rung: Rung, control: HostControl, scene: Scene) -> Note:
    try:
        return rung.run(control, scene)
    except HostFault as fault:
        return Note(f"could not: {fault.sentence}")
    except Exception as bug:  # noqa: BLE001  the climb is on record: it must end there too
        return Note(f"failed by a bug of ours: {type(bug).__name__}: {bug}")


def _watch(
    step: Climb, rung: Rung, deadline: float, control: HostControl, look: Callable[[], Seen]
) -> tuple[bool, str]:
    """Whether the finding went away and stayed away, and why the looking ended if it did not."""
    good, looked = 0, False
    while (now := control.now().mono) < deadline or (good and now < deadline + LATE_S):
        seen, looked = look(), True
        good = _good_looks(step, seen)
        if good >= GOOD_LOOKS:
            return True, ""
        if not good and (why := rung.hopeless(seen.scene)):
            return False, why
    return False, "not well when its time was over" if looked else ""


def _good_looks(step: Climb, seen: Seen) -> int:
    """In a row, without what called for this climb. None while blind, nor while the unit is not up
    to stay: a daemon that dies still answers pings while it waits for its containers."""
    up = seen.scene.word("unit.active_state") == "active" and not seen.scene.word("unit.job")
    if seen.judgement.verdict.health is Health.BLIND or not up:
        return 0
    return seen.judgement.watched[step.finding.rule].good


def bring_back(
    incident: Incident, control: HostControl, scene: Scene, store: Store
) -> Attempt | None:
    """After a cure by a costly rung: start again what ran before it; None when there is nothing to
    do, as all of it runs. `scene` is the one in which the rung was climbed."""
    costly = [each for each in incident.attempts if each.costly]
    if not costly or not scene.policy.bring_back or _all_run(control, scene):
        return None
    attempt = Attempt(BRING_BACK, control.now().wall, Impact.NONE)
    store.began(incident.id, attempt)
    try:
        done = aftermath.bring_back(control, scene.running, costly[0].began)
        says, whole = done.says, not done.lost
    except HostFault as fault:
        says, whole = f"could not: {fault.sentence}", False
    ended = replace(attempt, ended=control.now().wall, cured=whole, note=says)
    store.ended(incident.id, ended)
    return ended


def restarted_since(incident: Incident, scene: Scene, now: float) -> bool:
    """Whether the daemon of now (wall clock, s) was started after the first costly rung."""
    costly = [each.began for each in incident.attempts if each.costly]
    return bool(costly) and scene.number("unit.since_start_s", now) <= now - costly[0] + SLACK_S


def _all_run(control: HostControl, scene: Scene) -> bool:
    try:
        return aftermath.all_run(control, scene.running)
    except HostFault:
        return False
