"""A goroutine dump, grouped: its lines go in, a frozen `Dump` comes out. Pure, and one pass.

Goroutines of one stack (functions and lines; addresses and arguments stripped) are counted once.
Of each stack a few goroutines are kept with the addresses they hold, as that tells who waits for
whom. Memory is bounded by the number of different stacks, never by the length of the dump.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from msgspec import Struct, field

MAX_STACKS = 20_000
"""Different stacks that are told apart; a daemon has some hundred."""
KEPT, KEPT_LONG = 8, 64
"""Goroutines that are kept of a stack; more of those that have waited for a minute."""
MAX_KEPT = 50_000
MAX_LOCKS = 20_000
MAX_FRAMES = 300
"""The Go runtime itself prints 100 frames at most."""

MAX_LINE = 1 << 16
"""Characters of one line; a longer one is no dump's."""
PATIENCE = 16 << 20
"""Characters before the first goroutine: a log may stand there, but not for ever."""

_HEADER = re.compile(r"goroutine (\d+)(?: gp=\S+)?(?: m=\S+)?(?: mp=\S+)? \[([^\]]*)\]:\s*$")
_MINUTES = re.compile(r"(\d+) minutes")
_POINTER = re.compile(r"0x([0-9a-f]{9,12})\b")
# From Go 1.26 on the heap no longer begins at 0xc000000000.
_FIRST = re.compile(r"\((0x[0-9a-f]+)(\??)")
_CREATED = "created by "
LOCKS = {
    # Function: what is waited for, and how far into the lock its first argument points.
    "sync.(*Mutex).lockSlow": ("lock", 0),
    "internal/sync.(*Mutex).lockSlow": ("lock", 0),
    "sync.(*RWMutex).RLock": ("read lock", 0),
    "sync.(*RWMutex).Lock": ("lock", 0),
    "sync.(*Mutex).Lock": ("lock", 0),
    "internal/sync.(*Mutex).Lock": ("lock", 0),
    # Where the compiler inlined the former: the address of the semaphore within it (Go's
    # sync.Mutex is 8 bytes: state, sema; RWMutex goes on with writerSem, readerSem).
    "sync.runtime_SemacquireMutex": ("lock", 4),
    "internal/sync.runtime_SemacquireMutex": ("lock", 4),
    "sync.runtime_SemacquireRWMutexR": ("read lock", 12),
    "sync.runtime_SemacquireRWMutex": ("lock", 8),
}


class NoDumpError(ValueError):
    """What was read is no goroutine dump; the text says why."""


class Goroutine(Struct, frozen=True):
    """One goroutine: how long it has waited (whole minutes, as Go counts them), the lock it waits
    for (its address, 0 for none), and all addresses on its stack."""

    number: int
    minutes: int
    lock: int
    pointers: frozenset[int]


class Stack(Struct, frozen=True):
    """Goroutines that are at the same place: functions innermost first, each with its `place`."""

    state: str
    functions: tuple[str, ...]
    places: tuple[str, ...]
    created_by: str
    count: int
    minutes: int
    """The longest wait among them."""
    kept: tuple[Goroutine, ...]

    def has(self, *parts: str) -> bool:
        """Whether each of these is part of a function's name on the stack."""
        return all(any(part in function for function in self.functions) for part in parts)


class Lock(Struct, frozen=True):
    """A lock that is waited for: "lock" or "read lock", its address, by how many, how long."""

    kind: str
    address: int
    waiters: int
    minutes: int


class Dump(Struct, frozen=True):
    """All of it. Stacks with the most goroutines first."""

    program: str
    """dockerd, containerd, containerd-shim, or another program's main function's file."""
    goroutines: int
    stacks: tuple[Stack, ...]
    locks: tuple[Lock, ...]
    """Those with the most waiters first."""
    cut: bool
    """Whether its end is missing."""
    states: tuple[tuple[str, int], ...]
    first_words: str = ""
    """What stood before the first goroutine: `panic: ...`, `fatal error: ...`."""


class _Group(Struct):
    created_by: str
    count: int = 0
    minutes: int = 0
    kept: list[Goroutine] = field(default_factory=list)


class _Block(Struct):
    """The lines of one goroutine while they are read."""

    number: int
    state: str
    calls: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    created_by: str = ""
    whole: bool = True


def lines_of(file: BinaryIO, limit: int = 1 << 62) -> Iterator[str]:
    """The lines of a file as text, of the first `limit` bytes; an endless line comes in pieces."""
    left = limit
    while left > 0 and (line := file.readline(min(MAX_LINE, left))):
        left -= len(line)
        yield line.decode("utf-8", "replace")


def read(lines: Iterable[str]) -> Dump:
    """Group a dump. Raises NoDumpError when there is not one goroutine in it."""
    reader = _Reader()
    for block in _blocks(lines, reader):
        reader.take(block)
    if not reader.goroutines:
        raise NoDumpError("no line of it begins with `goroutine N [state]:`")
    return reader.dump()


def _blocks(lines: Iterable[str], reader: _Reader) -> Iterator[_Block]:
    block: _Block | None = None
    ended = True
    before = 0
    for line in lines:
        ended = line.endswith("\n")
        text = line.rstrip()
        if text.startswith("goroutine ") and (found := _HEADER.match(text)):
            if block is not None:
                yield block
            block = _Block(int(found[1]), found[2])
        elif block is None:
            before += len(line)
            if before > PATIENCE and not reader.goroutines:
                return
            reader.before(text)
        elif not text:
            yield block
            block = None
        elif text[0] == "\t":
            # "\t/file.go:12 +0x1d"
            block.places.append(text[1:].partition(" +0x")[0])
        elif text.startswith(_CREATED):
            block.created_by = text[len(_CREATED) :].partition(" in goroutine ")[0]
        elif not text.startswith(("...", "=== END")) and len(block.calls) < MAX_FRAMES:
            block.calls.append(text)
    reader.cut = not ended
    if block is not None:
        expected = len(block.calls) + bool(block.created_by)
        reader.cut = not ended or len(block.places) < expected or not block.calls
        yield block


class _Reader:
    """What has been read so far."""

    def __init__(self) -> None:
        self.goroutines = 0
        self.cut = False
        self._kept = 0
        self._words: list[str] = []
        self._states: Counter[str] = Counter()
        self._groups: dict[tuple[str, tuple[str, ...], tuple[str, ...]], _Group] = {}
        self._locks: dict[tuple[str, int], list[int]] = {}

    def before(self, text: str) -> None:
        """A line before the first goroutine, or between two."""
        if text.startswith(("panic:", "fatal error:", "SIGQUIT:", "SIGABRT:")):
            self._words = [*self._words[:2], text[:200]]

    def take(self, block: _Block) -> None:
        """Count one goroutine."""
        self.goroutines += 1
        state, _, rest = block.state.partition(",")
        minutes = int(found[1]) if (found := _MINUTES.search(rest)) else 0
        self._states[state] += 1
        functions = tuple(
            [call[: call.rfind("(")] if "(" in call else call for call in block.calls]
        )
        kind, lock = _lock_of(functions, block.calls)
        if kind:
            self._wait((kind, lock), minutes)
        key = (state, functions, tuple(block.places))
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= MAX_STACKS:
                return
            group = self._groups[key] = _Group(block.created_by)
        group.count += 1
        group.minutes = max(group.minutes, minutes)
        if len(group.kept) < (KEPT_LONG if minutes else KEPT) and self._kept < MAX_KEPT:
            self._kept += 1
            text = "\n".join(call[call.rfind("(") :] for call in block.calls)
            pointers = frozenset(int(each, 16) for each in _POINTER.findall(text))
            group.kept.append(Goroutine(block.number, minutes, lock, pointers))

    def _wait(self, key: tuple[str, int], minutes: int) -> None:
        found = self._locks.get(key)
        if found is None:
            if len(self._locks) >= MAX_LOCKS:
                return
            found = self._locks[key] = [0, 0]
        found[0] += 1
        found[1] = max(found[1], minutes)

    def dump(self) -> Dump:
        """All of it."""
        stacks = [
            Stack(
                state, functions, places, group.created_by, group.count, group.minutes,
                tuple(group.kept),
            )
            for (state, functions, places), group in self._groups.items()
        ]  # fmt: skip
        stacks.sort(key=lambda stack: (-stack.count, -stack.minutes, stack.functions))
        locks = [
            Lock(kind, address, waiters, minutes)
            for (kind, address), (waiters, minutes) in self._locks.items()
        ]
        locks.sort(key=lambda lock: (-lock.waiters, -lock.minutes, lock.address))
        return Dump(
            program=_program(stacks),
            goroutines=self.goroutines,
            stacks=tuple(stacks),
            locks=tuple(locks),
            cut=self.cut,
            states=tuple(self._states.most_common(20)),
            first_words=" / ".join(self._words),
        )


def _lock_of(functions: Sequence[str], calls: Sequence[str]) -> tuple[str, int]:
    """What is waited for at the innermost frames, and the address of the lock (0: not told). The
    outer frame knows best: an RWMutex waits in its Mutex too, and the innermost arguments are the
    first to be stale (Go marks those with `?`)."""
    kind, address, stale = "", 0, 0
    for function, call in zip(functions[:6], calls, strict=False):
        if "sync." not in function:
            break
        told, offset = LOCKS.get(function, ("", 0))
        if told and (found := _FIRST.search(call)):
            if found[2]:
                stale = stale or int(found[1], 16) - offset
            else:
                address = int(found[1], 16) - offset
        kind = "read lock" if function.endswith("RLock") else told or kind
    return kind, address or (stale if stale >> 32 else 0)


def _program(stacks: Sequence[Stack]) -> str:
    """By the file of its main function; else by whose code it mostly runs."""
    for stack in stacks:
        for function, place in zip(stack.functions, stack.places, strict=False):
            if function != "main.main":
                continue
            for name in ("dockerd", "containerd-shim", "containerd"):
                if f"/cmd/{name}" in place:
                    return name
            return place.rpartition(":")[0]
    for name, part in (
        ("dockerd", "docker/docker/daemon."),
        ("dockerd", "moby/v2/daemon."),
        ("containerd", "containerd/services"),
    ):
        if any(stack.has(part) for stack in stacks):
            return name
    return ""
