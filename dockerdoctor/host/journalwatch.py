"""The journal of docker and containerd, read forward from a cursor: units go in, a tally comes out.

journalctl is asked for what came since the last look: 6 ms of CPU. Only what the daemons themselves
wrote to their standard output counts, and what systemd says of them: containers that log to the
journal do so under the daemon's unit, in their own words.
"""

from __future__ import annotations

import collections
import json
import math
import threading
from collections.abc import Sequence

from msgspec import Struct

from dockerdoctor.errors import HostFault
from dockerdoctor.host import command, journal, programs
from dockerdoctor.host.traces import JournalTally
from dockerdoctor.model import Fault
from dockerdoctor.signatures import MAX_SAID, essence, is_last_word, recognise, whom

LINES = 2000
"""The most of one look; what is older is not counted."""
MAX_BYTES = 4 << 20
FIELDS = "MESSAGE,MESSAGE_ID,_COMM,SYSLOG_IDENTIFIER,_PID,UNIT,_SYSTEMD_UNIT,CONTAINER_ID"
BACK_OFF_S = 300.0
"""After a journalctl that did not end: on a dead disk not even SIGKILL ends it, and each look would
leave one more behind."""
HOUR_S = 3600.0
KEPT = 2000
"""Messages of one signature."""

STARTING = "7d4958e842da4a758f6c1cdc7b36dcc5"
STARTED = "39f53479d3a045ac8e11786248231fbf"
"""systemd's message ids: a unit begins to start, has started."""
FOR_MEMORY = {
    "fe6faa94e7774663a0da52717891d8ef": "oom_kills",
    "d989611b15e44c9dbf31e3c81256e4ed": "oomd_kills",
}
"""Likewise (the words differ from version to version): processes of a unit were killed for want of
memory, by the kernel and by systemd-oomd, and what we count that as. Only systemd 246 and later say
so, where cgroups are unified."""
ENDED = "98e322203f7a4ed290d09fe03c09fe15"
NOT_RESTARTED = "Failed to schedule restart job"
"""Of systemd's, for want of a unit that it requires; it comes without an id."""
KILLED = "Main process exited, code=killed"
"""The main process of a unit has ended, and how."""
ENDED_S = 60.0
"""After the word of a kill for memory, a main process that ends was what was killed; it comes in
the same second. What else was killed (a docker-proxy, a shim) leaves it alive."""
ITSELF = "exe"
"""Up to 20.10 dockerd runs itself again, as /proc/self/exe, for what it does in a container's
network; nothing else of docker.service has that name."""


class Line(Struct, frozen=True):
    """One entry. `at` is wall clock, s."""

    at: float
    message: str
    program: str
    message_id: str = ""
    unit: str = ""
    """Whose program said it, or that systemd speaks of."""


def matches(units: Sequence[str]) -> list[str]:
    """journalctl's arguments for what these units' daemons print and systemd says of them."""
    words: list[str] = []
    for unit in units:
        words += [f"_SYSTEMD_UNIT={unit}", "_TRANSPORT=stdout", "+"]
        words += ["_PID=1", f"UNIT={unit}", "+"]
    return words[:-1]


def parse(text: str) -> tuple[list[Line], str]:
    """The entries of `journalctl -o json`, and the last cursor (empty without any). What cannot be
    understood is left out, and so is what a container logged."""
    lines: list[Line] = []
    cursor = ""
    for raw in text.splitlines():
        try:
            said = json.loads(raw)
            cursor = str(said["__CURSOR"])
            if "CONTAINER_ID" in said:
                continue
            lines.append(
                Line(
                    at=int(said["__REALTIME_TIMESTAMP"]) / 1e6,
                    message=journal.message(said["MESSAGE"]),
                    program=_program(said),
                    message_id=str(said.get("MESSAGE_ID", "")),
                    unit=str(said.get("UNIT") or said.get("_SYSTEMD_UNIT", "")),
                )
            )
        except (ValueError, KeyError, TypeError):
            continue
    return lines, cursor


def _program(said: dict[str, object]) -> str:
    """The name of who wrote it. Of a dockerd that fails at once journald has the name it had before
    it was one, `(dockerd)`, or none at all: then systemd's name for its output stands for it."""
    if said.get("_PID") == "1":
        return "systemd"
    name = str(said.get("_COMM") or "").strip("()")
    return name or str(said.get("SYSLOG_IDENTIFIER") or "")


def _is_daemon(program: str) -> bool:
    return any(name.fullmatch(program) for name in programs.DAEMONS)


def _of(line: Line) -> str:
    """What systemd says of a unit, without its name."""
    return line.message.removeprefix(f"{line.unit}: ")[:MAX_SAID]


class Sign(Struct, frozen=True):
    """A message that is known."""

    at: float
    unit: str
    said: str
    whom: str
    """The id of the container that it is about; empty where it does not tell."""


class Tally:
    """Folds lines; pure but for its own memory.

    Once another daemon serves, what the one before it said is over: what is not mended it has said
    again, in its start, or will when it meets it."""

    def __init__(self, dockerd_unit: str) -> None:
        self._unit = dockerd_unit
        self._signs: dict[str, collections.deque[Sign]] = {}
        self._for_memory: dict[str, Line] = {}
        self._starting: dict[str, float] = {}
        """When each unit began its latest start."""
        self._lines = 0
        self._first_error = ""
        self._cause = ""
        self._end = ""
        """How its last process ended, in systemd's words; empty when that was no failure."""

    def fold(self, lines: Sequence[Line]) -> None:
        """Take in the next lines."""
        for line in lines:
            self._lines += 1
            if line.program == "systemd":
                self._follow(line)
            elif line.program == ITSELF or _is_daemon(line.program):
                self._take(line)

    def told(self, now: float) -> JournalTally:
        """What it amounts to at `now` (wall clock, s)."""
        signs = {
            name: [sign for sign in kept if sign.at > now - HOUR_S]
            for name, kept in self._signs.items()
        }
        return JournalTally(
            True,
            self._lines,
            {name: len(those) for name, those in signs.items()},
            {name: those[-1].said for name, those in signs.items() if those},
            {
                name: about
                for name, those in signs.items()
                if (about := {sign.whom: sign.at for sign in those if sign.whom})
            },
            self._first_error or self._end,
            self._cause,
        )

    def _follow(self, line: Line) -> None:
        """A unit's start, or the end of its main process."""
        if line.message_id in (STARTING, STARTED):
            if line.message_id == STARTING:
                self._starting[line.unit] = line.at
            else:
                self._forget(line.unit, self._starting.get(line.unit, -math.inf))
            if line.unit == self._unit:
                self._first_error = self._cause = self._end = ""
        elif line.message_id in FOR_MEMORY:
            self._for_memory[line.unit] = line
        elif line.message_id == ENDED:
            self._ended(line)
        elif line.unit == self._unit and NOT_RESTARTED in line.message:
            self._end = _of(line)

    def _ended(self, line: Line) -> None:
        if line.unit == self._unit:
            self._end = _of(line)
        if KILLED in line.message:
            why = self._for_memory.pop(line.unit, None)
            if why and line.at - why.at <= ENDED_S:
                # Of no unit: the next daemon does not end what killed this one.
                sign = Sign(line.at, "", why.message[:MAX_SAID], "")
                self._count(FOR_MEMORY[why.message_id], sign)

    def _forget(self, unit: str, before: float) -> None:
        for name, kept in self._signs.items():
            stay = (sign for sign in kept if sign.unit != unit or sign.at >= before)
            self._signs[name] = collections.deque(stay, maxlen=KEPT)

    def _count(self, name: str, sign: Sign) -> None:
        self._signs.setdefault(name, collections.deque(maxlen=KEPT)).append(sign)

    def _take(self, line: Line) -> None:
        said = essence(line.message)
        if not said:
            return
        name = recognise(said)
        by_dockerd = programs.DOCKERD.fullmatch(line.program)
        if not self._first_error and by_dockerd and is_last_word(line.message):
            self._first_error, self._cause = said[:MAX_SAID], name
        if name:
            self._count(name, Sign(line.at, line.unit, said[:MAX_SAID], whom(said)))


class JournalWatch:
    """Remembers its place in the journal. `units`: dockerd's first; none where none is kept."""

    def __init__(self, units: Sequence[str]) -> None:
        self._units = units
        self._tally = Tally(units[0] if units else "")
        self._cursor = ""
        self._not_before = -math.inf
        self._lock = threading.Lock()

    def look(self, now: float, timeout_s: float) -> JournalTally:
        """Read on, and tell. HostFault when journalctl does not work; `now` is wall clock, s."""
        if not self._units:
            return JournalTally(known=False)
        with self._lock:
            if now < self._not_before <= now + BACK_OFF_S:
                raise HostFault(
                    Fault.TIMEOUT, "journalctl did not come back: not asked for a while"
                )
            begin = f"--after-cursor={self._cursor}" if self._cursor else "--since=-1h"
            asked = ["--output=json", f"--output-fields={FIELDS}", f"--lines={LINES}", begin]
            try:
                text = command.run(
                    ["journalctl", "--no-pager", "--quiet", *asked, *matches(self._units)],
                    timeout_s,
                    MAX_BYTES,
                )
            except HostFault as fault:
                if fault.fault is Fault.TIMEOUT:
                    self._not_before = now + BACK_OFF_S
                raise
            lines, cursor = parse(text)
            self._cursor = cursor or self._cursor
            self._tally.fold(lines)
            return self._tally.told(now)
