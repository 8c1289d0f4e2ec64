"""The README's table of failures claims what tests of the lab have shown, and nothing else."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dockerdoctor.rules import Catalogue, load_rules, shipped_rules
from tests.lab.showing import Book
from tests.values import READINGS, RUNGS
from tools import faulttable
from tools.faulttable import Row, Shown

ROOT = Path(__file__).parents[1]
RULES = {rule.name for rule in load_rules([shipped_rules()], Catalogue(READINGS, RUNGS))}
CAUSES = ("hold: ", "nothing: ")


def markers() -> Iterator[tuple[str, ...]]:
    """The arguments of every `pytest.mark.fault(…)` of the lab, in the source."""
    for path in sorted((ROOT / "tests/lab").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                yield tuple(ast.literal_eval(word) for word in node.args)


def test_every_failure_is_shown_by_a_test_or_says_why_not() -> None:
    claimed = {marker[0] for marker in markers()}
    assert claimed == {row.name for row in faulttable.failures(ROOT) if not row.unshown}


def test_nothing_is_in_the_table_that_no_test_claims_any_more() -> None:
    _, shown = faulttable.results(ROOT)
    ran = {tuple(word for word in (each.fault, each.found, each.did) if word) for each in shown}
    assert ran <= set(markers()), "run: make table"


def test_what_recognises_a_failure_is_a_shipped_rule_or_a_hold() -> None:
    _, shown = faulttable.results(ROOT)
    rules = {each.found for each in shown} | {row.rule for row in faulttable.failures(ROOT)}
    assert {rule for rule in rules if rule and not rule.startswith(CAUSES)} <= RULES


def test_no_engine_has_failed() -> None:
    _, shown = faulttable.results(ROOT)
    assert not [each.test for each in shown if "failed" in each.on.values()]


def test_a_cell_says_how_it_was_shown() -> None:
    shown = [
        Shown("a", "F1", "hung", "restart", {"old": "passed", "new": "failed"}),
        Shown("b", "F1", "hung", "", {"old": "skipped"}),
    ]
    cells = faulttable.cells(Row("F1", "it hangs"), shown, ["old", "new", "next"])
    assert cells == ["it hangs", "`hung`", "restart; told", "✓", "✗", "–"]
    cells = faulttable.cells(Row("F3", "NFS", "nfs-silent", "needs NFS"), [], ["old"])
    assert cells == ["NFS", "`nfs-silent`", "told; not shown: needs NFS", "text"]


def ran(book: Book, fault: str, suite: str, outcome: str) -> None:
    """A test of this file's own telling went so on a suite."""
    item: Any = SimpleNamespace(
        nodeid=f"tests/lab/test_x.py::test_{fault}[{suite}]",
        callspec=SimpleNamespace(params={"suite": suite}),
        iter_markers=lambda _: [SimpleNamespace(args=(fault, "hung", "restart"))],
    )
    book.collected([item])
    report = SimpleNamespace(when="call", outcome=outcome, passed=outcome == "passed")
    book.saw(item, cast(pytest.TestReport, report))


def told(path: Path) -> dict[str, dict[str, str]]:
    """What the file says, by failure."""
    return {each["fault"]: each["on"] for each in json.loads(path.read_text())["tests"]}


def test_a_run_changes_what_it_ran_and_drops_what_is_claimed_no_more(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    first, second = Book(), Book()
    ran(first, "F1", "old", "passed")
    ran(first, "F2", "old", "passed")
    first.write(path, lambda _: "1.0")
    assert told(path) == {"F1": {"old": "passed"}, "F2": {"old": "passed"}}
    ran(second, "F1", "new", "failed")
    ran(second, "F1", "new", "passed")
    second.write(path, lambda _: "2.0")
    assert told(path) == {"F1": {"old": "passed", "new": "failed"}}
    assert json.loads(path.read_text())["engines"]["new"] == "2.0"
