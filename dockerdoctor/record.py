"""What was written down, for reading: beside a running watchdog, or between two.

Questions go in; samples, incidents, attempts and facts come out. Nothing here writes or creates.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from dockerdoctor import storefile, storerows
from dockerdoctor.errors import DoctorError, NotPermitted, StoreError, UsageError
from dockerdoctor.model import Attempt, Impact, Incident, Sample

Fact = TypeVar("Fact")


class Record:
    """The record at `path`; opened anew for each question, as its writer may come and go. Every
    question may raise StoreError, or NotPermitted."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def samples(
        self, probe: str | None = None, since: float = 0.0, until: float = 1e11
    ) -> list[Sample]:
        """Samples of one probe or of all, taken at `since` ≤ wall clock ≤ `until`, oldest first."""
        rows = self._ask(
            "SELECT * FROM sample WHERE wall BETWEEN ? AND ? AND probe = coalesce(?, probe)"
            " ORDER BY wall, rowid",
            since,
            until,
            probe,
        )
        return [storerows.sample_of(row) for row in rows]

    def current_incident(self) -> Incident | None:
        """The incident that is not closed; the latest, should there be several."""
        rows = self._ask("SELECT * FROM incident WHERE closed IS NULL ORDER BY rowid DESC LIMIT 1")
        return self._with_attempts(rows[0]) if rows else None

    def open_incidents(self) -> list[Incident]:
        """All incidents that are not closed, the oldest first."""
        rows = self._ask("SELECT * FROM incident WHERE closed IS NULL ORDER BY rowid")
        return [self._with_attempts(row) for row in rows]

    def incident(self, ident: str) -> Incident | None:
        """The incident of this very id."""
        rows = self._ask("SELECT * FROM incident WHERE id = ?", ident)
        return self._with_attempts(rows[0]) if rows else None

    def find(self, prefix: str) -> Incident:
        """The one incident whose id begins so. Raises UsageError when none or several do."""
        rows = self._ask(
            "SELECT * FROM incident WHERE substr(id, 1, ?) = ? ORDER BY rowid LIMIT 4",
            len(prefix),
            prefix,
        )
        if len(rows) == 1:
            return self._with_attempts(rows[0])
        found = "; ".join(str(row[0]) for row in rows[:3]) + ("; ..." if len(rows) > 3 else "")
        raise UsageError(
            f"several incidents begin with {prefix}: {found}"
            if rows
            else f"there is no incident {prefix}",
            "`dockerdoctor incidents` lists them",
        )

    def incidents(self, limit: int = 50) -> list[Incident]:
        """The latest incidents with their attempts, newest first."""
        rows = self._ask("SELECT * FROM incident ORDER BY rowid DESC LIMIT ?", limit)
        return [self._with_attempts(row) for row in rows]

    def recent_attempts(self, since: float) -> list[tuple[str, Attempt]]:
        """All attempts with an impact of DAEMON or more that began at or after `since` (wall
        clock), with the id of their incident, oldest first. Those passed over are no attempts."""
        rows = self._ask(
            "SELECT * FROM attempt WHERE began >= ? AND impact >= ? AND NOT skipped ORDER BY rowid",
            since,
            int(Impact.DAEMON),
        )
        return [(str(row[0]), storerows.attempt_of(row)) for row in rows]

    def recall(self, key: str, kind: type[Fact]) -> Fact | None:
        """A fact as `kind` (a Struct, `tuple[Container, ...]`, `dict[str, float]` ...); None
        when it is not known, or was written in a form of long ago."""
        rows = self._ask("SELECT value FROM fact WHERE key = ?", key)
        with suppress(msgspec.DecodeError):
            return msgspec.json.decode(str(rows[0][0]), type=kind) if rows else None
        return None

    def _with_attempts(self, row: tuple[object, ...]) -> Incident:
        rows = self._ask("SELECT * FROM attempt WHERE incident = ? ORDER BY rowid", str(row[0]))
        return storerows.incident_of(row, [storerows.attempt_of(found) for found in rows])

    def _ask(self, sql: str, *values: float | str | None) -> list[tuple[object, ...]]:
        try:
            with closing(storefile.readable(self.path)) as database:
                return database.execute(sql, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise _unreadable(self.path, error) from error


def _unreadable(path: Path, error: Exception) -> DoctorError:
    if isinstance(error, PermissionError) or (path.exists() and not os.access(path, os.R_OK)):
        return NotPermitted(f"{path} may not be read", "try again as root")
    if not path.exists():
        return StoreError(
            f"there is no record at {path}",
            "the watchdog writes it: is it running here (`systemctl status dockerdoctor`), "
            "and with this state directory?",
        )
    return StoreError(
        f"{path} cannot be read: {error}",
        "the watchdog moves a garbled record aside when it starts",
    )
