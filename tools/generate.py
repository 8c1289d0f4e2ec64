"""python -m tools.generate [--check]: write what is derived from declarations, or name the stale.

Everything that is listed in two places is written once and made from it here: the table of metrics
from the probes, the alerts from the verdict rules, the dashboards from `tools/dashboards`, the
completions, the man page and the JSON Schemas from the command line, and the README's table of
failures from what the lab's tests showed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools import (
    alerts,
    alerttests,
    completions,
    faulttable,
    manpage,
    metricsdoc,
    runbooks,
    schemas,
)
from tools.dashboards import build

ROOT = Path(__file__).parents[1]

PARTS: tuple[Callable[[Path], Mapping[Path, str]], ...] = (
    metricsdoc.render,
    alerts.render,
    alerttests.render,
    runbooks.render,
    faulttable.render,
    build.render,
    completions.render,
    manpage.render,
    schemas.render,
)
"""Each takes the checkout and returns the files it makes, by path, with their whole content."""


def rendered() -> Mapping[Path, str]:
    """Every generated file with the content that it must have."""
    return {path: text for part in PARTS for path, text in part(ROOT).items()}


def stale() -> list[Path]:
    """The files whose content is another, or that are missing."""
    return [
        path
        for path, text in rendered().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]


def main() -> int:
    """Write them; with --check only say which are stale (exit code 1)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    found = stale()
    for path in found:
        print(f"{'stale' if check else 'wrote'} {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(rendered()[path], "utf-8")
    return int(check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
