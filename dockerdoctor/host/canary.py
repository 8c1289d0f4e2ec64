"""The canary: a tiny container that is created, started, ends and is removed. An engine goes in,
seconds come out, or why it failed.

It needs no registry, no network and no compiler: its image is one program of some 130 bytes, put
together here, that ends at once. Calls are plain ones with one deadline for all of them, and never
a second while one hangs (`lanes`). What a canary before it left behind is removed first.
"""

from __future__ import annotations

import contextlib
import io
import json
import platform
import struct
import threading
import time
from collections.abc import Callable

import msgspec

from dockerdoctor.errors import HostFault
from dockerdoctor.host import answers, http
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.nouns import CANARY
from dockerdoctor.host.traces import Flights
from dockerdoctor.model import Fault, Process

SLOW_S = 10.0
"""A start takes 0.2 to 2 s, however large the host."""
REMOVE_S = 15.0
PING_S = 3.0
IMAGE = f"{CANARY}:1"
LABEL = "dockerdoctor.canary"
CODE = {
    "x86_64": (62, bytes.fromhex("b83c000000 31ff 0f05")),  # mov eax,60; xor edi,edi; syscall
    "aarch64": (183, bytes.fromhex("a80b80d2 000080d2 010000d4")),  # mov x8,93; mov x0,0; svc 0
}
"""exit(0) by machine, with the machine's number in an ELF file."""
STAYS = "the canary before this one could not be removed"
GHOST = f"the name {CANARY} is taken by a container that nobody sees (moby #25416)"
BASE = 0x400000
PAGE = 0x10000
CONTAINER = {
    "Image": IMAGE,
    "Cmd": ["/canary"],
    "Labels": {LABEL: "1"},
    "HostConfig": {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "LogConfig": {"Type": "none"},
    },
}


class _Made(answers.Wanted):
    id: answers.Ident


class _Ended(answers.Wanted):
    status_code: int


def program(machine: str) -> bytes:
    """The smallest program that ends well. Raises HostFault(MISSING) where we know none."""
    if machine not in CODE:
        raise HostFault(Fault.MISSING, f"there is no canary for {machine}", "turn it off")
    number, code = CODE[machine]
    size = 64 + 56 + len(code)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    file = struct.pack("<HHIQQQIHHHHHH", 2, number, 1, BASE + 120, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, PAGE)
    return ident + file + segment + code


def image(machine: str) -> bytes:
    """The tar that is imported."""
    import tarfile  # seldom needed, and slow to load

    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        content = program(machine)
        info = tarfile.TarInfo("canary")
        info.size, info.mode = len(content), 0o755
        tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


class Canary:
    """One daemon's canary, and what came of its flights. One flight at a time."""

    def __init__(self, engine: Engine, daemon: Callable[[], Process | None]) -> None:
        """`daemon` is dockerd's process now."""
        self._engine = engine
        self._daemon = daemon
        self._flying = threading.Lock()
        self._flights = Flights()

    def flights(self) -> Flights:
        """What came of it so far. Asks nobody."""
        return self._flights

    def fly(self, timeout_s: float) -> None:
        """One flight; nothing happens while there is one. Never raises HostFault: its end is told
        by `flights`."""
        if not self._flying.acquire(blocking=False):
            return
        try:
            before = self._daemon()
            try:
                self._came_back(self._flight(time.monotonic() + timeout_s))
            except HostFault as fault:
                # Of a daemon that hangs, or was restarted meanwhile, others tell.
                self._engine.ping(PING_S)
                if before is not None and self._daemon() == before:
                    self._failed(fault.sentence)
        except HostFault:
            pass  # nothing can be said of the canary, for want of a daemon
        finally:
            self._flying.release()

    def _came_back(self, took_s: float) -> None:
        seen = self._flights
        slow = seen.slow_in_a_row + 1 if took_s >= SLOW_S else 0
        self._flights = msgspec.structs.replace(
            seen, total=seen.total + 1, failed_in_a_row=0, slow_in_a_row=slow, took_s=took_s, why=""
        )

    def _failed(self, why: str) -> None:
        seen = self._flights
        self._flights = msgspec.structs.replace(
            seen,
            total=seen.total + 1,
            failed=seen.failed + 1,
            failed_in_a_row=seen.failed_in_a_row + 1,
            slow_in_a_row=0,
            why=why,
        )

    def _flight(self, deadline: float) -> float:
        """Seconds from create to exit. Raises HostFault."""
        self._land(REMOVE_S)
        self._bring_image(deadline)
        began = time.monotonic()
        ident = self._created(deadline)
        try:
            self._well("POST", f"/containers/{ident}/start", deadline)
            ended = self._well("POST", f"/containers/{ident}/wait", deadline)
            took_s = time.monotonic() - began
            decode = msgspec.json.Decoder(_Ended).decode
            code = answers.understood(lambda: decode(ended.body), "wait").status_code
        finally:
            with contextlib.suppress(HostFault):  # the next flight begins with it
                self._land(REMOVE_S)
        if code != 0:
            raise HostFault(Fault.REFUSED, f"the canary ended with code {code}")
        return took_s

    def _land(self, timeout_s: float) -> None:
        """Remove what bears its name, if it is ours. Raises HostFault."""
        deadline = time.monotonic() + timeout_s
        found = self._ask("GET", f"/containers/{CANARY}/json", deadline)
        if found.head.status == 404:
            return
        if f'"{LABEL}"'.encode() not in found.body:
            raise HostFault(Fault.REFUSED, f"a container that is not ours is called {CANARY}")
        self._ask("DELETE", f"/containers/{CANARY}?force=1&v=1", deadline)

    def _bring_image(self, deadline: float) -> None:
        if self._ask("GET", f"/images/{IMAGE}/json", deadline).head.status == 404:
            name, _, tag = IMAGE.partition(":")
            target = f"/images/create?fromSrc=-&repo={name}&tag={tag}"
            self._well("POST", target, deadline, image(platform.machine()))

    def _created(self, deadline: float) -> str:
        content = json.dumps(CONTAINER).encode()
        made = self._ask("POST", f"/containers/create?name={CANARY}", deadline, content)
        if made.head.status == 409:
            there = self._ask("GET", f"/containers/{CANARY}/json", deadline).head.status != 404
            raise HostFault(Fault.REFUSED, STAYS if there else GHOST)
        if made.head.status != 201:
            raise answers.not_granted(made, self._engine.address)
        decode = msgspec.json.Decoder(_Made).decode
        return answers.understood(lambda: decode(made.body), "create").id

    def _well(
        self, method: str, target: str, deadline: float, content: bytes | None = None
    ) -> http.Answer:
        answer = self._ask(method, target, deadline, content)
        if answer.head.status >= 300 or b'"errorDetail"' in answer.body:
            raise answers.not_granted(answer, self._engine.address)
        return answer

    def _ask(
        self, method: str, target: str, deadline: float, content: bytes | None = None
    ) -> http.Answer:
        left = max(0.1, round(deadline - time.monotonic(), 1))
        return self._engine.ask("canary", method, target, left, content)
