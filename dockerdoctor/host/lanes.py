"""Calls that may never return, at most one of a kind under way.

In: a kind, a function, a time-out (s). Out: what the function returned in time, or HostFault
(TIMEOUT). The function runs in a daemon thread, which is left behind when it is late: neither the
caller nor the end of the process waits for it. While it hangs, further calls of its kind fail at
once: a question that hangs costs the daemon a goroutine, and asking it each few seconds is how a
watchdog becomes a leak.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from dockerdoctor.errors import HostFault
from dockerdoctor.host import workers
from dockerdoctor.model import Fault

MAX_HANGING = 16
DAEMON = "something that the daemon waits for hangs: containerd, a container's lock, a disk"
MACHINE = "a file system or a process of this machine hangs: see `dmesg` and the mounts"
Result = TypeVar("Result")


class _Call(Generic[Result]):
    """One run of a function in its thread; `late` once its caller has given up."""

    def __init__(self, kind: str, work: Callable[[], Result]) -> None:
        self.kind = kind
        self.began = time.monotonic()
        self.late = False
        self.done = threading.Event()
        self.result: Result | None = None
        self.error: BaseException | None = None
        self._work = work

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001 raised again in the caller's thread
            self.error = error


class Lanes:
    """One lane for each kind of call. Safe for use by several threads. `hint` is what may hang."""

    def __init__(self, hint: str = DAEMON) -> None:
        self._hint = hint
        self._lock = threading.Lock()
        self._under_way: dict[str, _Call[object]] = {}
        self._late: dict[str, float] = {}

    def run(self, kind: str, work: Callable[[], Result], timeout_s: float) -> Result:
        """`work()`, or HostFault(TIMEOUT) after `timeout_s`, at once while an earlier one hangs.

        A call that meets another of its kind in good time waits for its turn. What `work` raises
        is raised here."""
        deadline = time.monotonic() + timeout_s
        call = self._enter(_Call(kind, work), deadline, timeout_s)
        workers.run(lambda: self._drive(call), kind)
        if not call.done.wait(deadline - time.monotonic()):
            call.late = True
            raise self._hangs(kind, timeout_s)
        if call.error is not None:
            raise call.error
        return call.result  # type: ignore[return-value]  # set: it is done without an error

    def late_answer(self, kind: str) -> float:
        """When (monotonic, s) a call of this kind was answered after its caller had given up on it,
        the last time; -inf where none was. It was slow then, and did not hang."""
        with self._lock:
            return self._late.get(kind, -math.inf)

    def hanging(self) -> int:
        """How many calls hang, given up by their callers."""
        with self._lock:
            return sum(call.late for call in self._under_way.values())

    def hangs_since(self, kind: str) -> float | None:
        """When a call of this kind began that its caller has given up on (monotonic clock, s); None
        when none is under way."""
        with self._lock:
            call = self._under_way.get(kind)
            return call.began if call is not None and call.late else None

    def _enter(self, call: _Call[Result], deadline: float, timeout_s: float) -> _Call[Result]:
        while True:
            with self._lock:
                other = self._under_way.get(call.kind)
                if other is None:
                    self._refuse_a_crowd(call.kind)
                    self._under_way[call.kind] = call  # type: ignore[assignment]
                    return call
            if other.late:
                since_s = time.monotonic() - other.began
                raise HostFault(
                    Fault.TIMEOUT, f"{call.kind} still hangs since {since_s:.0f} s", self._hint
                )
            if not other.done.wait(max(0.0, deadline - time.monotonic())):
                raise self._hangs(call.kind, timeout_s)

    def _refuse_a_crowd(self, kind: str) -> None:
        hanging = sum(call.late for call in self._under_way.values())
        if hanging >= MAX_HANGING:
            raise HostFault(
                Fault.TIMEOUT,
                f"{kind} is not tried: {hanging} other calls hang already",
                self._hint,
            )

    def _drive(self, call: _Call[Result]) -> None:
        call.run()
        with self._lock:
            del self._under_way[call.kind]
            self._late.pop(call.kind, None)
            if call.late and call.error is None:
                self._late[call.kind] = time.monotonic()
        call.done.set()

    def _hangs(self, kind: str, timeout_s: float) -> HostFault:
        return HostFault(Fault.TIMEOUT, f"{kind} has not ended within {timeout_s:g} s", self._hint)
