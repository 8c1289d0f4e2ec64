"""Calls that may block in the kernel for ever (a dead NFS server, a task in D state), bounded.

In goes a call and a deadline, out comes its value, its own error, or HostFault(TIMEOUT). The call
that hangs keeps its daemon thread; nobody starts a second one for the same key beside it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from dockerdoctor.errors import HostFault
from dockerdoctor.model import Fault

T = TypeVar("T")


def _fly(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        value = work()
    except BaseException as error:  # noqa: BLE001 (handed over to whoever waits for it)
        future.set_exception(error)
    else:
        future.set_result(value)


class Bounded:
    """Runs each call in a thread of its own; calls of one key at the same time share one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, tuple[float, Future[Any]]] = {}

    def call(self, key: str, timeout_s: float, work: Callable[[], T]) -> T:
        """The value of `work()`, or what it raised. HostFault(TIMEOUT) after `timeout_s`, and at
        once while an earlier call of this key has hung for longer than that."""
        began, future = self._flight(key, work)
        waited = time.monotonic() - began
        if not future.done() and waited > timeout_s:
            raise HostFault(Fault.TIMEOUT, f"{key} has not come back for {waited:.0f} s")
        try:
            value: T = future.result(timeout_s)
        except TimeoutError:
            if future.done():  # the call itself ended with a time-out of its own
                raise
            raise HostFault(
                Fault.TIMEOUT, f"{key} did not come back within {timeout_s:g} s"
            ) from None
        return value

    def _flight(self, key: str, work: Callable[[], T]) -> tuple[float, Future[Any]]:
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None and not flight[1].done():
                return flight
            flight = (time.monotonic(), Future())
            self._flights[key] = flight
        threading.Thread(
            target=_fly, args=(flight[1], work), name=f"bounded {key}", daemon=True
        ).start()
        return flight
