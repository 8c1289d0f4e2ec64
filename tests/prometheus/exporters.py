"""The real exporter on a fake machine: the story is told step by step, the scrapes are real."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dockerdoctor.host import web
from dockerdoctor.host.nouns import Start
from dockerdoctor.metrics import Metrics
from dockerdoctor.model import Incident
from dockerdoctor.watch import Hooks, Snapshot
from tests.story import RULES, Story
from tests.values import PROBES, RUNGS


class Exporter:
    """One host's watchdog and its endpoint. `instance` is how Prometheus calls it."""

    def __init__(self, directory: Path) -> None:
        self.story = Story(directory, hooks=Hooks(looked=self._looked, closed=self._closed))
        self.metrics = Metrics(
            PROBES,
            {rule.name: rule.severity for rule in RULES},
            RUNGS,
            self.story.host.events,
        )
        self.server = web.serve(
            ("127.0.0.1", 0),
            self.metrics.registry,
            lambda: self.metrics.healthy(self.story.host.now()),
            self.metrics.ready,
        )
        self.instance = "{}:{}".format(*self.server.address)

    def starts_a_container(self, took_s: float) -> None:
        """As its event stream would tell."""
        tally = self.story.host.tally
        start = Start(f"c{tally.starts_total}", self.story.host.now().wall, took_s)
        self.story.host.tally = dataclasses.replace(
            tally,
            starts_total=tally.starts_total + 1,
            events_total=tally.events_total + 3,
            starts=(*tally.starts, start),
        )

    def _looked(self, snapshot: Snapshot) -> None:
        self.metrics.looked(snapshot)

    def _closed(self, incident: Incident) -> None:
        self.metrics.closed(incident)


@contextmanager
def exporter(directory: Path) -> Iterator[Exporter]:
    """One that serves until the block ends."""
    directory.mkdir(parents=True)
    made = Exporter(directory)
    try:
        yield made
    finally:
        made.server.stop()
        made.story.store.shut()
