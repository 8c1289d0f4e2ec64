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


STACK = """goroutine 812 [{}]:
sync.runtime_SemacquireMutex(0xc001a1c6ac?, 0x80?, 0x0?)
\tsync/sema.go:77 +0x25
github.com/docker/docker/daemon.(*Daemon).{}(0xc0007a2008, {{0x55d0, 0xc002}}, {{0xc0013f6a50}})
\tgithub.com/docker/docker/daemon/prune.go:70 +0x5d4
"""
AT_WORK = STACK.format("runnable", "ContainerInspect")


@pytest.mark.parametrize(
    ("head", "stood_s"),
    [
        ("semacquire", 0.0),  # for less than a minute
        ("runnable", 0.0),
        ("syscall", 0.0),
        ("semacquire, 9 minutes", 540.0),
        ("sync.Mutex.Lock, 11 minutes", 660.0),
        ("select, 125 minutes, locked to thread", 7500.0),
    ],
)
@pytest.mark.parametrize("what", ["ContainersPrune", "NetworksPrune", "ImagesPrune"])
def test_a_prune_has_run_for_as_long_as_it_has_stood_still(
    what: str, head: str, stood_s: float
) -> None:
    stacks = "\n".join([AT_WORK, STACK.format(head, what), AT_WORK])
    assert goroutines.pruning_s(stacks.encode()) == stood_s


def test_what_others_wait_for_is_no_age_of_a_prune() -> None:
    others = [
        STACK.format("sync.Mutex.Lock, 90 minutes", "ContainerInspect"),
        STACK.format("select, 90 minutes", "ContainersPrune.func1"),
        STACK.format("chan receive, 90 minutes", "run")
        + "created by github.com/docker/docker/daemon.(*Daemon).ContainersPrune in goroutine 7\n",
    ]
    pruning = STACK.format("runnable", "ContainersPrune")
    assert goroutines.pruning_s("\n".join([*others, pruning]).encode()) == 0.0
    assert goroutines.pruning_s(b"") == goroutines.pruning_s(b"<html>") == 0.0
