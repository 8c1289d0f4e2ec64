"""When images were last used: events, and a roster now and then, go in; moments by name come out.

Kept in the store, so that a restart of the watchdog forgets nothing; small: one moment for each of
the images used last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from dockerdoctor.allowed import ANY, Allowed
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.storage.layerdb import familiar
from dockerdoctor.record import Record
from dockerdoctor.store import Store

FACT = "image_use"
WRITE_S = 3600.0
"""How often it is written down: the grace time is days."""
KEPT = 500
NOTHING: Mapping[str, float] = {}


def recalled(record: Record) -> Mapping[str, float]:
    """What was seen, and is on record."""
    return {name: at for name, at in _known(record).items() if name != ANY}


def begin(store: Store, now: float) -> None:
    """A watchdog sees from now on (wall clock, s), or has seen before, which images are used."""
    known = _known(store)
    if known.get(ANY, now + 1) > now:
        store.remember(FACT, known | {ANY: now})


def _known(record: Record) -> dict[str, float]:
    return record.recall(FACT, dict[str, float]) or {}


class Uses:
    """The moments, in memory and in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.last: dict[str, float] = _known(store)
        self._written = float("-inf")
        self._roster: Sequence[Container] = ()
        self._images: frozenset[str] = frozenset()

    def see(
        self, roster: Sequence[Container], now: float, used: Mapping[str, float] = NOTHING
    ) -> None:
        """Containers as they are now (wall clock, s), and what events told of those that were there
        in between. A new image is written down at once."""
        if roster is not self._roster:
            self._roster = roster
            self._images = frozenset(familiar(each.image) for each in roster if each.image)
        seen = {familiar(reference): at for reference, at in used.items()}
        seen |= dict.fromkeys(self._images, now)
        new = not seen.keys() <= self.last.keys()
        self.last |= {each: max(at, self.last.get(each, 0.0)) for each, at in seen.items()}
        if new or not 0 <= now - self._written < WRITE_S:
            latest = sorted(self.last.items(), key=lambda item: (item[0] != ANY, -item[1]))
            self.last = dict(latest[:KEPT])
            self._store.remember(FACT, self.last)
            self._written = now


class Room(Struct, frozen=True):
    """What is needed to make room on a full disk."""

    allowed: Allowed
    uses: Uses
