"""Follows a daemon's event stream for as long as the process lives. In: an Address. Out: its tally.

One daemon thread reads and does nothing else, so that the daemon never waits for us: it drops
what a subscriber has not taken within 100 ms, beyond a buffer of 1,024. A second one asks: a list
after each break of the stream, and the containers that events leave in doubt. After a break the
stream is opened again, since the last event seen (the daemon keeps 256), with growing pauses.
Silence is no fault: an idle host has no events. Whether the daemon hangs is for the ping to say.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from urllib.parse import quote

from dockerdoctor.errors import HostFault
from dockerdoctor.host import answers, http
from dockerdoctor.host.address import Address
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.nouns import CANARY, EventTally
from dockerdoctor.host.seen import Answer
from dockerdoctor.host.stream import MAX_EVENT, Event, Lines, decode
from dockerdoctor.host.tally import Tally
from dockerdoctor.host.wire import Wire, broke_off
from dockerdoctor.model import Fault

OPEN_TIMEOUT_S = 10.0
LIST_TIMEOUT_S = 10.0
INSPECT_TIMEOUT_S = 2.0
INSPECTS_A_LOOK = 8
LOOK_EVERY_S = 1.0
SETTLED_S = 5.0
"""A stream that lived as long as this was a good one: the pauses start small again."""
MAX_PAUSE_S = 5.0
REMEMBERED = 512
"""Twice what the daemon keeps and may send again."""
_FILTERS = {
    "type": ["container", "network"],
    "event": ["create", "start", "die", "destroy", "connect", "disconnect", "health_status"],
}


class EventWatch:
    """The event stream of one daemon. The first `tally` opens it; `stop` ends it."""

    def __init__(
        self,
        address: Address,
        wall: Callable[[], float] = time.time,
        asleep: Callable[[], str] = str,
    ) -> None:
        """`asleep` says why nobody may connect now, if so; it may raise HostFault."""
        self._address = address
        self._asleep = asleep
        self._engine = Engine(address)
        self._wall = wall
        self._lock = threading.Lock()
        self._tally = Tally()
        self._recent: deque[Event] = deque(maxlen=REMEMBERED)
        self._opened_nano = 0
        self._last_nano = 0
        self._wire: Wire | None = None
        self._alive = False
        self._fault = ""
        self._opened = 0
        self._opened_seq = 0
        self._listed = 0
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def tally(self) -> EventTally:
        """Everything seen so far. Returns at once."""
        with self._lock:
            if not self._threads and not self._stopped.is_set():
                for target in (self._follow, self._ask):
                    thread = threading.Thread(target=target, name="events", daemon=True)
                    self._threads.append(thread)
                    thread.start()
            return self._tally.snapshot(self._wall(), self._alive, self._fault)

    def take_images(self) -> dict[str, float]:
        """When images were used, by the events since the last call: see `Tally.take_images`."""
        with self._lock:
            return self._tally.take_images()

    def garbled_total(self) -> int:
        """Events that made no sense and were skipped."""
        with self._lock:
            return self._tally.garbled_total

    def stop(self) -> None:
        """End the stream; both threads end soon after."""
        self._stopped.set()
        with self._lock:
            if self._wire is not None:
                self._wire.close()

    def _follow(self) -> None:
        # Only who follows needs it: `check` does not, and answers 10 ms sooner.
        from tenacity import RetryError, Retrying, retry_if_exception_type
        from tenacity.nap import sleep_using_event
        from tenacity.stop import stop_when_event_set
        from tenacity.wait import wait_exponential, wait_random

        while not self._stopped.is_set():
            retrying = Retrying(
                retry=retry_if_exception_type(HostFault),
                wait=wait_exponential(multiplier=0.1, max=MAX_PAUSE_S) + wait_random(0, 0.5),
                stop=stop_when_event_set(self._stopped),
                sleep=sleep_using_event(self._stopped),
            )
            try:
                retrying(self._follow_once)
            except RetryError:
                return

    def _follow_once(self) -> None:
        """One stream from its opening to its break. Raises HostFault unless it lived SETTLED_S."""
        opened_at = math.inf
        try:
            self._wake_nobody()
            with Wire(self._address, OPEN_TIMEOUT_S) as wire:
                stream, head = self._open(wire)
                opened_at = time.monotonic()
                self._read(stream.pieces(head))
                raise broke_off(self._address)
        except HostFault as fault:
            with self._lock:
                self._alive, self._wire, self._fault = False, None, fault.sentence
            if time.monotonic() - opened_at < SETTLED_S:
                raise

    def _wake_nobody(self) -> None:
        """A stream lives on for seconds in a daemon that is being stopped and listens no more (API
        drain of 28.5): whoever connects then would start it again."""
        if why := self._asleep():
            raise HostFault(Fault.REFUSED, why)

    def _open(self, wire: Wire) -> tuple[http.Stream, http.Head]:
        wire.send(http.request_bytes("GET", _target(self._last_nano or self._opened_nano)))
        stream = http.Stream(wire.receive, self._address)
        head = stream.head()
        if head.status != 200:
            body = b"".join(stream.body(head, http.MAX_HEAD))
            raise answers.not_granted(http.Answer(head, body, 0.0), self._address)
        wire.deadline = math.inf
        with self._lock:
            if self._stopped.is_set():
                wire.close()
            self._alive, self._wire, self._fault = True, wire, ""
            self._opened += 1
            self._opened_seq = self._tally.sequence()
            self._tally.gaps_total = self._opened - 1
            self._opened_nano = self._opened_nano or int(self._wall() * 1e9)
        return stream, head

    def _read(self, pieces: Iterator[bytes]) -> None:
        lines = Lines(MAX_EVENT)
        again = frozenset(self._recent)
        for piece in pieces:
            whole = lines.feed(piece)
            now = self._wall()
            with self._lock:
                self._tally.garbled_total += lines.take_dropped()
                for line in whole:
                    self._take(line, now, again)

    def _take(self, line: bytes, now: float, again: frozenset[Event]) -> None:
        event = decode(line)
        if event is None:
            self._tally.garbled_total += 1
        elif event not in again and self._tally.fold(event, now):
            self._recent.append(event)
            self._last_nano = max(self._last_nano, event.nano)

    def _ask(self) -> None:
        """List after each opening, and clear up doubts. A failed list is tried again."""
        while not self._stopped.wait(LOOK_EVERY_S):
            with self._lock:
                opened, seq = self._opened, self._tally.sequence()
                doubts = self._tally.doubts(self._wall()) if self._alive else []
            with contextlib.suppress(HostFault):
                if opened > self._listed and self._alive:
                    self._list(seq, count=opened > 1)
                    self._listed = opened
                for ident in doubts[:INSPECTS_A_LOOK]:
                    self._wake_nobody()
                    answer = self._look_at(ident)
                    with self._lock:
                        self._tally.settle(ident, answer)

    def _list(self, seq: int, count: bool) -> None:
        """Raises HostFault."""
        self._wake_nobody()
        listed = self._engine.containers(LIST_TIMEOUT_S)
        found = [each for each in listed if each.name != CANARY]
        with self._lock:
            self._tally.reconcile(found, seq, count, self._opened_seq)

    def _look_at(self, ident: str) -> Answer:
        try:
            return (
                Answer.FAILED
                if self._engine.start_error(ident, INSPECT_TIMEOUT_S)
                else Answer.LYING
            )
        except HostFault as fault:
            return Answer.BUSY if fault.fault is Fault.TIMEOUT else Answer.GONE


def _target(since_nano: int) -> str:
    filters = quote(json.dumps(_FILTERS))
    if not since_nano:
        return f"/events?filters={filters}"
    seconds, nano = divmod(since_nano, 1_000_000_000)
    return f"/events?since={seconds}.{nano:09d}&filters={filters}"
