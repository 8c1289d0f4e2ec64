"""What the goroutines of a dump wait for: a `Dump` goes in, an `Explanation` comes out. Pure.

A jam is work (a request, an event) that all waits for the same thing: a lock, an answer, the
kernel. For a lock the likely holder is looked for: by the lock's address on the stacks, else by
functions that are known to work under a lock and have been at it as long as the others wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from dockerdoctor.stacks import Dump, Goroutine, Lock, Stack
from dockerdoctor.stacksigns import (
    CHANNEL,
    CONTAINERD,
    FILES,
    HOLDERS,
    LOCK,
    PATIENT,
    SHIM,
    SIGNS,
    SYSCALL,
    Sign,
)

CROWD = 10
"""So many waiters for one lock are a jam, however short they have waited."""
MAX_JAMS = 20
OWN = (("docker/docker/", "moby/moby/", "main."), ("containerd/containerd/",))
"""The daemons' own code; dockerd uses containerd's as a client."""
PLUMBING = (
    "runtime.",
    "sync.",
    "internal/",
    "syscall.",
    "golang.org/x/",
    "google.golang.org/",
    "go.opentelemetry.io/",
    "net/http.",
    "net.",
    "os.",
    "io.",
    "bufio.",
    "context.",
    "reflect.",
    "github.com/containerd/ttrpc.",
)


class Holder(Struct, frozen=True):
    """A goroutine that most likely holds a lock, where it is, and what it waits for itself."""

    number: int
    function: str
    waits: str
    minutes: int
    of: int = 1
    """So many goroutines could have it as well as this one, itself counted."""


class Jam(Struct, frozen=True):
    """Goroutines that wait for the same thing."""

    waits: str
    waiters: int
    minutes: int
    places: tuple[tuple[str, int], ...]
    """The functions that wait, with how many in each, most first."""
    address: int = 0
    """Of the lock."""
    holder: Holder | None = None
    sign: Sign | None = None


class Explanation(Struct, frozen=True):
    """What a dump tells. `jams` and `sign` are empty where nothing hangs."""

    dump: Dump
    says: str
    """One sentence, for an incident."""
    jams: tuple[Jam, ...] = ()
    sign: Sign | None = None


def explain(dump: Dump, least: int = 1) -> Explanation:
    """Find the jams, worst first, and the known failure they look like. What has waited for fewer
    than `least` minutes is no jam: Go counts whole ones, so 0 is for a daemon that is known to hang
    for seconds."""
    jams = [*_locks(dump, least), *_waits(dump, least)]
    jams += [jam for sign in SIGNS if not sign.minutes for jam in _crowd(dump, sign)]
    jams.sort(key=_weight, reverse=True)
    kept = tuple(jams[:MAX_JAMS])
    sign = next((jam.sign for jam in kept if jam.sign), None)
    return Explanation(dump, _sentence(dump, kept, sign), kept, sign)


def short(function: str) -> str:
    """ "daemon.(*Daemon).ContainerInspect" of the full name."""
    return function.rpartition("/")[2]


def issue(number: str) -> str:
    """ "moby #1" of "#1"; other projects are named."""
    return f"moby {number}" if number.startswith("#") else number


def held(holder: Holder) -> str:
    """Who most likely has a lock, in words."""
    one = f"one of {holder.of}, such as " if holder.of > 1 else ""
    words = f"{one}goroutine {holder.number} in {short(holder.function)}"
    return words + (f", which waits for {holder.waits}" if holder.waits else "")


def works_at(stack: Stack) -> str:
    """The innermost function of the program's own that is on the stack; else of a library's."""
    for own in OWN:
        for function in stack.functions:
            if any(part in function for part in own) and "/vendor/" not in function:
                return function
    outside = [each for each in stack.functions if not each.startswith(PLUMBING)]
    return (outside or stack.functions[-1:] or ["?"])[0]


def awaited(stack: Stack) -> str:
    """What goroutines of this stack wait for; empty when they run or only sleep."""
    if any(goroutine.lock for goroutine in stack.kept) or stack.state.startswith(
        ("sync.Mutex", "sync.RWMutex")
    ):
        return LOCK
    if stack.has("ttrpc.(*Client).dispatch") or stack.has("ttrpc.(*Client).Call"):
        return SHIM
    if stack.has("grpc.(*ClientConn).Invoke") or stack.has("grpc.invoke"):
        return CONTAINERD
    if stack.state.startswith("syscall"):
        innermost = "\n".join(stack.functions[:4])
        return SYSCALL if any(f".{name}" in innermost for name in FILES) else ""
    if stack.state.startswith(("chan ", "select", "semacquire", "sync.")):
        return CHANNEL
    return ""


def _locks(dump: Dump, least: int) -> list[Jam]:
    """Locks that are waited for too long, or by too many."""
    found = []
    stuck = [lock for lock in dump.locks if lock.minutes >= least or lock.waiters >= CROWD]
    for lock in stuck[:MAX_JAMS]:
        waiting = [
            (stack, those)
            for stack in dump.stacks
            if awaited(stack) == LOCK
            and (those := [each for each in stack.kept if each.lock == lock.address])
        ]
        places = _places(waiting)
        holder = _holder(dump, lock)
        jam = Jam(LOCK, lock.waiters, lock.minutes, places, lock.address, holder)
        found.append(_signed(dump.program, jam, [stack for stack, _ in waiting], least))
    return found


def _holder(dump: Dump, lock: Lock) -> Holder | None:
    """The lock's own address among a goroutine's arguments says more than what it works at; and
    who has it has been at it as long as the others wait, give or take the rounding."""
    found = []
    for stack in dump.stacks:
        known = any(part in function for function in stack.functions for part in HOLDERS)
        for each in stack.kept:
            if each.lock == lock.address and awaited(stack) == LOCK:
                continue
            named = lock.address in each.pointers
            if named or (known and each.minutes >= lock.minutes - 1):
                found.append((named, each.minutes, stack, each))
    if not found:
        return None
    found.sort(key=lambda one: (one[0], one[1]), reverse=True)
    named, _, stack, each = found[0]
    alike = sum(one[0] == named for one in found)
    where = next(
        (name for name in stack.functions if any(part in name for part in HOLDERS)),
        works_at(stack),
    )
    return Holder(each.number, where, awaited(stack), each.minutes, alike)


def _waits(dump: Dump, least: int) -> list[Jam]:
    """Work that has waited so long for anything but a lock."""
    groups: dict[str, list[Stack]] = {}
    for stack in dump.stacks:
        waits = awaited(stack)
        if not waits or waits == LOCK or all(each.minutes < least for each in stack.kept):
            continue
        if any(stack.has(part) for part in PATIENT):
            continue
        works = _serves(stack) or (waits in (CONTAINERD, SHIM, SYSCALL) and _own(stack))
        if works:
            groups.setdefault(waits, []).append(stack)
    found = []
    for waits, stacks in groups.items():
        long = [(s, [each for each in s.kept if each.minutes >= least]) for s in stacks]
        count = sum(s.count if len(those) == len(s.kept) else len(those) for s, those in long)
        jam = Jam(waits, count, max(s.minutes for s in stacks), _places(long))
        found.append(_signed(dump.program, jam, stacks, least))
    return found


def _serves(stack: Stack) -> bool:
    """Whether it answers a request."""
    return stack.has("ServeHTTP") or stack.has(".processUnaryRPC") or stack.has("_Handler")


def _own(stack: Stack) -> bool:
    return any(part in function for function in stack.functions for own in OWN for part in own)


def _crowd(dump: Dump, sign: Sign) -> list[Jam]:
    """Goroutines that are too many, not too slow."""
    stacks = [stack for stack in dump.stacks if stack.has(*sign.on)]
    count = sum(stack.count for stack in stacks)
    if sign.program != dump.program or count < sign.least:
        return []
    places = _places([(stack, stack.kept) for stack in stacks])
    return [Jam("nothing: a crowd", count, max(s.minutes for s in stacks), places, sign=sign)]


def _signed(program: str, jam: Jam, stacks: Sequence[Stack], least: int) -> Jam:
    holder = jam.holder.waits if jam.holder else ""
    for sign in SIGNS:
        if (
            sign.program == program
            and sign.waits in ("", jam.waits)
            and sign.holder in ("", holder)
            and sign.minutes
            and jam.minutes >= (sign.minutes if sign.minutes > 1 else least)
            and jam.waiters >= sign.least
            and any(stack.has(*sign.on) for stack in stacks)
        ):
            return replace(jam, sign=sign)
    return jam


def _places(waiting: Sequence[tuple[Stack, Sequence[Goroutine]]]) -> tuple[tuple[str, int], ...]:
    counts: Counter[str] = Counter()
    for stack, those in waiting:
        counts[works_at(stack)] += stack.count if len(those) == len(stack.kept) else len(those)
    return tuple(counts.most_common(5))


def _weight(jam: Jam) -> tuple[int, bool, int, int]:
    """The known failures in the order of their table, as the first are the causes of the others;
    then locks whose holder waits for no other lock."""
    known = len(SIGNS) - SIGNS.index(jam.sign) if jam.sign else 0
    root = jam.holder is None or jam.holder.waits != LOCK
    return (known, root, jam.waiters, jam.minutes)


def _sentence(dump: Dump, jams: Sequence[Jam], sign: Sign | None) -> str:
    number = f"{dump.goroutines:,} goroutines" if dump.goroutines != 1 else "1 goroutine"
    if not jams:
        return f"{number}, none of them stuck" + (" (the dump is cut short)" if dump.cut else "")
    jam = next((each for each in jams if each.sign is sign), jams[0])
    waits = "1 waits" if jam.waiters == 1 else f"{jam.waiters:,} wait"
    long = f" for {jam.minutes} min" if jam.minutes else ""
    words = f"{number}: {waits} for {jam.waits}{long} in {short(jam.places[0][0])}"
    if jam.holder:
        words += f", most likely held by {held(jam.holder)}"
    if sign:
        like = f" (like {issue(sign.issues[0])})" if sign.issues else ""
        words += f": {sign.says}{like}"
    return words
