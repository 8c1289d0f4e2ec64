"""When images were last seen in use: a roster goes in now and then, moments by reference come out.

Kept in the store, so that a restart of the watchdog forgets nothing; small: one moment for each of
the images used last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dockerdoctor.allowed import Allowed
from dockerdoctor.host.nouns import Container
from dockerdoctor.record import Record
from dockerdoctor.store import Store

FACT = "image_use"
WRITE_S = 3600.0
"""How often it is written down: the grace time is days."""
KEPT = 500


def recalled(record: Record) -> Mapping[str, float]:
    """What is on record."""
    return record.recall(FACT, dict[str, float]) or {}


class Uses:
    """The moments, in memory and in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.last: dict[str, float] = dict(recalled(store))
        self._written = float("-inf")
        self._roster: Sequence[Container] = ()
        self._images: frozenset[str] = frozenset()

    def see(self, roster: Sequence[Container], now: float) -> None:
        """Containers as they are now (wall clock, s). A new image is written down at once."""
        if roster is not self._roster:
            self._roster = roster
            self._images = frozenset(each.image for each in roster if each.image)
        new = not self._images <= self.last.keys()
        self.last |= dict.fromkeys(self._images, now)
        if new or not 0 <= now - self._written < WRITE_S:
            latest = sorted(self.last.items(), key=lambda item: -item[1])[:KEPT]
            self.last = dict(latest)
            self._store.remember(FACT, self.last)
            self._written = now


@dataclass(frozen=True, slots=True)
class Room:
    """What is needed to make room on a full disk."""

    allowed: Allowed
    uses: Uses
