"""By what `top` sorts what grows; light, as the command line declares it."""

from __future__ import annotations

import enum


class Sort(enum.StrEnum):
    """What comes first: the fastest, the largest, or by name."""

    GROWTH = "growth"
    SIZE = "size"
    NAME = "name"

    @property
    def next(self) -> Sort:
        """The one that a key press leads to."""
        every = list(Sort)
        return every[(every.index(self) + 1) % len(every)]
