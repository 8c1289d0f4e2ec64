"""Log lines with fields of our own, as datagrams in journald's native protocol.

A logging handler: `DOCKERDOCTOR_*` fields come from the record's `fields` attribute. Nothing here
blocks or raises; when journald does not take a line, it is gone there and stays on stderr.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

SOCKET = Path("/run/systemd/journal/socket")

MAX_VALUE = 32 << 10
"""Bytes of one field: a datagram has to stay under the socket's send buffer."""

_PRIORITY = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}


def connected(fd: int = 2) -> bool:
    """Whether stderr goes to the journal ($JOURNAL_STREAM names its device and inode)."""
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def datagram(fields: Mapping[str, str]) -> bytes:
    """Fields with line breaks in the length-prefixed form, all others as NAME=value lines."""
    parts = []
    for name, value in fields.items():
        raw = value.encode("utf-8", "replace")[:MAX_VALUE]
        if b"\n" in raw:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(raw)) + raw + b"\n")
        else:
            parts.append(name.encode() + b"=" + raw + b"\n")
    return b"".join(parts)


class JournalHandler(logging.Handler):
    """Sends each record to journald; never waits for it."""

    def __init__(self, identifier: str = "dockerdoctor", path: Path = SOCKET) -> None:
        super().__init__()
        self._identifier = identifier
        self._path = str(path)
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        fields: Mapping[str, object] = getattr(record, "fields", {})
        said = {
            "MESSAGE": record.getMessage(),
            "PRIORITY": str(_PRIORITY.get(record.levelno, 6)),
            "SYSLOG_IDENTIFIER": self._identifier,
        } | {f"DOCKERDOCTOR_{name.upper()}": str(value) for name, value in fields.items()}
        try:
            self._link.sendto(datagram(said), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL, self._path)
        except OSError:
            return

    def close(self) -> None:
        self._link.close()
        super().close()
