"""What the lab's tests show of each failure mode, written down for the README's table.

In: tests with a marker, `@pytest.mark.fault("F5", "containerd-hung", "restart-containerd")`: the
failure's name in tools/failures.toml, the rule or hold that must recognise it, and what must be
done (left out when people are told and nothing is done). Out: docs/faults.json, where
DOCKERDOCTOR_FAULTS names it: what was run is written anew, all else stays as it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.lab import tree

WORST = ("failed", "passed", "skipped")
"""Of several outcomes of one test on one suite (its phases, its cases), the first of these."""
EMPTY: dict[str, Any] = {"engines": dict.fromkeys(tree.SUITES, ""), "tests": []}


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
        self._claims: set[Claim] = set()
        self._went: dict[Claim, dict[str, str]] = {}

    def collected(self, items: Sequence[pytest.Item]) -> None:
        """These tests are there, whether they are selected or not."""
        self._claims.update(claim for item in items for claim in claims(item))

    def saw(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """One phase of one test is over; a set-up that passed says nothing."""
        if report.when != "call" and report.passed:
            return
        for claim in claims(item):
            went = self._went.setdefault(claim, {})
            suite = str(item.callspec.params["suite"])  # type: ignore[attr-defined]
            outcomes = {went.get(suite, report.outcome), report.outcome}
            went[suite] = next(each for each in WORST if each in outcomes)

    def write(self, path: Path, version: Callable[[str], str]) -> None:
        """Put it into the file; what a collected file claims no more is dropped. `version` tells
        that of a suite's engine."""
        told = json.loads(path.read_text("utf-8")) if path.exists() else EMPTY
        files = {_file(claim) for claim in self._claims}
        before = {
            Claim(*(each[field] for field in Claim._fields)): each["on"] for each in told["tests"]
        }
        shown = {
            claim: on
            for claim, on in before.items()
            if claim in self._claims or _file(claim) not in files
        }
        shown |= {claim: {**shown.get(claim, {}), **on} for claim, on in self._went.items()}
        suites = {suite for went in self._went.values() for suite in went}
        told = {
            "engines": told["engines"] | {suite: version(suite) for suite in sorted(suites)},
            "tests": [{**claim._asdict(), "on": on} for claim, on in sorted(shown.items())],
        }
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _file(claim: Claim) -> str:
    return claim.test.partition("::")[0]


def engine(suite: str) -> str:
    """The version of a suite's engine, without what Debian adds to it."""
    status = (tree.tree(suite) / "var/lib/dpkg/status").read_text("utf-8")
    package = status.partition("Package: docker.io\n")[2]
    return package.partition("\nVersion: ")[2].partition("\n")[0].partition("+")[0]


def wanted() -> Path | None:
    """Where to write it; None when nobody asked."""
    named = os.environ.get("DOCKERDOCTOR_FAULTS")
    return Path(named) if named else None
