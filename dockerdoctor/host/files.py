"""Writing files so that a crash leaves the old one or the new one, and keeping evidence."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from dockerdoctor.errors import HostFault
from dockerdoctor.host.faults import from_os
from dockerdoctor.model import Fault

MAX_BYTES = 200 << 20
"""Of one file of evidence. A dump of 4,000 goroutines has 118,000 lines, some 10 MB."""

KEPT_FILES = 300
"""Some twenty incidents; the oldest go first."""

KEPT_BYTES = 2 << 30

_CHUNK = 1 << 20


def write_atomic(path: Path, content: bytes, mode: int = 0o644, lasting: bool = True) -> None:
    """Replace `path`: whoever reads it sees all of the old or all of the new, also after a crash
    of the host if it is to be `lasting` (which waits for the disk).

    Owner, mode and extended attributes of an old file are kept; `mode` is for a new one.
    Raises OSError."""
    new = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            _like_the_old(file.fileno(), path, mode)
            if lasting:
                os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    if lasting:
        _sync_directory(path.parent)


def _like_the_old(fd: int, path: Path, mode: int) -> None:
    try:
        old = path.lstat()
    except FileNotFoundError:
        os.fchmod(fd, mode)
        return
    os.fchmod(fd, stat.S_IMODE(old.st_mode))
    with contextlib.suppress(PermissionError):
        os.fchown(fd, old.st_uid, old.st_gid)
    with contextlib.suppress(OSError):  # a file system without them
        for name in os.listxattr(path, follow_symlinks=False):
            os.setxattr(fd, name, os.getxattr(path, name, follow_symlinks=False))


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Evidence:
    """A directory for what the next rung destroys: private, bounded, oldest files first to go."""

    def __init__(self, directory: Path, kept_files: int = KEPT_FILES) -> None:
        self.directory = directory
        self._kept_files = kept_files

    def keep(self, name: str, content: bytes) -> Path:
        """Write `content`, cut at MAX_BYTES; returns where. HostFault when it cannot be kept."""
        with self._new(name) as (path, fd), os.fdopen(os.dup(fd), "wb") as file:
            file.write(content[:MAX_BYTES])
        self._thin_out()
        return path

    def keep_copy(self, source: Path) -> Path:
        """Move a plain file here; one that is longer than MAX_BYTES is copied as far as that and
        stays where it is. HostFault: MISSING, DENIED, REFUSED (a link or no plain file)."""
        with self._new(source.name) as (path, fd):
            whole = _copy(source, fd)
        if whole:
            with contextlib.suppress(OSError):
                source.unlink()
        self._thin_out()
        return path

    @contextlib.contextmanager
    def _new(self, name: str) -> Iterator[tuple[Path, int]]:
        """A new file named by now and `name`; nothing half-written stays."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        bare = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[-120:] or "evidence"
        path = self.directory / f"{stamp}-{bare}"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                yield path, fd
                os.fsync(fd)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            finally:
                os.close(fd)
        except OSError as error:
            raise from_os(error, f"cannot keep {bare}") from error

    def _thin_out(self) -> None:
        with contextlib.suppress(OSError):
            files = sorted(path for path in self.directory.iterdir() if path.is_file())
            sizes = [path.stat().st_size for path in files]
            total = sum(sizes)
            for index, path in enumerate(files[:-1]):
                if len(files) - index <= self._kept_files and total <= KEPT_BYTES:
                    return
                path.unlink(missing_ok=True)
                total -= sizes[index]


def _copy(source: Path, to_fd: int) -> bool:
    """Whether all of it fitted. A dump lies in a directory of root's; still, no link is followed
    out of it, and a fifo would never end."""
    with open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise HostFault(Fault.REFUSED, f"{source} is not a plain file")
        with os.fdopen(os.dup(to_fd), "wb") as target:
            left = MAX_BYTES
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                target.write(chunk)
                left -= len(chunk)
        return not file.read(1)
