"""Placeholder until the engine's branch brings the real one: the same signatures, no stream."""

from __future__ import annotations

from dockerdoctor.host.address import Address
from dockerdoctor.host.view import EventTally


class EventWatch:
    """The event stream's tally."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def tally(self) -> EventTally:
        """What was seen so far."""
        return EventTally(False, 0, 0, 0, 0, 0, fault="the event stream is not built yet")

    def stop(self) -> None:
        """End it."""
