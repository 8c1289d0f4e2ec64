"""The bytes of an event stream. In: pieces as they come. Out: whole lines, and an `Event` of each.

Pure. Only what is used is decoded: labels, which come with each event of a container, cost nothing.
"""

from __future__ import annotations

import msgspec

MAX_EVENT = 1 << 18
"""Bytes of the longest event that is looked at: hundreds of times an honest one."""

MAX_REFERENCE = 512
"""Characters of an image's name; docker takes 255, a tag of 128 and a digest."""


class Event(msgspec.Struct, frozen=True):
    """One event. `at` is in s since the epoch; `ident` is the container's id, also for an event of
    a network, whose own id is `network`."""

    kind: str
    action: str
    ident: str
    nano: int
    name: str = ""
    network: str = ""
    image: str = ""
    """What the container was made of, as its maker wrote it: a reference, or (part of) an id."""

    @property
    def at(self) -> float:
        """Seconds since the epoch."""
        return self.nano / 1e9


class _Attributes(msgspec.Struct):
    name: str = ""
    container: str = ""
    image: str = ""


class _Actor(msgspec.Struct):
    id: str = msgspec.field(name="ID")
    attributes: _Attributes | None = msgspec.field(name="Attributes", default=None)


class _Line(msgspec.Struct):
    kind: str = msgspec.field(name="Type")
    action: str = msgspec.field(name="Action")
    actor: _Actor = msgspec.field(name="Actor")
    nano: int = msgspec.field(name="timeNano")


_decoder = msgspec.json.Decoder(_Line)


def decode(line: bytes) -> Event | None:
    """One line of the stream; None when it is no event that a daemon would send."""
    try:
        raw = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    attributes = raw.actor.attributes or _Attributes()
    is_network = raw.kind == "network"
    ident = attributes.container if is_network else raw.actor.id
    if not 0 < raw.nano < 1 << 63 or len(ident) > 256:
        return None
    if is_network:
        return Event(raw.kind, raw.action, ident, raw.nano, network=raw.actor.id[:64])
    name, image = attributes.name[:128], attributes.image[:MAX_REFERENCE]
    return Event(raw.kind, raw.action, ident, raw.nano, name=name, image=image)


class Lines:
    """Cuts a stream into lines, and drops those longer than `longest` bytes."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = b""
        self._skips = False
        self._dropped = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that `piece` completes, without the empty ones."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if self._skips and lines:
            del lines[0]
            self._skips = False
        if self._skips or len(self._rest) > self._longest:
            self._dropped += not self._skips
            self._skips, self._rest = True, b""
        return [line for line in lines if line]

    def take_dropped(self) -> int:
        """How many lines were dropped since this was last asked."""
        dropped, self._dropped = self._dropped, 0
        return dropped
