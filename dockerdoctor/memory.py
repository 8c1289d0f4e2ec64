"""What cannot be asked of a hung daemon: who ran, and whether containers outlive it. And what a
running watchdog cannot be asked: why it keeps still.

The answers of the last good look and each decision go in, kept in the store over a restart of ours;
a scene without holes comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from dockerdoctor.host.nouns import Container
from dockerdoctor.model import Decision, Held, Hold, Readings, Value
from dockerdoctor.store import Store

FACTS = ("api.live_restore", "api.swarm", "api.version")
"""Readings of `/info` that hold until the daemon says otherwise."""
HELD = "held"
"""The fact that tells the hold of now: a Held, or null."""
NO_HOLD = ("well", "told", "gave-up")
"""Reasons to do nothing that the incidents tell already."""


def lasting(container: Container) -> Container:
    """Without what each inspect tells anew: it would be written down each time."""
    if container.checked_at or container.hangs_since is not None:
        return replace(container, checked_at=0.0, hangs_since=None)
    return container


class Memory:
    """The last good look's answers, and the last hold."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._roster: Sequence[Container] | None = None
        self.running = store.recall("running", tuple[Container, ...]) or ()
        self._pid: Value | None = None
        self._facts: Readings = store.recall("facts", dict[str, Value]) or {}
        self._held = store.recall(HELD, Held)

    def keep(self, roster: Sequence[Container], readings: Readings) -> None:
        """Take what a good look has told; the store writes it only when it is new."""
        if roster is not self._roster:
            self._roster = roster
            running = tuple(lasting(each) for each in roster if each.state == "running")
            if running != self.running:
                self.running = running
                self._store.remember("running", running)
        told = {name: readings[name] for name in FACTS if name in readings}
        if told and told != self._facts:
            self._facts = told
            self._store.remember("facts", told)

    def is_another_daemon(self, readings: Readings) -> bool:
        """Whether another dockerd answers than the last one that did; true once for each."""
        pid = readings.get("process.pid")
        if pid is None or pid == self._pid or readings.get("ping.answered") is not True:
            return False
        before, self._pid = self._pid, pid
        return before is not None

    def fill(self, readings: Readings) -> Readings:
        """The readings, with what is remembered in the place of what was not seen."""
        return {**self._facts, **readings}

    def hold(self, decision: Decision, now: float) -> None:
        """Take why nothing is done (`now` is wall clock); written only when the reason is new, as
        some sentences count seconds."""
        if not isinstance(decision, Hold) or decision.reason in NO_HOLD:
            self._held = None
        elif self._held is None or self._held.reason != decision.reason:
            self._held = Held(decision.reason, decision.why, now)
        self._store.remember(HELD, self._held)
