"""Cuts the head off a container's json-file log while its daemon goes on writing to it.

In: a data-root, a container's full id, how much of the end stays. Out: why nothing was done, or
empty. The file keeps its size and its offsets: engines from 23 on count them on their own, and a
file that became shorter makes their readers spin. Its head becomes a hole. Seen on 20.10 and 26.1:
the writer and `docker logs --tail N` and `-f` go on; reading from the beginning, or `--since`, ends
with an error at the hole until the container is created anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
from collections import Counter
from pathlib import Path

from dockerdoctor.host.storage import holders
from dockerdoctor.host.storage.boxes import current_name
from dockerdoctor.host.storage.homes import PLACE
from dockerdoctor.host.storage.layerdb import HEX
from dockerdoctor.host.storage.opened import Directory
from dockerdoctor.host.storage.walk import BLOCK

_PUNCH_HOLE_KEEP_SIZE = 0x02 | 0x01
_BLOCK = 4096


def cut(root: Path, ident: str, keep_bytes: int) -> str:
    """In words that go on with "it". HostFault when the data-root cannot be entered."""
    if not HEX.fullmatch(ident):
        return "is no container's id"
    with Directory.root(root) as top:
        try:
            with top.sub(PLACE, ident) as box:
                return _cut(box, current_name(ident), keep_bytes)
        except FileNotFoundError:
            return "is gone already"
        except OSError as error:  # a link (ELOOP), an append-only file, a file system without holes
            return f"cannot be cut ({error.strerror})"


def on_disk(root: Path, ident: str) -> int:
    """Bytes that a container's log takes; 0 when it is gone."""
    try:
        return (root / PLACE / ident / current_name(ident)).lstat().st_blocks * BLOCK
    except OSError:
        return 0


def readers(ident: str) -> list[str]:
    """Who has a container's log open to read it, as "promtail (pid 12)"; dockerd itself for each
    `docker logs`. Found by the file's name: others may see it in another place. Root sees all."""
    found: Counter[str] = Counter()
    for entry in holders.entries(lambda path: path.endswith(f"/{current_name(ident)}")):
        with contextlib.suppress(OSError, ValueError):  # gone meanwhile
            told = (entry.parents[1] / "fdinfo" / entry.name).read_text()
            flags = next(line for line in told.splitlines() if line.startswith("flags:"))
            if int(flags.split()[1], 8) & os.O_ACCMODE == os.O_RDONLY:
                found[holders.owner(entry)] += 1
    return [f"{who}, {count} times" if count > 1 else who for who, count in found.items()]


def _cut(box: Directory, name: str, keep_bytes: int) -> str:
    fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=box.fd)
    try:
        seen, owner = os.fstat(fd), box.stat(".")
        if not stat.S_ISREG(seen.st_mode):
            return "is no plain file"
        if seen.st_nlink != 1:
            return "has other names (hard links)"
        if seen.st_uid != owner.st_uid or seen.st_dev != owner.st_dev:
            return "is not its daemon's own file"
        head = (seen.st_size - keep_bytes) // _BLOCK * _BLOCK
        if head <= 0:
            return "is not longer than what stays"
        _punch(fd, head)
    finally:
        os.close(fd)
    return ""


def _punch(fd: int, length: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    offset = ctypes.c_int64
    if libc.fallocate(fd, _PUNCH_HOLE_KEEP_SIZE, offset(0), offset(length)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
