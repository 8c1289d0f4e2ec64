"""Tells a story: a fake host, the real loop, rules and rungs, and a real store in a directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from dockerdoctor.around import Hooks, Knowledge
from dockerdoctor.collect import Collect, due, run_probe
from dockerdoctor.model import Attempt, Incident, Policy, Sample
from dockerdoctor.rules import Catalogue, load_rules, shipped_rules
from dockerdoctor.store import Store
from dockerdoctor.watch import Watch
from tests.fakehost import FakeHost
from tests.values import PROBES, READINGS, RUNGS

RULES = load_rules([shipped_rules()], Catalogue(READINGS, RUNGS))
SETTLED_S = 600.0
"""So long before the story the daemon was started: nobody has just restarted it."""


def inline(host: FakeHost) -> Collect:
    """A collector without threads: a fake host cannot hang."""
    last: dict[str, Sample] = {}

    def look(close: frozenset[str], _within_s: float | None) -> Mapping[str, Sample]:
        for probe in PROBES.values():
            if due(probe, last.get(probe.name), host.now(), probe.name in close):
                last[probe.name] = run_probe(probe, host)
        return dict(last)

    return look


class Story:
    """One host and its watchdog. `said` is what it said, sentence by sentence."""

    def __init__(
        self,
        directory: Path,
        policy: Policy | None = None,
        bare: bool = False,
        hooks: Hooks | None = None,
    ) -> None:
        self.host = FakeHost(directory, bare=bare)
        self.host.advance(SETTLED_S)
        self.path = directory / "state" / "record.sqlite"
        self.policy = policy or Policy()
        self.said: list[str] = []
        self.hooks = hooks or Hooks()
        self.hooks.say = self.said.append
        self.watch = self._begin()

    def _begin(self) -> Watch:
        self.store = Store.open(self.path, self.host.now())
        knowledge = Knowledge(PROBES, RUNGS, RULES)
        look = inline(self.host)
        return Watch(self.host, look, knowledge, lambda: self.policy, self.store, hooks=self.hooks)

    def killed_and_started_again(self) -> None:
        """The watchdog dies by kill -9, and systemd starts another."""
        self.watch = self._begin()

    def goes_on_for(self, seconds: float) -> None:
        """The loop runs for that long, s."""
        end = self.host.now().mono + seconds
        while self.host.now().mono < end:
            self.said.append(self.watch.cycle())
            self.host.advance(self.watch.pause_s())

    def goes_on_until(self, condition: Callable[[], bool], within_s: float = 900.0) -> float:
        """The loop runs until the condition holds; how long that took, s."""
        began = self.host.now().mono
        while not condition():
            assert self.host.now().mono - began < within_s, "\n".join(self.said)
            self.goes_on_for(0.1)
        return self.host.now().mono - began

    @property
    def acts(self) -> list[str]:
        """What was done to the host, evidence aside."""
        return [act for act in self.host.ledger if not act.startswith("keep")]

    @property
    def incidents(self) -> list[Incident]:
        """All of them, oldest first, as they are on disk."""
        return self.store.incidents()[::-1]

    def climbed(self, number: int = 0) -> list[str]:
        """The rungs that were climbed in an incident, those passed over left out."""
        return [attempt.rung for attempt in self.attempts(number) if not attempt.skipped]

    def attempts(self, number: int = 0) -> tuple[Attempt, ...]:
        """All attempts of an incident."""
        return self.incidents[number].attempts
