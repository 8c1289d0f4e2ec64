"""What the lab's tests show of each failure mode, written down for the README's table.

In: tests with a marker, `@pytest.mark.fault("F5", "containerd-hung", "restart-containerd")`: the
failure's name in tools/failures.toml, the rule or hold that must recognise it, and what must be
done (left out when people are told and nothing is done). Out: docs/faults.json, where
DOCKERDOCTOR_FAULTS names it: what was run is written anew, all else stays as it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lab import tree

WORST = ("failed", "passed", "skipped")
"""Of several outcomes of one test on one suite (its phases, its cases), the first of these."""


class Claim(NamedTuple):
    """A test, and the arguments of one of its markers."""

    test: str
    fault: str
    found: str
    did: str = ""


def claims(item: pytest.Item) -> Iterator[Claim]:
    """What a test claims to show."""
    for marker in item.iter_markers("fault"):
        yield Claim(item.nodeid.partition("[")[0], *marker.args)


class Book:
    """Collects outcomes by suite while tests run."""

    def __init__(self) -> None:
        self._went: dict[Claim, dict[str, str]] = {}

    def saw(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """One phase of one test is over; a set-up that passed says nothing."""
        if report.when != "call" and report.passed:
            return
        for claim in claims(item):
            went = self._went.setdefault(claim, {})
            suite = str(item.callspec.params["suite"])  # type: ignore[attr-defined]
            outcomes = {went.get(suite, report.outcome), report.outcome}
            went[suite] = next(each for each in WORST if each in outcomes)

    def write(self, path: Path, collected: Sequence[pytest.Item]) -> None:
        """Put it into the file; what a collected test claims no more is dropped."""
        made = [claim for item in collected for claim in claims(item)]
        here = {item.nodeid.partition("[")[0] for item in collected}
        before = _read(path)
        kept = {claim: on for claim, on in before.items() if claim.test not in here}
        again = {claim: {**before.get(claim, {}), **self._went.get(claim, {})} for claim in made}
        tests = [{**claim._asdict(), "on": on} for claim, on in sorted({**kept, **again}.items())]
        engines = {name: suite.engine for name, suite in tree.SUITES.items()}
        told = json.dumps({"engines": engines, "tests": tests}, indent=1, ensure_ascii=False)
        path.write_text(told + "\n", "utf-8")


def _read(path: Path) -> Mapping[Claim, dict[str, str]]:
    if not path.exists():
        return {}
    told = json.loads(path.read_text("utf-8"))["tests"]
    return {Claim(*(each[field] for field in Claim._fields)): each["on"] for each in told}


def wanted() -> Path | None:
    """Where to write it; None when nobody asked."""
    named = os.environ.get("DOCKERDOCTOR_FAULTS")
    return Path(named) if named else None
