"""Commands that end in time, whatever state they fall into.

In: an argv that limits itself with `timeout`, and that limit. Out: its code and what it printed.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import IO

# What `timeout` ends with when it had to stop its command.
TIMED_OUT = 124
# `timeout -k` dies of the SIGKILL that it sends to its group, and nsenter after it.
KILLED = (-9, 128 + 9)
# How long `timeout` may take to end a command by SIGKILL before nobody waits any longer.
MERCY_S = 15.0
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


def bounded(argv: Sequence[str], limit_s: float, text: str) -> subprocess.CompletedProcess[str]:
    """Run argv with `text` as its input; the code is TIMED_OUT where it took longer than limit_s.

    A process in D state survives even SIGKILL: it is left behind, to end with its host.
    """
    # Files, not pipes: such a process would hold a pipe open for ever.
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        stdin.write(text.encode())
        stdin.seek(0)
        began = time.monotonic()
        process = subprocess.Popen(
            argv, stdin=stdin, stdout=out, stderr=err, env=ENVIRONMENT, cwd="/"
        )
        try:
            code = process.wait(limit_s + MERCY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = TIMED_OUT
        if code in KILLED and time.monotonic() - began >= limit_s:
            code = TIMED_OUT
        return subprocess.CompletedProcess(argv, code, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
