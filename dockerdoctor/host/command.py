"""Runs one command with a hard deadline: an argv goes in, its stdout comes out.

Never a shell. The command gets a process group of its own, which is killed at the deadline; its
output is bounded; its language is C, so that it can be parsed.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence

from dockerdoctor.errors import HostFault
from dockerdoctor.host.faults import from_os
from dockerdoctor.model import Fault

MAX_BYTES = 1 << 20
"""Of stdout, unless the caller says otherwise. What comes after it is not waited for."""

_NOT_FOR_CHILDREN = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID")


def run(argv: Sequence[str], timeout_s: float, max_bytes: int = MAX_BYTES) -> str:
    """stdout of the command, cut at `max_bytes`.

    HostFault: MISSING (no such command), DENIED, TIMEOUT, REFUSED (it ended with an error: the
    sentence is the last line of its stderr)."""
    deadline = time.monotonic() + timeout_s
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            process_group=0,
        )
    except OSError as error:
        raise from_os(error, f"cannot run {argv[0]}") from error
    try:
        out, err, whole = _read(child, deadline, max_bytes)
        if whole:
            child.wait(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise HostFault(
            Fault.TIMEOUT, f"`{' '.join(argv[:3])}` did not end within {timeout_s:g} s"
        ) from None
    finally:
        _end(child)
    if whole and child.returncode:
        raise HostFault(Fault.REFUSED, _last_line(err) or f"{argv[0]} ended with an error")
    return out.decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_CHILDREN}
    return kept | {"LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}


def _read(
    child: subprocess.Popen[bytes], deadline: float, max_bytes: int
) -> tuple[bytes, bytes, bool]:
    """stdout, the end of stderr, and whether both were read to their end.

    Raises TimeoutError at the deadline."""
    assert child.stdout is not None and child.stderr is not None
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, out)
        selector.register(child.stderr, selectors.EVENT_READ, err)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                key.data.extend(chunk)
            del err[:-4096]
            if len(out) > max_bytes:
                return bytes(out[:max_bytes]), bytes(err), False
    return bytes(out), bytes(err), True


def _end(child: subprocess.Popen[bytes]) -> None:
    """Nothing of it stays behind, but for a child the kernel itself holds."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def _last_line(stderr: bytes) -> str:
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")
