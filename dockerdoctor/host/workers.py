"""Threads that are used again: a function goes in, and runs beside its caller.

To make a thread costs 0.3 ms of CPU, to wake one a quarter of that: on a quiet host it was a sixth
of all that the watchdog used. A thread that hangs is not idle, so that the next function gets
another; all are daemon threads, which nobody waits for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

Work: TypeAlias = Callable[[], object]

KEPT = 4
"""Idle threads; more than that end when they have done their work."""

_idle: list[SimpleQueue[tuple[Work, str]]] = []
os.register_at_fork(after_in_child=_idle.clear)  # a child has none of our threads


def run(work: Work, name: str) -> None:
    """Run `work`, which raises nothing, in a thread that is called `name` meanwhile."""
    try:
        todo = _idle.pop()
    except IndexError:
        todo = SimpleQueue()
        threading.Thread(target=_serve, args=(todo,), daemon=True).start()
    todo.put((work, name))


def _serve(todo: SimpleQueue[tuple[Work, str]]) -> None:
    while True:
        work, name = todo.get()
        threading.current_thread().name = name
        work()
        del work  # and all that it holds
        if len(_idle) >= KEPT:
            return
        _idle.append(todo)
