"""All checks at once: checks and a view go in, what each has found comes out, in time.

They begin when the examination is made, beside the look of the probes, and end with `results`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from msgspec import Struct

from dockerdoctor.declare import Check, Clue
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault
from dockerdoctor.together import PATIENCE_S, Together


class Examined(Struct, frozen=True):
    """One check's result: clues, or why it could not look."""

    check: Check
    clues: tuple[Clue, ...] = ()
    fault: Fault | None = None
    detail: str = ""


class Examination:
    """Checks under way."""

    def __init__(self, checks: Iterable[Check], view: HostView) -> None:
        self._checks = {check.name: check for check in checks}
        self._looks: Together[Examined] = Together(lambda: view.now().mono)
        self._looks.begin({name: partial(run, each, view) for name, each in self._checks.items()})

    def results(self) -> Mapping[str, Examined]:
        """Of each check by name, at the latest when its time is over."""
        for check in self._checks.values():
            self._looks.wait(min(check.timeout_s, PATIENCE_S), {check.name})
        late = f"not done within {self._looks.passed_s():.0f} s"
        done = self._looks.done()
        return {
            name: done.get(name) or Examined(check, (), Fault.TIMEOUT, late)
            for name, check in self._checks.items()
        }


def run(check: Check, view: HostView) -> Examined:
    """One of them. Whatever happens, a result comes back."""
    try:
        return Examined(check, tuple(check.run(view)))
    except HostFault as fault:
        return Examined(check, (), fault.fault, fault.sentence)
    except Exception as bug:  # noqa: BLE001  a check's mistake must not hide what others found
        return Examined(check, (), Fault.BUG, f"{type(bug).__name__}: {bug}")
