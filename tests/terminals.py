"""A command on a terminal, driven as a person would: keys, drawings, sizes, a closed window."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.clirun import PATIENCE_S, environment


class Terminal:
    """One command on a terminal of its own, as a person has it."""

    def __init__(self, config: Path, *words: str, **env: str) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(24, 80)
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.child = subprocess.Popen(
            [sys.executable, "-m", "dockerdoctor", "--config", str(config), *words],
            env=environment({"TERM": "xterm", **env}),
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=self._take,
        )

    def _take(self) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def types(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def read(self) -> bool:
        """Take what is there; whether more may come."""
        ready, _, _ = select.select([self.master], [], [], 0.2)
        if ready:
            with contextlib.suppress(OSError):
                self.text += os.read(self.master, 65536).decode("utf-8", "replace")
        return bool(ready) or self.child.poll() is None

    def shows(self, wanted: str) -> None:
        """Wait until that was drawn."""
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(wanted, self.text):
            assert time.monotonic() < deadline, self.text[-3000:]
            assert self.read(), self.text[-3000:]

    def closes(self) -> None:
        """The window is closed, or the line is gone."""
        for fd in (self.slave, self.master):
            with contextlib.suppress(OSError):
                os.close(fd)

    def destroy(self) -> None:
        """Nothing of it is left."""
        self.child.kill()
        self.child.wait(PATIENCE_S)
        self.closes()

    def ends(self) -> int:
        """Wait for its end; the exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self.read():
            assert time.monotonic() < deadline, self.text[-3000:]
        return self.child.wait(PATIENCE_S)
