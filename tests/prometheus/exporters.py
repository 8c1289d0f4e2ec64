"""The real exporter on a fake machine: the story is told step by step, the scrapes are real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.around import Hooks, Snapshot
from dockerdoctor.eaten import CONSUMERS, Eaten
from dockerdoctor.host import web
from dockerdoctor.host.nouns import Start
from dockerdoctor.host.webpages import Pages, Texts
from dockerdoctor.metrics import Metrics, Sources
from dockerdoctor.model import Incident
from tests.story import RULES, Story
from tests.values import PROBES, RUNGS

EATEN = Eaten(1_800_000_000.0, {name: 2**30 * number for number, name in enumerate(CONSUMERS)})


class Exporter:
    """One host's watchdog and its endpoint. `instance` is how Prometheus calls it."""

    def __init__(self, directory: Path, max_containers: int) -> None:
        self.story = Story(directory, hooks=Hooks(looked=self._looked, closed=self._closed))
        self.lock_held_s = 0.0
        sources = Sources(
            self.story.host.events,
            self.story.host.roster,
            max_containers,
            lambda: EATEN,
            lambda: self.lock_held_s,
        )
        self.metrics = Metrics(
            PROBES,
            {rule.name: rule.severity for rule in RULES},
            RUNGS,
            sources,
        )
        self.pages = Pages(
            Texts(self.metrics.registry, lambda: self.metrics.generation),
            lambda: self.metrics.healthy(self.story.host.now()),
            self.metrics.ready,
        )
        self.server = web.serve(("127.0.0.1", 0), self.pages)
        self.instance = "{}:{}".format(*self.server.address)

    def starts_a_container(self, took_s: float) -> None:
        """As its event stream would tell."""
        tally = self.story.host.tally
        start = Start(f"c{tally.starts_total}", self.story.host.now().wall, took_s)
        self.story.host.tally = replace(
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
def exporter(directory: Path, max_containers: int = 100) -> Iterator[Exporter]:
    """One that serves until the block ends; so many containers have series of their own."""
    directory.mkdir(parents=True)
    made = Exporter(directory, max_containers)
    try:
        yield made
    finally:
        made.server.stop()
        made.story.store.shut()
