"""The record's file: made, opened, read beside its writer, and moved aside when it is garbled.

Raises sqlite3.Error and OSError as they come, and StoreError for a file from a newer version; what
to do then is the store's decision. SQLite in WAL mode: one writer and any number of readers.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from dockerdoctor import storerows
from dockerdoctor.errors import StoreError
from dockerdoctor.model import Instant
from dockerdoctor.storerows import Statement

BUSY_S = 2.0
"""How long to wait for another writer (`heal` by hand) before carrying on without the disk."""

ROOM_BYTES = 1 << 20
"""With less free than this a disk counts as full. SQLite maps the index of its log into memory: on
a file system with small blocks a write to it on a full disk is no error but a SIGBUS, and our end
(seen on ext4 with 1 kB blocks). The index takes 32 kB, 64 kB after very large changes."""

_GARBLED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Garbled(Exception):
    """The file is there, and is no record of ours: the message says why."""


def writable(path: Path, now: Instant) -> tuple[sqlite3.Connection, str]:
    """The database at `path` for writing, made if it is not there; and a sentence for people when
    a garbled one had to be moved aside for that, else an empty one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    check_room(path)
    try:
        return _open(path), ""
    except Garbled as error:
        aside = set_aside(path, now)
        return _open(path), f"{path} was garbled ({error}): moved aside to {aside.name}"


def set_aside(path: Path, now: Instant) -> Path:
    """Rename the database with its -wal and -shm; returns the new path. Nothing is deleted."""
    stamp = datetime.fromtimestamp(now.wall, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.garbled-{stamp}")
    count = 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.name}.garbled-{stamp}-{count}")
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    return aside


def in_memory() -> sqlite3.Connection:
    """An empty database in memory."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.executescript(storerows.SCHEMA)
    return database


def readable(path: Path) -> sqlite3.Connection:
    """The database at `path` for one short read. Creates no file, beside a writer or without."""
    wal, shm = Path(f"{path}-wal"), Path(f"{path}-shm")
    # Without a -wal nobody writes and all is in the file. SQLite would still make a -wal and a
    # -shm for a reader (and fail where it may not), unless it is told that nothing changes.
    how = "mode=ro&immutable=1"
    if wal.exists():
        how = "mode=ro&readonly_shm=1" if shm.exists() else "mode=ro"
    database = sqlite3.connect(_uri(path, how), uri=True, isolation_level=None, timeout=BUSY_S)
    try:
        _refuse_newer(database, path)
    except BaseException:
        database.close()
        raise
    return database


def commit(database: sqlite3.Connection, statements: Sequence[Statement], *, durable: bool) -> None:
    """Make all changes or none. On return they survive a crash of this process, and of the host
    too if `durable` (fsync)."""
    database.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    database.execute("BEGIN IMMEDIATE")
    try:
        for sql, values in statements:
            database.execute(sql, values)
        database.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors (disk full).
        if database.in_transaction:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
        raise


def give_back_space(database: sqlite3.Connection) -> None:
    """Shorten the file by up to 1 MB of pages that hold nothing any more."""
    # Not `execute`: it steps once, and so gives back one page.
    database.executescript("PRAGMA incremental_vacuum(256)")


def check_room(path: Path) -> None:
    """Raises OSError (ENOSPC) with less than ROOM_BYTES free beside `path`; counts what only root
    may use, as root."""
    found = os.statvfs(path.parent)
    blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail
    # A file system that counts no blocks at all has no limit of its own.
    if found.f_blocks and blocks * found.f_frsize < ROOM_BYTES:
        raise OSError(errno.ENOSPC, "the disk is full", str(path.parent))


def identity(path: Path) -> tuple[int, int]:
    """Which file is at `path` now (device and inode): not the one that is open, if it was deleted
    or replaced beneath us. Raises FileNotFoundError."""
    found = path.stat()
    return found.st_dev, found.st_ino


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(_uri(path, "mode=rwc"), uri=True, isolation_level=None)
    try:
        _prepare(database, path)
    except sqlite3.DatabaseError as error:
        database.close()
        if _code(error) in _GARBLED:
            raise Garbled(str(error)) from error
        raise
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    database.execute(f"PRAGMA busy_timeout={int(BUSY_S * 1000)}")
    database.execute("PRAGMA temp_store=MEMORY")  # /tmp may be full as well
    database.execute("PRAGMA cache_size=-1000")
    _refuse_newer(database, path)
    if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")
    elif _pragma(database, "application_id") != storerows.APPLICATION:
        raise Garbled("it is somebody else's database")
    elif (found := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise Garbled(str(found))
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA journal_size_limit=4194304")
    # A crash between the file and its tables leaves none of them: one transaction makes all.
    database.execute("BEGIN IMMEDIATE")
    with closing(database.cursor()) as cursor:
        if not cursor.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for sql in storerows.SCHEMA.split(";"):
                cursor.execute(sql)
    database.execute("COMMIT")


def _refuse_newer(database: sqlite3.Connection, path: Path) -> None:
    if (
        _pragma(database, "application_id") == storerows.APPLICATION
        and (version := _pragma(database, "user_version")) > storerows.VERSION
    ):
        raise StoreError(
            f"{path} was written by a newer dockerdoctor (format {version}, this one knows "
            f"{storerows.VERSION})",
            "update dockerdoctor, or move the file away to begin a new record",
        )


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _uri(path: Path, how: str) -> str:
    return f"{path.absolute().as_uri()}?{how}"
