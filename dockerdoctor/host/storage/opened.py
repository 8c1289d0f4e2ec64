"""Directories held open: names are looked up below a descriptor and never through a link, so that
nothing planted in a tree leads out of it. Raises OSError, as the system does."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from dockerdoctor.errors import HostFault
from dockerdoctor.host.faults import from_os

MAX_FILE = 16 << 20
"""Of metadata that is read whole; image configurations have some 100 kB at most."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


class Directory:
    """One open directory."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def root(cls, path: Path) -> Self:
        """The root of a tree; it alone may be reached by a link. HostFault when it cannot be."""
        try:
            return cls(os.open(path, _DIRECTORY & ~os.O_NOFOLLOW))
        except OSError as error:
            raise from_os(error, f"cannot look into {path}", "try again as root") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.fd)

    def sub(self, *names: str) -> Directory:
        """A directory below it; the caller closes it."""
        current = os.dup(self.fd)
        for name in names:
            try:
                inner = os.open(name, _DIRECTORY, dir_fd=current)
            finally:
                os.close(current)
            current = inner
        return Directory(current)

    def names(self) -> list[str]:
        """What is in it, sorted."""
        return sorted(os.listdir(self.fd))  # noqa: PTH208 (by descriptor)

    def directories(self) -> dict[str, int]:
        """The directories in it, sorted, each with its inode number: of them nothing is read."""
        with os.scandir(self.fd) as entries:
            return dict(
                sorted(
                    (each.name, each.inode())
                    for each in entries
                    if each.is_dir(follow_symlinks=False)
                )
            )

    def stat(self, name: str) -> os.stat_result:
        """Of the thing itself, a link too."""
        return os.stat(name, dir_fd=self.fd, follow_symlinks=False)

    def read(self, name: str, limit: int = MAX_FILE) -> bytes:
        """A plain file, whole. HostFault is never raised; ValueError for one that is too large or
        no plain file."""
        fd = os.open(
            name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.fd
        )
        with open(fd, "rb") as file:  # noqa: PTH123 (by descriptor)
            told = os.fstat(fd)
            if not stat.S_ISREG(told.st_mode):
                raise ValueError("is no plain file")
            content = file.read(limit + 1)
        if len(content) > limit:
            raise ValueError(f"has more than {limit >> 20} MiB")
        return content


def readable(error: Exception) -> str:
    """Why something could not be read, in a few words."""
    if isinstance(error, HostFault):
        return error.sentence
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error).splitlines()[0] if str(error) else type(error).__name__
