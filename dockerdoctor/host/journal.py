"""The last messages of a service: from the journal, or from the end of a log file.

Bounded in lines, bytes and time: a journal of 4 GB on a slow disk is read no further than asked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dockerdoctor.errors import HostFault
from dockerdoctor.host import command
from dockerdoctor.host.faults import from_os
from dockerdoctor.model import Fault

MAX_BYTES = 4 << 20
"""Of journalctl's JSON."""

MAX_MESSAGE = 4096
"""Characters of one message."""

MAX_TAIL = 256 << 10
"""Bytes read from the end of a log file."""


def of_unit(unit: str, lines: int, timeout_s: float) -> Sequence[str]:
    """The last messages of a unit, and of systemd about it, oldest first."""
    text = command.run(
        [
            "journalctl",
            f"--unit={unit}",
            f"--lines={lines}",
            "--output=json",
            "--output-fields=MESSAGE",
            "--no-pager",
            "--quiet",
        ],
        timeout_s,
        MAX_BYTES,
    )
    return parse(text)[-lines:]


def parse(told: str) -> list[str]:
    """The messages of `journalctl -o json`, one JSON object a line. A last line cut short is left
    out; HostFault(GARBLED) when no line is what it should be."""
    messages, garbled = [], 0
    for line in told.splitlines():
        try:
            if text := message(msgspec.json.decode(line)["MESSAGE"]):
                messages.append(text)
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError):
            garbled += 1
    if garbled and not messages:
        raise HostFault(Fault.GARBLED, "journalctl says what cannot be understood")
    return messages


def message(said: object) -> str:
    """Of an entry: what is not text comes as a list of bytes, what is too long as null."""
    text = bytes(said).decode("utf-8", "replace") if isinstance(said, list) else str(said or "")
    return text[:MAX_MESSAGE]


def of_file(path: Path, lines: int) -> Sequence[str]:
    """The last lines of a log file, oldest first."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - MAX_TAIL))
            tail = file.read(MAX_TAIL)
    except OSError as error:
        raise from_os(error, f"cannot read {path}") from error
    found = tail.decode("utf-8", "replace").splitlines()
    if size > MAX_TAIL:
        found = found[1:]  # most likely half a line
    return [line[:MAX_MESSAGE] for line in found[-lines:]] if lines > 0 else []
