"""The act of `disk reclaim --apply`: step by step, each on record before it is done."""

from __future__ import annotations

import sys

from msgspec import Struct
from msgspec.structs import replace

from dockerdoctor.allowed import Allowed, Step
from dockerdoctor.cli.progress import Progress
from dockerdoctor.config import Config
from dockerdoctor.host import clock
from dockerdoctor.host.linux import LinuxHost
from dockerdoctor.host.lock import held
from dockerdoctor.host.nouns import DiskUse, Place
from dockerdoctor.host.signals import Patience
from dockerdoctor.model import BY_HAND, Attempt, Impact, Incident, Outcome, Severity
from dockerdoctor.reclaim import Done, Plan, carry_out, low_enough
from dockerdoctor.store import Store, incident_id
from dockerdoctor.units import plain, plain_bytes

RUNG = "reclaim"
STAT_S = 5.0


class Reclaimed(Struct, frozen=True):
    """What came of it."""

    incident: str
    done: tuple[Done, ...]
    use: DiskUse
    enough: bool
    stopped: bool


def reclaim(config: Config, host: LinuxHost, plan: Plan, allowed: Allowed) -> Reclaimed:
    """Carry out the plan. Busy when another one is at it. Ctrl-C ends it between two steps."""
    with held(config.watch.run_dir / "reclaim.lock", "reclaim"):
        store = Store.open(config.watch.record, host.now())
        progress = Progress(lambda: clock.now().mono, sys.stderr)
        patience = Patience()
        try:
            return _reclaim(_Journal(store, host), host, plan, allowed, progress, patience)
        finally:
            progress.done()
            patience.restore()
            store.shut()
            for note in store.take_notes():
                progress.say(note)


def _reclaim(
    journal: _Journal,
    host: LinuxHost,
    plan: Plan,
    allowed: Allowed,
    progress: Progress,
    patience: Patience,
) -> Reclaimed:
    root = host.places()[Place.DATA_ROOT]
    before = host.disk(root, STAT_S)
    journal.open(before)

    def enough() -> bool:
        return patience.wished or low_enough(host.disk(root, STAT_S), allowed)

    def ended(done: Done) -> None:
        journal.ended(done)
        told = done.why or f"gone, {plain_bytes(done.step.frees.bytes)}"
        progress.say(f"{done.step.what.kind} {done.step.name}: {told}")
        if patience.wished:
            progress.say("ends here, as you wished")

    done = carry_out(plan.steps, host, enough, journal.began, ended)
    after = host.disk(root, STAT_S)
    met = low_enough(after, allowed)
    journal.close(before, after, met, patience.wished)
    return Reclaimed(journal.incident.id, done, after, met, patience.wished)


class _Journal:
    """One incident, one attempt for each step."""

    def __init__(self, store: Store, host: LinuxHost) -> None:
        self._store = store
        self._host = host
        self._attempt = Attempt(RUNG, 0.0, Impact.NONE)
        now = host.now().wall
        self.incident = Incident(incident_id(now), now, BY_HAND, "disk reclaim", Severity.INFO)

    def open(self, use: DiskUse) -> None:
        """Close what a reclaim that was killed left open, then begin."""
        for left in self._store.open_incidents():
            if left.rule == BY_HAND:
                why = "it was cut off; what was done by then is above"
                self._store.close(left.id, self.incident.opened, Outcome.GAVE_UP, why)
        says = f"disk reclaim: the data-root is {plain(use.used_ratio, 'ratio')} full"
        self.incident = replace(self.incident, says=says)
        self._store.open_incident(self.incident)

    def began(self, step: Step) -> None:
        note = f"{step.what.kind} {step.name} ({plain_bytes(step.frees.bytes)})"
        self._attempt = Attempt(RUNG, self._host.now().wall, Impact.NONE, note=note)
        self._store.began(self.incident.id, self._attempt)

    def ended(self, done: Done) -> None:
        note = f"{self._attempt.note}: {done.why or 'gone'}"
        attempt = replace(self._attempt, ended=self._host.now().wall, cured=False, note=note)
        self._store.ended(self.incident.id, attempt)
        self._store.retry()  # the full disk may have been its own

    def close(self, before: DiskUse, after: DiskUse, met: bool, stopped: bool) -> None:
        freed = max(0, after.free_bytes - before.free_bytes)
        full = plain(max(after.used_ratio, after.inodes_used_ratio), "ratio")
        why = f"{plain_bytes(freed)} given back, now {full} full"
        if not met:
            how = "stopped by its user before it was enough" if stopped else "not enough"
            why = f"{how}: {why}"
        outcome = Outcome.CURED if met else Outcome.GAVE_UP
        self._store.close(self.incident.id, self._host.now().wall, outcome, why)
