"""What the daemon itself answers, without ever waking one that somebody stopped.

Deadlines go in; answers come out, and what they add up to: its data-root, and the containers with
what their last inspects told.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host import clock
from dockerdoctor.host.address import Address
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.growth import GrowthWatch
from dockerdoctor.host.keeper import Keeper, running
from dockerdoctor.host.lanes import MAX_HANGING
from dockerdoctor.host.nouns import CANARY, Container, EngineInfo, Pong, Service
from dockerdoctor.host.peers import Listening
from dockerdoctor.host.roster import merge_roster, with_inspected
from dockerdoctor.host.traces import Builds
from dockerdoctor.model import Fault


class Asked:
    """One daemon, asked through its API; HostView says what each question is."""

    def __init__(
        self,
        address: Address,
        keeper: Keeper | None,
        engine: Engine,
        growth: GrowthWatch,
        elsewhere: Callable[[], str] = str,
    ) -> None:
        """`keeper` is None for a daemon that is not the keeper's: nobody is woken there.
        `elsewhere` says where the daemon listens, if that is not at this address."""
        self._address = address
        self._keeper = keeper
        self._engine = engine
        self._growth = growth
        self._elsewhere = elsewhere
        self._listening = Listening(Path(address.path))
        self._lock = threading.Lock()
        """Of the three below: probes of different paces tell them."""
        self._roster: Mapping[str, Container] = {}
        self._rows: Sequence[Container] = ()
        self._answered: dict[str, float] = {}
        self.data_root: Path | None = None
        """As the daemon last told it."""

    def wake_nobody(self) -> None:
        """HostFault(REFUSED) where a connection would start a daemon that somebody stopped."""
        if why := self.asleep():
            raise HostFault(Fault.REFUSED, why, "start it if that is what you want")

    def asleep(self) -> str:
        """Why nobody may connect."""
        if self._keeper is None or not self._address.local:
            return ""
        process = running(self._keeper, Service.DOCKERD)
        listens = process is not None and self._listening.held_by(process)
        return self._keeper.asleep(listens)

    def ping(self, timeout_s: float) -> Pong:
        self.wake_nobody()
        try:
            pong = self._engine.ping(timeout_s)
        except HostFault as fault:
            self._tell_keeper(False)
            if fault.fault in (Fault.MISSING, Fault.REFUSED) and (why := self._elsewhere()):
                raise HostFault(
                    Fault.GARBLED, why, "name its socket: host in [daemon] of the configuration"
                ) from fault
            raise
        self._tell_keeper(True)
        return pong

    def _tell_keeper(self, answered: bool) -> None:
        if self._keeper is not None:
            self._keeper.answered(answered)

    def info(self, timeout_s: float) -> EngineInfo:
        self.wake_nobody()
        info = self._engine.info(timeout_s)
        self.data_root = info.data_root
        counters = {"goroutines": info.goroutines, "listeners": info.listeners, "fds": info.fds}
        self._growth.saw_info(info.version, counters, clock.now().mono)
        return info

    def builds(self, timeout_s: float) -> Builds:
        self.wake_nobody()
        # A prune that only a later look sees has begun since the one before it.
        seen = self._engine.builds(timeout_s, ages=self._growth.saw_no_builds_yet)
        return self._growth.saw_builds(seen, clock.now().mono)

    def waiting(self, timeout_s: float) -> int:
        self.wake_nobody()
        return self._engine.waiting(timeout_s)

    def containers(self, timeout_s: float) -> Sequence[Container]:
        self.wake_nobody()
        listed = self._engine.containers(timeout_s)
        # Our own canary is nobody's to start again, or to miss.
        theirs = [one for one in listed if one.name != CANARY]
        with self._lock:
            self._become(merge_roster(self._roster, theirs))
            for gone in self._answered.keys() - self._roster.keys():
                del self._answered[gone]
        return listed

    def container(self, ident: str, timeout_s: float) -> Container:
        self.wake_nobody()
        try:
            found = self._engine.container(ident, timeout_s)
        except HostFault:
            if since := self._engine.hangs_since(ident):
                self._hangs(ident, since)
            raise
        self._told(found.id, found)
        return replace(found, inspected=True)

    def inspect(self, idents: Sequence[str], timeout_s: float, within_s: float) -> None:
        self.wake_nobody()
        if self._engine.hanging() >= MAX_HANGING:
            return  # one more that is late could not be waited for, and be asked anew each time
        end = clock.now().mono + within_s
        with contextlib.closing(self._engine.inspects(idents, timeout_s)) as answers:
            for ident in idents:
                try:
                    self._told(ident, next(answers))
                except HostFault as fault:
                    if fault.fault is Fault.TIMEOUT:
                        with contextlib.suppress(HostFault):
                            self.container(ident, timeout_s)  # hangs, and is waited for
                        return
                    raise
                if clock.now().mono >= end:
                    return

    def _told(self, ident: str, found: Container | None) -> None:
        with self._lock:
            self._answered[ident] = clock.now().mono
            if found is not None:
                self._become(with_inspected(self._roster, found))

    def _hangs(self, ident: str, since: float) -> None:
        with self._lock:
            known = self._roster.get(ident)
            if known is None:
                return
            # One that is answered late, however often, is slow and does not hang.
            late = self._engine.answered_late(ident)
            if known.hangs_since is None or known.hangs_since < late:
                self._become({**self._roster, ident: replace(known, hangs_since=since)})

    def answered(self) -> Mapping[str, float]:
        with self._lock:
            return dict(self._answered)

    def roster(self) -> Sequence[Container]:
        return self._rows

    def _become(self, roster: Mapping[str, Container]) -> None:
        if roster is not self._roster:
            self._roster, self._rows = roster, tuple(roster.values())
