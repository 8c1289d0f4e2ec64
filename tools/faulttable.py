"""Makes the README's table of failure modes: what recognises each, what is done, on which engine.

In: `tools/failures.toml`, the failures; `docs/faults.json`, what the lab's tests showed, as
`make table` wrote it. Nothing is claimed that no test showed, unless the table says so.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN = "<!-- made by tools/faulttable.py: begin -->"
END = "<!-- made by tools/faulttable.py: end -->"
SHOWN, BROKEN, UNSEEN = "✓", "✗", "–"
TEXT = "text"
TOLD, NOTHING = "told", "nothing"


@dataclass(frozen=True, slots=True)
class Row:
    """One failure mode of the catalogue; `rule` and `unshown` where no test of the lab shows it."""

    name: str
    says: str
    rule: str = ""
    unshown: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one test showed of a failure: by which rule or hold it was recognised, what was done,
    and how it went by suite (`passed`, `failed`, `skipped`)."""

    test: str
    fault: str
    found: str
    did: str
    on: Mapping[str, str]


def render(root: Path) -> Mapping[Path, str]:
    """README.md with its table made anew."""
    page = root / "README.md"
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return {page: f"{before}{BEGIN}\n\n{table(root)}\n{END}{after}"}


def failures(root: Path) -> Sequence[Row]:
    """The catalogue, in its order."""
    raw = tomllib.loads((root / "tools/failures.toml").read_text("utf-8"))
    return [Row(name, **keys) for name, keys in raw.items()]


def results(root: Path) -> tuple[Mapping[str, str], Sequence[Shown]]:
    """The engines' versions by suite, and what was shown on them."""
    told = json.loads((root / "docs/faults.json").read_text("utf-8"))
    return told["engines"], [Shown(**each) for each in told["tests"]]


def table(root: Path) -> str:
    """The rows as Markdown."""
    engines, shown = results(root)
    head = ["failure", "recognised by", "done", *engines.values()]
    lines = [_line(head), _line(["---"] * 3 + [":-:"] * len(engines))]
    lines += [
        _line(cells(row, [each for each in shown if each.fault == row.name], list(engines)))
        for row in failures(root)
    ]
    return "\n".join(lines) + "\n"


def cells(row: Row, shown: Sequence[Shown], suites: Sequence[str]) -> list[str]:
    """A row's cells, from what tests showed of it on these suites."""
    if row.unshown:
        found = f"`{row.rule}`" if row.rule else UNSEEN
        did = f"{TOLD}; " if row.rule else ""
        return [row.says, found, f"{did}not shown: {row.unshown}"] + [
            TEXT if row.rule else UNSEEN for _ in suites
        ]
    found = _joined(_named(each.found) for each in shown)
    did = _joined(each.did or (NOTHING if ":" in each.found else TOLD) for each in shown)
    return [row.says, found, did, *(_mark(shown, suite) for suite in suites)]


def _named(found: str) -> str:
    """A rule in its type; a hold, or nothing, in words."""
    return found if ":" in found else f"`{found}`"


def _joined(words: Iterable[str]) -> str:
    """Each once, in the order of the tests."""
    return "; ".join(dict.fromkeys(words)) or UNSEEN


def _mark(shown: Sequence[Shown], suite: str) -> str:
    """Whether every test of this failure that ran on the suite has shown it, and one did."""
    went = {each.on.get(suite, "skipped") for each in shown}
    if "failed" in went:
        return BROKEN
    return SHOWN if "passed" in went else UNSEEN


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
