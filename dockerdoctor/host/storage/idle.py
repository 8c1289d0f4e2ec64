"""Makes this thread the last in every queue: the idle I/O class, and the lowest CPU priority.

A survey must not take the disk from a host that is ill already.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform

_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}
_WHO_THREAD = 1
_IDLE = 3 << 13


def give_way() -> None:
    """For the rest of this process's life, as far as the system lets us."""
    with contextlib.suppress(OSError):
        os.nice(10)
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None, use_errno=True).syscall(number, _WHO_THREAD, 0, _IDLE)
