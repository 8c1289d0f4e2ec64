"""Tells systemd how we are: READY=1, WATCHDOG=1, STATUS=a sentence (sd_notify(3), own few lines).

Nothing here blocks or raises. The package `sdnotify` loses "WATCHDOG=1" when the status beside it
is not Latin-1, and waits for ever when systemd does not read.
"""

from __future__ import annotations

import os
import socket


def notify(**said: str | int) -> bool:
    """`notify(WATCHDOG=1, STATUS="well")`; False when nobody was told.

    Line breaks in a value would begin another variable, so they become blanks."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    message = "\n".join(f"{name}={' '.join(str(value).split())}" for name, value in said.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            link.sendto(
                message.encode("utf-8", "replace"),
                socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL,
                address,
            )
    except OSError:
        return False
    return True
