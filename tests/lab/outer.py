"""The outer machine's view of a lab host: processes by /proc, the engine by its socket.

In: pids as the outer machine numbers them. Out: what /proc says of them; nothing is changed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

CLONE_NEWNET = 0x40000000


def ping(path: Path, timeout_s: float) -> bool:
    """Ask GET /_ping of a socket; True when 200 comes back in time. Raises OSError."""
    deadline = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX) as talk:
        talk.settimeout(timeout_s)
        talk.connect(str(path))
        talk.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
        answer = b""
        while b"\r\n" not in answer:
            talk.settimeout(max(deadline - time.monotonic(), 0.001))
            if not (more := talk.recv(4096)):
                break
            answer += more
    return answer.startswith(b"HTTP/1.1 200")


@contextlib.contextmanager
def network_of(pid: int) -> Iterator[None]:
    """Take this thread into a process's network, with all that it starts and every socket that it
    opens meanwhile. (Python has os.setns from 3.12 on.)"""
    ours, theirs = (os.open(f"/proc/{who}/ns/net", os.O_RDONLY) for who in ("self", pid))
    try:
        _enter(theirs)
        try:
            yield
        finally:
            _enter(ours)
    finally:
        os.close(ours)
        os.close(theirs)


def _enter(network: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(network, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def pid_inside(pid: int) -> int:
    """Return the number that a lab host gives to an outer pid; 0 when it is gone or of no host."""
    # One number per namespace, ours first; a container's own comes after the lab host's.
    numbers = status(pid).get("NSpid", "").split()
    return int(numbers[1]) if len(numbers) > 1 else 0


def parent(pid: int) -> int:
    """Return a process's parent; 0 when it is gone."""
    return int(status(pid).get("PPid", "0"))


def children(pid: int) -> list[int]:
    """Return the children of a process's main thread."""
    with contextlib.suppress(OSError):
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def status(pid: int) -> dict[str, str]:
    """Return /proc/PID/status (State, TracerPid, ShdPnd …); empty when the process is gone."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}
    return {}


def program(pid: int) -> str:
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/exe").readlink())
    return ""
