"""What cannot be asked of a hung daemon: who ran, and whether containers outlive it.

The answers of the last good look go in, kept in the store over a restart of ours; a scene without
holes comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from dockerdoctor.host.nouns import Container
from dockerdoctor.model import Readings, Value
from dockerdoctor.store import Store

FACTS = ("api.live_restore", "api.swarm", "api.version")
"""Readings of `/info` that hold until the daemon says otherwise."""


class Memory:
    """The last good look's answers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._roster: Sequence[Container] | None = None
        self.running = store.recall("running", tuple[Container, ...]) or ()
        self._facts: Readings = store.recall("facts", dict[str, Value]) or {}

    def keep(self, roster: Sequence[Container], readings: Readings) -> None:
        """Take what a good look has told; the store writes it only when it is new."""
        if roster != self._roster:
            self._roster = roster
            self.running = tuple(each for each in roster if each.state == "running")
            self._store.remember("running", self.running)
        told = {name: readings[name] for name in FACTS if name in readings}
        if told and told != self._facts:
            self._facts = told
            self._store.remember("facts", told)

    def fill(self, readings: Readings) -> Readings:
        """The readings, with what is remembered in the place of what was not seen."""
        return {**self._facts, **readings}
