"""What a watchdog has on record that a single look cannot know: since when, what was done, who is
paused. The record and the pause file are only read; what cannot be read is said, never fatal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct, field

from dockerdoctor import pausing
from dockerdoctor.around import LATELY_CLIMBED_S
from dockerdoctor.compose import lock_path, watch_lock_path
from dockerdoctor.config import Config
from dockerdoctor.errors import DoctorError
from dockerdoctor.glance import at_once
from dockerdoctor.host import lock
from dockerdoctor.host.nouns import Container
from dockerdoctor.judge import Judgement, Rule, judge, probes_of
from dockerdoctor.memory import HELD
from dockerdoctor.model import NOTHING, Held, Incident, Instant, Readings, Sample, Value
from dockerdoctor.record import Record

Since: TypeAlias = Callable[[Rule], float | None]
"""When a rule's conditions began to hold (wall clock), None when that is not known."""
FRESH_S = 180.0
"""How old the watchdog's samples may be to speak of now; it writes them each minute."""
LATELY_S = 3600.0
"""How far back the samples are read for the beginning of what is wrong."""
RECENT_S = 24 * 3600.0
"""Incidents that ended in this time are worth a line."""


class Watchdog(Struct, frozen=True):
    """Whether a watchdog runs, what it knows and does. Times are wall clock, s."""

    running: str = ""
    """Who holds the watchdog's lock: "1234 watch"; empty when nobody does."""
    healing: str = ""
    """Who acts by hand now: "1234 heal"; empty when nobody does."""
    paused: str = ""
    """Why it keeps still; empty when it may act."""
    held: Held | None = None
    """Why a watchdog that runs does nothing about what is wrong."""
    open: tuple[Incident, ...] = ()
    """Incidents that are not closed."""
    ended: tuple[Incident, ...] = ()
    """Those of the last day that are, newest first."""
    seen_at: float | None = None
    """When it last wrote a sample."""
    trouble: str = ""
    """Why its record could not be read."""
    samples: tuple[Sample, ...] = ()
    """Those of the last minutes, oldest first."""

    @property
    def awake(self) -> bool:
        """Whether somebody of ours looks now: then what is on record is of now."""
        return bool(self.running or self.healing)

    def incident_of(self, rule: str) -> Incident | None:
        """The open incident of this rule."""
        return next((each for each in self.open if each.rule == rule), None)


def watchdog(config: Config, now: Instant) -> Watchdog:
    """All of it, as far as it can be read."""
    running, acting = (lock.holder(path(config)) for path in (watch_lock_path, lock_path))
    healing = "" if acting.endswith(" watch") else acting
    state_dir = config.watch.state_dir
    paused = _paused(state_dir, now)
    if not os.path.exists(config.watch.record) and not running:  # noqa: PTH110  it never raises
        return Watchdog(running, healing, paused)
    if not os.access(state_dir, os.X_OK):
        return Watchdog(running, healing, trouble=f"{state_dir} may not be read")
    try:
        record = Record(config.watch.record)
        recent = record.incidents(20)
        samples = record.samples(since=now.wall - FRESH_S, until=now.wall + 60)
        held = record.recall(HELD, Held) if running else None
    except DoctorError as error:
        return Watchdog(running, healing, paused, trouble=error.sentence)
    return Watchdog(
        running=running,
        healing=healing,
        paused=paused,
        held=held,
        open=tuple(each for each in recent if each.closed is None),
        ended=tuple(
            each for each in recent if each.closed is not None and now.wall - each.closed < RECENT_S
        ),
        seen_at=max((sample.at.wall for sample in samples), default=None),
        samples=tuple(samples),
    )


def _paused(state_dir: Path, now: Instant) -> str:
    if not os.access(state_dir, os.X_OK):
        return ""
    return pausing.paused(pausing.read(pausing.pause_path(state_dir)), now.wall)


class LastKnown(Struct, frozen=True):
    """What a hung daemon cannot be asked: as it was when the watchdog last saw it well."""

    running: tuple[Container, ...] = ()
    facts: Readings = field(default_factory=lambda: NOTHING)
    """What held when it was last asked: live-restore, swarm, the version (see `memory.py`)."""
    climbed_lately: bool = False
    """Whether a start limit that was hit may be our own doing; as `Watch.scene` tells it."""


def last_known(config: Config, now: Instant) -> LastKnown:
    """From the record; nothing where there is none."""
    record = Record(config.watch.record)
    try:
        running = record.recall("running", tuple[Container, ...]) or ()
        facts = record.recall("facts", dict[str, Value]) or {}
        lately = bool(record.recent_attempts(now.wall - LATELY_CLIMBED_S))
    except DoctorError:
        return LastKnown()
    return LastKnown(running, facts, lately)


def since_in(config: Config, now: Instant) -> Since:
    """Looks up in the record since when a rule's conditions hold; None when that is not known."""

    def since(rule: Rule) -> float | None:
        record = Record(config.watch.record)
        began, until = now.wall - LATELY_S, now.wall + 60
        try:
            samples = [
                s for each in probes_of(rule.when) for s in record.samples(each, began, until)
            ]
        except DoctorError:
            return None
        return since_when(rule, sorted(samples, key=lambda sample: sample.at.wall))

    return since


def since_when(rule: Rule, samples: Sequence[Sample]) -> float | None:
    """When this rule's conditions began to hold, by samples on record (oldest first); None when
    the last of them does not show it."""
    probes = probes_of(rule.when)
    last: dict[str, Sample] = {}
    before: Judgement | None = None
    for sample in samples:
        if sample.probe in probes and not sample.fault:
            last[sample.probe] = sample
            if len(last) == len(probes):
                before = judge(at_once([rule]), last, before, sample.at)
    findings = before.verdict.findings if before else ()
    return findings[0].since.wall if findings else None
