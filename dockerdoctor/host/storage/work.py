"""What the parts of one survey share: what measures, what is remembered, and the time."""

from __future__ import annotations

from msgspec import Struct

from dockerdoctor.host.storage.facts import NOTHING, Usage
from dockerdoctor.host.storage.opened import Directory
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.walk import BLOCK, Walk


class Work(Struct):
    """One survey under way."""

    walk: Walk
    remembered: Remembered
    now: float
    """When it began: wall clock, s."""
    measure: bool = True
    hands: int = 1
    """Processes that may measure at once."""
    recall: bool = False
    """Whether databases may be taken from memory: to show what there is, never to act on it."""

    def tree(self, parent: Directory, name: str, told: str = "") -> Usage:
        """As `Walk.tree`; nothing where nothing is measured."""
        return self.walk.tree(parent, name, told) if self.measure else NOTHING


def itself(parent: Directory, name: str) -> Usage:
    """A thing without what is below it; nothing when it is gone."""
    try:
        return Usage(parent.stat(name).st_blocks * BLOCK, 1)
    except OSError:
        return NOTHING
