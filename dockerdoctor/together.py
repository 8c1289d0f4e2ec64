"""Several looks at once, none of which holds up the others: works by name go in, results come out.

Each runs in a thread of its own (`workers`), which is left behind when it hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Set
from functools import partial
from typing import Generic, TypeVar

from dockerdoctor.host import workers

PATIENCE_S = 8.5
"""From the beginning: a command on a daemon that hangs must be done within 10 s, its start and its
printing included."""
Result = TypeVar("Result")


class Together(Generic[Result]):
    """Works under way and done. A work must not raise: what it could not do is a result too."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is monotonic, s."""
        self._now = now
        self._began = now()
        self._out: set[str] = set()
        self._done: dict[str, Result] = {}
        self._change = threading.Condition()

    def begin(self, works: Mapping[str, Callable[[], Result]]) -> None:
        """All of these, now."""
        for name, work in works.items():
            self._out.add(name)
            workers.run(partial(self._run, name, work), f"look-{name}")

    def wait(self, until_s: float, wanted: Set[str] | None = None) -> None:
        """Until the wanted ones (None: all) are back, or `until_s` after the beginning."""
        with self._change:
            while self._out if wanted is None else self._out & wanted:
                if (left := until_s - self.passed_s()) <= 0:
                    return
                self._change.wait(left)

    def done(self) -> dict[str, Result]:
        """What is back."""
        with self._change:
            return dict(self._done)

    def out(self) -> frozenset[str]:
        """What is not."""
        with self._change:
            return frozenset(self._out)

    def passed_s(self) -> float:
        """Since the beginning."""
        return self._now() - self._began

    def _run(self, name: str, work: Callable[[], Result]) -> None:
        result = work()
        with self._change:
            self._done[name] = result
            self._out.discard(name)
            self._change.notify_all()
