"""Who waits inside the daemon, by the stacks of real ones: one that is loaded, one with a stuck
container, one whose containerd does not answer."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from dockerdoctor.host import goroutines

DUMPS = Path(__file__).parent / "dumps"
ENGINES = ("20.10.24", "26.1.5", "28.5.2")
FRAME = re.compile(r"^([\w./*()%-]+?)\([^()]*\)\n", re.MULTILINE)


def profile(name: str) -> bytes:
    """A dump as the daemon's list of goroutines writes the same stacks."""
    text = gzip.decompress((DUMPS / f"dockerd-{name}.log.gz").read_bytes()).decode()
    blocks = []
    for stack in re.findall(r"^goroutine \d+ \[.*?(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL):
        frames = "\n".join(f"#\t0x1\t{each}+0x1\tfile.go:1" for each in FRAME.findall(stack))
        blocks.append(f"1 @ 0x1 0x2\n{frames}\n")
    return f"goroutine profile: total {len(blocks)}\n{chr(10).join(blocks)}".encode()


@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_waits_in_a_daemon_that_is_well(engine: str) -> None:
    assert goroutines.waiting(profile(f"{engine}-load")) == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_who_waits_for_a_stuck_container_is_counted_and_who_has_its_lock(engine: str) -> None:
    assert goroutines.waiting(profile(f"{engine}-stuck")) == 8  # seven inspects, and the stop


@pytest.mark.parametrize("engine", ENGINES)
def test_our_own_question_for_the_version_is_no_sign(engine: str) -> None:
    told = profile(f"{engine}-nocontainerd")
    versions = told.count(goroutines.VERSION)
    assert versions >= 1
    assert goroutines.waiting(told) == told.count(goroutines.CALL) + 3 - versions
