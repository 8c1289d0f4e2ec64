"""What dockerdoctor remembers: samples, incidents and small facts, in SQLite, the only state on
disk.

`Store.read` gives a `Record`, which looks; `Store.open` a `Store`, which also writes. A disk that
is full, read-only or gone does not stop the healing: the store carries on in memory, says so in
`trouble`, tries the disk again every RETRY_S and then writes back what it kept.

The file converges to 20 MB (measured: ten probes at the usual pace for 48 h), and to 35 to 60 MB
when every look of two days was kept.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dockerdoctor import storefile, storerows
from dockerdoctor.errors import StoreError
from dockerdoctor.model import Attempt, Incident, Instant, Outcome, Sample
from dockerdoctor.record import Record
from dockerdoctor.storerows import Statement

RING_S = 48 * 3600.0
"""Samples older than this are deleted."""
RING_ROWS = 200_000
"""The most samples on disk, about 60 MB: an incident that nobody ends keeps every look."""
MEMORY_ROWS = 5_000
"""The most samples in memory while the disk does not work, about 2 MB."""
FLUSH_S = 60.0
"""How long samples wait in memory while nothing is urgent."""
THIN_S = 15.0
"""One sample per probe in this time is kept while nothing is urgent."""
CLOCK_SLACK_S = 3600.0
"""Samples from further ahead come from a clock that was wrong, and are deleted."""
RETRY_S = 60.0
"""How long after a failure the disk is tried again."""


def incident_id(opened: float) -> str:
    """A new id that sorts by time (UTC) and is unique: `YYYYMMDD-HHMMSS-xxxx`."""
    return f"{datetime.fromtimestamp(opened, UTC):%Y%m%d-%H%M%S}-{os.urandom(2).hex()}"


class Store(Record):
    """The record of a running watchdog. Nothing here raises because of the disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.trouble = ""
        """Why nothing is written to disk now, as a sentence; empty when all is well."""
        self.notes: list[str] = []
        """What people should know about the file, for the caller to say and then clear."""
        self._told = ""
        self._disk: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._memory = storefile.in_memory()
        self._facts: dict[str, str] = {}
        self._waiting: list[Sample] = []
        self._last_kept: dict[str, float] = {}
        self._flushed: float | None = None
        self._seen = Instant(0.0, 0.0)
        self._lost_at = 0.0

    @classmethod
    def open(cls, path: Path, now: Instant) -> Store:
        """The store at `path`, made with its directories if it is not there. A garbled file is
        moved aside, and `notes` tells it. Raises StoreError for a file of a newer version only."""
        store = cls(path)
        store._seen = now
        store._begin()
        return store

    @staticmethod
    def read(path: Path) -> Record:
        """The record at `path` for reading; creates nothing. StoreError when there is none."""
        record = Record(path)
        record.current_incident()
        return record

    def keep(self, samples: Sequence[Sample], now: Instant, urgent: bool) -> None:
        """Keep samples: all of them and at once when `urgent`, else one per probe in THIN_S,
        written each FLUSH_S. Called at each look, it also tries the disk again when it is time."""
        self._seen = now
        self._waiting += samples
        if self._disk is None and now.mono - self._lost_at >= RETRY_S:
            self._try_again()
        if urgent or self._flushed is None or now.mono - self._flushed >= FLUSH_S:
            self._flush(urgent)

    def open_incident(self, incident: Incident) -> None:
        """Write down that an incident began, and forget the oldest beyond INCIDENTS_KEPT."""
        self._write(storerows.put_incident(incident) + storerows.drop_old_incidents())

    def began(self, ident: str, attempt: Attempt) -> None:
        """Write down that a rung is about to act: on disk (fsync) when this returns."""
        self._write([storerows.put_attempt(ident, attempt)])

    def ended(self, ident: str, attempt: Attempt) -> None:
        """Write down how it ended; `rung` and `began` say which attempt it was."""
        self._write([storerows.put_attempt(ident, attempt)])

    def skipped(self, ident: str, attempts: Sequence[Attempt]) -> None:
        """Write down the rungs that were passed over."""
        self._write([storerows.put_attempt(ident, attempt) for attempt in attempts])

    def update(self, ident: str, why: str, outcome: Outcome | None = None) -> None:
        """Write down the last decision's sentence of an open incident, and GAVE_UP."""
        sql = "UPDATE incident SET why = ?, outcome = coalesce(?, outcome) WHERE id = ?"
        self._write([(f"{sql} AND closed IS NULL", (storerows.clean(why), outcome, ident))])

    def close(self, ident: str, closed: float, outcome: Outcome, why: str) -> None:
        """Write down that an incident is over (wall clock)."""
        sql = "UPDATE incident SET closed = ?, outcome = ?, why = ? WHERE id = ? AND closed IS NULL"
        self._write([(sql, (closed, outcome, storerows.clean(why), ident))])

    def remember(self, key: str, value: object) -> None:
        """Keep a small fact over a restart of the watchdog; costs nothing while it is the same."""
        text = msgspec.json.encode(value).decode()
        if self._facts.get(key) != text:
            self._write([storerows.put_fact(key, text)])
            self._facts[key] = text

    def take_notes(self) -> list[str]:
        """What people should know since the last call, `trouble` when it is new included."""
        notes, self.notes = self.notes, []
        if self.trouble != self._told:
            self._told = self.trouble
            notes += [self.trouble] if self.trouble else []
        return notes

    def retry(self) -> None:
        """Try the disk again at once: somebody may have made room on it."""
        if self._disk is None:
            self._try_again()

    def shut(self) -> None:
        """Write what waits and close the file. The store is not used after it."""
        self.retry()
        self._flush(urgent=False)
        if self._disk is not None:
            self._disk.close()
        self._memory.close()

    def _flush(self, urgent: bool) -> None:
        now = self._seen
        samples = self._waiting if urgent else self._thinned()
        self._last_kept |= {sample.probe: sample.at.mono for sample in samples}
        self._waiting = []
        self._flushed = now.mono
        since, until = now.wall - RING_S, now.wall + CLOCK_SLACK_S
        statements = storerows.put_samples(samples)
        if self._commit(
            [*statements, *storerows.drop_samples(since, until, RING_ROWS)], durable=False
        ):
            # On disk: memory then holds what decisions need, and no history.
            statements = storerows.drop_closed(since)
        storefile.commit(
            self._memory,
            [*statements, *storerows.drop_samples(since, until, MEMORY_ROWS)],
            durable=False,
        )

    def _thinned(self) -> list[Sample]:
        last = dict(self._last_kept)
        kept = []
        for sample in self._waiting:
            if sample.at.mono - last.get(sample.probe, -math.inf) >= THIN_S:
                last[sample.probe] = sample.at.mono
                kept.append(sample)
        return kept

    def _write(self, statements: list[Statement]) -> None:
        self._commit(statements, durable=True)
        storefile.commit(self._memory, statements, durable=False)

    def _commit(self, statements: list[Statement], *, durable: bool) -> bool:
        if self._disk is None:
            return False
        try:
            if storefile.identity(self.path) != self._file:
                raise FileNotFoundError("somebody replaced the file")
            storefile.check_room(self.path)
            storefile.commit(self._disk, statements, durable=durable)
            if not durable:
                storefile.give_back_space(self._disk)
        except (sqlite3.Error, OSError) as error:
            self._lose(error)
            return False
        return True

    def _ask(self, sql: str, *values: float | str | None) -> list[tuple[object, ...]]:
        if self._disk is not None:
            try:
                return self._disk.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                self._lose(error)
        return self._memory.execute(sql, values).fetchall()

    def _begin(self) -> None:
        try:
            self._learn(self._connect())
        except (sqlite3.Error, OSError) as error:
            self._lose(error)
            with suppress(sqlite3.Error, OSError), closing(storefile.readable(self.path)) as disk:
                self._learn(disk)

    def _try_again(self) -> None:
        try:
            self._connect()
        except (sqlite3.Error, OSError, StoreError) as error:
            self._lose(error)
        else:
            self.notes.append(f"{self.path} can be written again; what memory kept is in it")
            storefile.commit(self._memory, [("DELETE FROM sample", ())], durable=False)

    def _connect(self) -> sqlite3.Connection:
        disk, note = storefile.writable(self.path, self._seen)
        try:
            # The fact makes it a real write in any case: a read-only file can be opened.
            opened = storerows.put_fact("opened", str(self._seen.wall))
            kept = storerows.everything(self._memory, None)
            storefile.commit(disk, [*kept, opened], durable=True)
            self._file = storefile.identity(self.path)
        except BaseException:
            disk.close()
            raise
        self._disk, self.trouble = disk, ""
        if note:
            self.notes.append(note)
        return disk

    def _lose(self, error: Exception) -> None:
        disk, self._disk = self._disk, None
        self._lost_at = self._seen.mono
        self.trouble = (
            f"nothing can be written to {self.path} ({error}): carrying on in memory, "
            f"trying again every {RETRY_S:.0f} s"
        )
        if disk is not None:
            with suppress(sqlite3.Error), closing(disk):
                self._learn(disk)

    def _learn(self, disk: sqlite3.Connection) -> None:
        """Take into memory what decisions need; a full or read-only disk can still be read."""
        statements = storerows.everything(disk, self._seen.wall - RING_S)
        storefile.commit(self._memory, statements, durable=False)
