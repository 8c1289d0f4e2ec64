"""The act of `disk reclaim --apply`: step by step, each on record before it is done."""

from __future__ import annotations

import sys

from msgspec import Struct
from msgspec.structs import replace

from dockerdoctor.allowed import Allowed, Step
from dockerdoctor.cli.progress import Progress
from dockerdoctor.config import Config
from dockerdoctor.errors import DoctorError
from dockerdoctor.host import clock
from dockerdoctor.host.linux import LinuxHost
from dockerdoctor.host.lock import held
from dockerdoctor.host.nouns import DiskUse
from dockerdoctor.host.signals import Patience
from dockerdoctor.model import BY_HAND, Attempt, Impact, Incident, Outcome, Severity
from dockerdoctor.reclaim import STAT_S, Done, Plan, Room, carry_out, fullness, low_enough
from dockerdoctor.record import Record
from dockerdoctor.store import Store, incident_id
from dockerdoctor.units import plain, plain_bytes

RUNG = "reclaim"


class Reclaimed(Struct, frozen=True):
    """What came of it."""

    incident: str
    """Its id on record; empty where nothing could be written."""
    done: tuple[Done, ...]
    use: DiskUse
    enough: bool
    stopped: bool


def reclaim(config: Config, host: LinuxHost, room: Room, plan: Plan, allowed: Allowed) -> Reclaimed:
    """Carry out the plan. Busy when another one is at it. Ctrl-C ends it between two steps."""
    with held(config.watch.run_dir / "reclaim.lock", "reclaim"):
        store = Store.open(config.watch.record, host.now())
        progress = Progress(lambda: clock.now().mono, sys.stderr)
        patience = Patience()
        try:
            came = _reclaim(_Journal(store, host, room), plan, allowed, progress, patience)
        finally:
            progress.done()
            patience.restore()
            store.shut()
            for note in store.take_notes():
                progress.say(note)
    return came if _is_on_record(config, came.incident) else replace(came, incident="")


def _is_on_record(config: Config, incident: str) -> bool:
    """The disk may have refused all of it."""
    try:
        return Record(config.watch.record).incident(incident) is not None
    except DoctorError:
        return False


def _reclaim(
    journal: _Journal,
    plan: Plan,
    allowed: Allowed,
    progress: Progress,
    patience: Patience,
) -> Reclaimed:
    before = journal.use()
    journal.open(before)

    def enough() -> bool:
        return patience.wished or low_enough(journal.use(), allowed)

    def ended(done: Done) -> None:
        journal.ended(done)
        told = done.why or f"gone, {plain_bytes(done.step.frees.bytes)}"
        progress.say(f"{done.step.what.kind} {done.step.name}: {told}")
        if patience.wished:
            progress.say("ends here, as you wished")

    done = carry_out(plan.steps, journal.host, enough, journal.began, ended)
    after = journal.use()
    met = low_enough(after, allowed)
    journal.close(before, after, met, patience.wished)
    return Reclaimed(journal.incident.id, done, after, met, patience.wished)


class _Journal:
    """One incident, one attempt for each step."""

    def __init__(self, store: Store, host: LinuxHost, room: Room) -> None:
        self._store = store
        self._room = room
        self.host = host
        self._attempt = Attempt(RUNG, 0.0, Impact.NONE)
        now = host.now().wall
        self.incident = Incident(incident_id(now), now, BY_HAND, "disk reclaim", Severity.INFO)

    def use(self) -> DiskUse:
        """How full it is there now."""
        return self.host.disk(self._room.path, STAT_S)

    def open(self, use: DiskUse) -> None:
        """Close what a reclaim that was killed left open, then begin."""
        for left in self._store.open_incidents():
            if left.rule == BY_HAND:
                why = "it was cut off; what was done by then is above"
                self._store.close(left.id, self.incident.opened, Outcome.GAVE_UP, why)
        says = f"disk reclaim: {self._room.name} is {plain(use.used_ratio, 'ratio')} full"
        self.incident = replace(self.incident, says=says)
        self._store.open_incident(self.incident)

    def began(self, step: Step) -> None:
        note = f"{step.what.kind} {step.name} ({plain_bytes(step.frees.bytes)})"
        self._attempt = Attempt(RUNG, self.host.now().wall, Impact.NONE, note=note)
        self._store.began(self.incident.id, self._attempt)

    def ended(self, done: Done) -> None:
        note = f"{self._attempt.note}: {done.why or 'gone'}"
        attempt = replace(self._attempt, ended=self.host.now().wall, cured=False, note=note)
        self._store.ended(self.incident.id, attempt)
        self._store.retry()  # the full disk may have been its own

    def close(self, before: DiskUse, after: DiskUse, met: bool, stopped: bool) -> None:
        freed = max(0, after.free_bytes - before.free_bytes)
        full = plain(fullness(after), "ratio")
        why = f"{plain_bytes(freed)} given back, now {full} full"
        if not met:
            how = "stopped by its user before it was enough" if stopped else "not enough"
            why = f"{how}: {why}"
        outcome = Outcome.CURED if met else Outcome.GAVE_UP
        self._store.close(self.incident.id, self.host.now().wall, outcome, why)
