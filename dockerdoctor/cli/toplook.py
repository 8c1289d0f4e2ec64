"""The looks of `top`: a configuration and an address in, a `View` at each look out.

With a running watchdog: its record, and beside it only what is cheap and should be of this moment
(LIVE). Without one: all probes, at their own pace.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from dockerdoctor.around import LATELY_CLIMBED_S, Knowledge
from dockerdoctor.cli.examine import STREAMED, examine
from dockerdoctor.cli.healplan import plans_for
from dockerdoctor.cli.history import Watchdog, since_in, watchdog
from dockerdoctor.cli.looking import BY_API, looked_at
from dockerdoctor.cli.plan import Plan
from dockerdoctor.cli.report import Looked, Report
from dockerdoctor.cli.topview import HISTORY_S, Grower, History, View
from dockerdoctor.collect import Collector
from dockerdoctor.config import Config
from dockerdoctor.declare import Scene
from dockerdoctor.errors import DoctorError
from dockerdoctor.glance import at_once
from dockerdoctor.host.address import Address, for_watchdog, same_daemon
from dockerdoctor.host.storage.facts import Survey
from dockerdoctor.host.view import HostView
from dockerdoctor.judge import judge
from dockerdoctor.ladder import Past, climbs_left, decide
from dockerdoctor.loglook import growths
from dockerdoctor.model import Attempt, Decision, Policy, Sample
from dockerdoctor.record import Record
from dockerdoctor.together import PATIENCE_S

LIVE = ("ping", "unit", "process", "disk")
"""Looked at beside a watchdog, which writes its own looks down each minute: no one of them takes a
lock of the daemon's."""
LOGS_S = 10.0
"""How often the containers' logs are looked at: their sizes alone, by stat."""
FIRST_LOGS_S = 3.0
"""How long the first look waits for them."""
SURVEYS = 7
"""Kept, so that a log's growth is that of the last minute."""


class Looker:
    """Remembers between the looks. Not thread-safe."""

    def __init__(self, config: Config, address: Address, known: Knowledge, view: HostView) -> None:
        self._config, self._known, self._host = config, known, view
        self._whole = same_daemon(address, for_watchdog(config.daemon.host))
        self._address = address
        self._record = Record(config.watch.record)
        self._history = History()
        self._collectors: dict[bool, Collector] = {}
        self._surveys: tuple[Survey, ...] = ()
        self._survey: threading.Thread | None = None
        self._surveyed_at: float | None = None
        self._unseen_logs = ""
        self._watchdog = ""

    def look(self, within_s: float = PATIENCE_S) -> View:
        """One look, which waits for its probes no longer than `within_s`."""
        about = watchdog(self._config, self._host.now()) if self._whole else Watchdog()
        samples = self._samples(about, within_s)
        looked = looked_at(samples, self._host, self._address, self._config, self._known)
        now = looked.now
        self._remember(about, looked.samples)
        self._look_at_logs(now.mono)
        report = examine(looked, about, since_in(self._config, now))
        policy = replace(self._config.policy, paused=about.paused)
        past = Past({each.rule: each for each in about.open}, self._recent(policy, now.wall))
        scene = Scene(
            report.readings,
            policy,
            looked.running,
            any(now.wall - each.began < LATELY_CLIMBED_S for _, each in past.recent),
            self._config.disk,
        )
        return View(
            report=report,
            rules=self._known.rules,
            declared=looked.declared,
            decision=self._decision(looked, past, scene),
            plans=self._plans(looked, report),
            climbs_left=climbs_left(past, scene, now.wall),
            max_climbs=policy.max_climbs,
            window_s=policy.window_s,
            history=self._history.copy(),
            growers=self._growers(report),
            unseen_logs=self._unseen_logs,
        )

    def _samples(self, about: Watchdog, within_s: float) -> Mapping[str, Sample]:
        """The newest of each probe, whoever took it."""
        told = {each.probe: each for each in about.samples} if about.running else {}
        if told:
            names: Sequence[str] = LIVE
        else:  # nobody else looks
            names = tuple(self._known.probes) if self._whole else (*BY_API, *STREAMED)
        collector = self._collectors.get(bool(told))
        if collector is None:
            probes = {name: self._known.probes[name] for name in names}
            collector = self._collectors[bool(told)] = Collector(probes, self._host)
        return {**told, **collector.look(within_s=within_s)}

    def _remember(self, about: Watchdog, samples: Mapping[str, Sample]) -> None:
        if about.running != self._watchdog:  # another one's counters are not those of before
            self._watchdog = about.running
            self._history.forget(STREAMED)
            now = self._host.now().wall
            with contextlib.suppress(DoctorError):  # `about` says it
                for probe in (*LIVE, *STREAMED) if about.running else ():
                    self._history.see(self._record.samples(probe, now - HISTORY_S, now + 60))
        self._history.see(about.samples)
        self._history.see(samples.values())

    def _recent(self, policy: Policy, now: float) -> Sequence[tuple[str, Attempt]]:
        """The costly climbs that count against the budget; none where nothing is on record."""
        try:
            return self._record.recent_attempts(now - max(policy.window_s, policy.cooldown_s))
        except DoctorError:
            return ()

    def _decision(self, looked: Looked, past: Past, scene: Scene) -> Decision:
        judgement = judge(
            at_once(self._known.rules), looked.samples, None, looked.now, looked.declared
        )
        return decide(judgement.verdict, past, scene, self._known.rungs, looked.now.wall)

    def _plans(self, looked: Looked, report: Report) -> tuple[Plan, ...]:
        by_name = {rule.name: rule for rule in self._known.rules}
        if any(each.rule in by_name and by_name[each.rule].ladder for each in report.findings):
            return tuple(plans_for(looked, self._known, self._config, self._host))
        return ()

    def _look_at_logs(self, now: float) -> None:
        """Begin to, in a thread: a disk that hangs must not hold up the other looks."""
        if not self._whole:
            self._unseen_logs = "its files are not those of the configuration"
        elif (self._survey is None or not self._survey.is_alive()) and (
            self._surveyed_at is None or now - self._surveyed_at >= LOGS_S
        ):
            first, self._surveyed_at = self._surveyed_at is None, now
            self._survey = threading.Thread(target=self._see_logs, name="logs", daemon=True)
            self._survey.start()
            self._survey.join(FIRST_LOGS_S if first else 0.0)

    def _see_logs(self) -> None:
        try:
            found = self._host.survey()
        except DoctorError as error:
            self._unseen_logs = error.sentence
            return
        self._unseen_logs = ""
        kept = Survey(found.root, boxes=found.boxes, logs=found.logs, taken=found.taken)
        self._surveys = (*self._surveys, kept)[-SURVEYS:]

    def _growers(self, report: Report) -> tuple[Grower, ...]:
        seen = report.readings
        free = seen.get("disk.free_bytes")
        found = []
        if isinstance(free, int | float):
            shrinks = self._history.per_hour("disk.free_bytes")
            grows = None if shrinks is None else -shrinks
            ratio = float(seen["disk.used_ratio"])  # what root alone may take is not used
            used = free * ratio / (1 - ratio) if ratio < 1 else float(seen["disk.total_bytes"])
            full = float(free) / grows * 3600.0 if grows and grows > 0 else None
            found.append(Grower("disk of the data-root", used, grows, full))
        rss = seen.get("process.rss_bytes")
        if isinstance(rss, int | float):
            grows = self._history.per_hour("process.rss_bytes")
            found.append(Grower("memory of dockerd", float(rss), grows))
        kept = self._surveys
        if kept and isinstance(free, int | float):
            later = kept[-1] if len(kept) > 1 else None
            for log in growths(kept[0], later, int(free), all_of_them=True):
                name = f"log of {log.name}"
                found.append(Grower(name, float(log.bytes), log.per_hour, log.full_in_s))
        return tuple(found)
