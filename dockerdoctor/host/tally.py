"""What the event stream amounts to. In: one event after the other. Out: an `EventTally`.

Pure: no clock, no socket. How a start shows in the stream was read off real engines (20.10.24,
26.1.5, 28.5.2; the recordings are in tests/events):

- a start that works: [network connect], start. 28 connects the network only after the runtime has
  created the container, so there connect to start is the last part of the start alone;
- one that fails in the runtime: 20.10 and 26: network connect, network disconnect; 28: network
  disconnect alone; with the network of another container: nothing at all. None sends `die`;
- a death: 20.10: die, network disconnect; 26 and 28: network disconnect, die.

A start counts from `create` only when the client went on to start at once (`RUN_WITHIN_S`), or
the daemon was seen to be at it; a container that was created and left lying counts from its
network's connect. What events do not tell is a doubt: `doubts` names the containers to ask for,
`settle` takes the answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from dockerdoctor.host.nouns import CANARY, Container, EventTally, Start
from dockerdoctor.host.seen import (
    RUN_WITHIN_S,
    Answer,
    Launch,
    Phase,
    Seen,
    attempts,
    began,
    connected,
    healthy,
)
from dockerdoctor.host.stream import Event

SUSPECT_AFTER_S = 1.0
MAX_SKEW_S = 86400.0
"""An event further away from our clock than this is not believed."""
KEPT_S = 3600.0
MAX_KEPT = 2048
MAX_SEEN = 20_000
MAX_DOUBTS = 4096
MAX_IMAGES = 1024
_RUNNING = frozenset({"running", "paused"})


class Tally:
    """Counts starts and failures over a stream of events. Bounded, whatever comes. One thread at a
    time."""

    def __init__(self) -> None:
        self.events_total = 0
        self.garbled_total = 0
        self.gaps_total = 0
        self.reconciled_total = 0
        self.starts_total = 0
        self.failed_starts_total = 0
        self._seen: dict[str, Seen] = {}
        self._doubts: dict[str, float] = {}
        self._starts: deque[Launch] = deque(maxlen=MAX_KEPT)
        self._failures: deque[float] = deque(maxlen=MAX_KEPT)
        self._images: dict[str, float] = {}
        self._canaries: deque[str] = deque(maxlen=8)
        """Our own: an event of their network tells no name."""

    def fold(self, event: Event, now: float) -> bool:
        """Take one event in. `now` (wall clock, s) only tells whether its time can be believed;
        False when it cannot."""
        if abs(event.at - now) > MAX_SKEW_S:
            self.garbled_total += 1
            return False
        self.events_total += 1
        if event.name == CANARY:
            self._canaries.append(event.ident)
        if event.ident and event.ident not in self._canaries:
            if event.image and (event.image in self._images or len(self._images) < MAX_IMAGES):
                self._images[event.image] = min(event.at, now)
            self._fold(event)
        return True

    def take_images(self) -> dict[str, float]:
        """When a container of each image was last made, started or ended (wall clock, s), by what
        its maker called it; of the events since this was last asked."""
        taken, self._images = self._images, {}
        return taken

    def doubts(self, now: float) -> list[str]:
        """Ids of containers whose state the events leave open, and which it is time to ask for."""
        return [ident for ident, due in self._doubts.items() if due <= now]

    def settle(self, ident: str, answer: Answer) -> None:
        """Take in what asking for a doubtful container showed; it is not asked for again until
        new events make it doubtful."""
        self._doubts.pop(ident, None)
        seen = self._seen.get(ident)
        if seen is None or seen.phase in (Phase.RUNNING, Phase.STARTING):
            return
        if answer is Answer.FAILED and (seen.suspects or seen.asked is None):
            at = seen.suspect_at if seen.suspects else seen.created_at
            for _ in range(attempts(seen.suspects)):
                self._failed(seen, at)
        seen.phase = Phase.IDLE
        seen.suspects = None
        seen.asked = answer

    def reconcile(
        self, listed: Iterable[Container], seq: int, count: bool, opened: int | None = None
    ) -> None:
        """Put right what `listed` shows otherwise than the events did, except for containers with
        events later than `seq` (`sequence` when the list was asked for), and for starts that were
        seen to begin after `opened` (when the stream was opened): their end is yet to come.
        `count`: after a gap; not so for the first list, which only tells what was there before
        us."""
        since = seq if opened is None else opened
        found: set[str] = set()
        for container in listed:
            found.add(container.id)
            runs = container.state in _RUNNING
            seen = self._seen.get(container.id)
            if seen is None:
                seen = self._add(container.id, container.name[:128])
                wrong = True
            elif seen.seq > (since if seen.phase is Phase.STARTING else seq):
                continue
            else:
                wrong = runs != (seen.phase is Phase.RUNNING)
            self.reconciled_total += wrong and count
            if wrong or seen.phase is Phase.STARTING:
                self._put_right(container.id, seen, runs)
        for ident in [i for i, seen in self._seen.items() if i not in found and seen.seq <= seq]:
            self.reconciled_total += count
            self._forget(ident)

    def sequence(self) -> int:
        """A number that grows with each event."""
        return self.events_total

    def snapshot(self, now: float, alive: bool, fault: str) -> EventTally:
        """Everything so far; starts and failures of the hour before `now`."""
        since = now - KEPT_S
        return EventTally(
            alive=alive,
            events_total=self.events_total,
            gaps_total=self.gaps_total,
            reconciled_total=self.reconciled_total,
            starts_total=self.starts_total,
            failed_starts_total=self.failed_starts_total,
            starts=tuple(
                Start(one.container, one.at, one.took_s, one.healthy_s)
                for one in self._starts
                if one.at >= since
            ),
            failures_at=tuple(at for at in self._failures if at >= since),
            fault=fault,
        )

    def _fold(self, event: Event) -> None:
        action = event.action
        if event.kind == "network":
            if action == "connect":
                connected(self._touch(event), event.at)
            elif action == "disconnect":
                self._disconnected(self._touch(event), event)
        elif event.kind != "container":
            return
        elif action == "start":
            self._started(self._touch(event), event)
        elif action == "create":
            self._created(event)
        elif action == "die":
            self._died(self._touch(event), event)
        elif action == "destroy":
            self._destroyed(event)
        elif action == "health_status: healthy":
            healthy(self._touch(event), event.at)

    def _touch(self, event: Event) -> Seen:
        seen = self._seen.get(event.ident)
        if seen is None:
            seen = self._add(event.ident, event.name)
        elif event.name:
            seen.name = event.name
        seen.seq = self.events_total
        return seen

    def _add(self, ident: str, name: str) -> Seen:
        if len(self._seen) >= MAX_SEEN:
            self._forget(next(iter(self._seen)))
        seen = self._seen[ident] = Seen(name, Phase.IDLE)
        return seen

    def _forget(self, ident: str) -> None:
        self._seen.pop(ident, None)
        self._doubts.pop(ident, None)

    def _doubt(self, ident: str, due: float) -> None:
        if ident in self._doubts or len(self._doubts) < MAX_DOUBTS:
            self._doubts[ident] = due

    def _created(self, event: Event) -> None:
        self._forget(event.ident)
        seen = self._touch(event)
        seen.created_at = event.at
        self._doubt(event.ident, event.at + RUN_WITHIN_S)

    def _started(self, seen: Seen, event: Event) -> None:
        self.starts_total += 1
        since = began(seen, event.at)
        seen.launch = None
        if since is not None:
            if event.at >= since:
                seen.launch = Launch(seen.name or event.ident[:12], event.at, event.at - since)
                self._starts.append(seen.launch)
            else:
                self.garbled_total += 1  # the clock went back in between
        seen.phase = Phase.RUNNING
        seen.created_at = seen.connected_at = seen.suspects = seen.asked = None
        seen.left = False
        self._doubts.pop(event.ident, None)

    def _died(self, seen: Seen, event: Event) -> None:
        if seen.phase is Phase.STARTING:
            self._failed(seen, event.at)
        elif seen.phase is Phase.RUNNING:
            seen.phase = Phase.IDLE if seen.left else Phase.ENDING
        seen.left = False
        seen.launch = None

    def _disconnected(self, seen: Seen, event: Event) -> None:
        if seen.phase is Phase.RUNNING:
            seen.left = True
        elif seen.phase is Phase.STARTING:
            self._failed(seen, event.at)
        elif seen.phase is Phase.IDLE:
            seen.suspects = [*(seen.suspects or [])[-64:], event.network]
            seen.suspect_at = event.at
            self._doubt(event.ident, event.at + SUSPECT_AFTER_S)

    def _destroyed(self, event: Event) -> None:
        seen = self._seen.get(event.ident)
        if seen is not None and seen.suspects and seen.created_at is not None:
            # `run --rm` of a command that is not there: removed before anybody could ask.
            for _ in range(attempts(seen.suspects)):
                self._failed(seen, event.at)
        self._forget(event.ident)

    def _failed(self, seen: Seen, at: float | None) -> None:
        self.failed_starts_total += 1
        if at is not None:
            self._failures.append(at)
        seen.phase = Phase.ENDING
        seen.connected_at = None
        seen.asked = Answer.FAILED

    def _put_right(self, ident: str, seen: Seen, runs: bool) -> None:
        seen.phase = Phase.RUNNING if runs else Phase.IDLE
        seen.created_at = seen.connected_at = seen.suspects = seen.launch = None
        seen.left = False
        self._doubts.pop(ident, None)
