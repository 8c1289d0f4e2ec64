"""The metrics as a file for node_exporter's textfile collector: a registry in, a file out.

The second way to Prometheus, for hosts where no other port may be opened. The file is replaced as a
whole, so that a reader never sees half of it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from dockerdoctor.model import Instant

EVERY_S = 15.0
"""Not more often than this; node_exporter is hardly scraped more often."""

MODE = 0o644
"""node_exporter is not root."""


class Textfile:
    """One file, written anew at most every EVERY_S.

    Only metrics whose names begin with `prefix` go in: node_exporter has `process_...` of its own,
    and refuses to show the same names twice."""

    def __init__(self, path: Path, registry: CollectorRegistry, prefix: str) -> None:
        self._path = path
        # node_exporter reads *.prom: this is none until it is complete.
        self._draft = path.with_name(f".{path.name}.new")
        self._registry = registry
        self._prefix = prefix
        self._written_mono: float | None = None
        self._failure = ""

    def write(self, now: Instant) -> str:
        """Write if it is time. Never raises; returns a sentence when a failure is a new one."""
        if self._written_mono is not None and now.mono - self._written_mono < EVERY_S:
            return ""
        self._written_mono = now.mono
        try:
            self._draft.write_bytes(generate_latest(self))
            self._draft.chmod(MODE)
            self._draft.replace(self._path)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            return self._said_once(f"the textfile {self._path} cannot be written: {why}")
        self._failure = ""
        return ""

    def remove(self) -> None:
        """A watchdog that has ended must not look alive."""
        for path in (self._draft, self._path):
            with contextlib.suppress(OSError):
                path.unlink()

    def collect(self) -> Iterator[Metric]:
        """What goes into the file."""
        return (each for each in self._registry.collect() if each.name.startswith(self._prefix))

    def _said_once(self, failure: str) -> str:
        if failure == self._failure:
            return ""
        self._failure = failure
        return failure
