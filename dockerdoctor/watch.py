"""The loop: look, judge, decide, climb, look again, and write down what happened.

Everything else shows or steers this. One cycle returns one sentence, and that is the log line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from dockerdoctor.allowed import Allowed
from dockerdoctor.around import LATELY_CLIMBED_S, Hooks, Knowledge, Pace, Snapshot
from dockerdoctor.collect import Collect
from dockerdoctor.declare import Scene, known_readings
from dockerdoctor.episodes import Episodes, remembered
from dockerdoctor.host.view import HostControl
from dockerdoctor.imageuse import Room, Uses
from dockerdoctor.judge import Judgement, Rule, Watched, ails, judge
from dockerdoctor.ladder import Past, climbs_left, decide
from dockerdoctor.memory import Memory
from dockerdoctor.model import (
    Climb,
    Decision,
    GiveUp,
    Health,
    Hold,
    Impact,
    Incident,
    Instant,
    Outcome,
    Policy,
    Sample,
)
from dockerdoctor.recover import Seen, bring_back, climb, restarted_since
from dockerdoctor.sayings import calm
from dockerdoctor.store import Store

SOON_S = 60.0
"""A rule that must hold for longer is not worth a closer look while it is pending."""

CONFIGURATION = "configuration"
"""The hold of a rung that would end a daemon whose next start fails."""


class _Now(Struct):
    """The last look."""

    samples: Mapping[str, Sample] = field(default_factory=dict)
    judgement: Judgement | None = None
    decision: Decision = field(default_factory=lambda: Hold("well", "not looked yet"))


class Watch:
    """One daemon's loop. Not thread-safe: one thread calls it."""

    def __init__(
        self,
        control: HostControl,
        collect: Collect,
        knowledge: Knowledge,
        policy: Callable[[], Policy],
        store: Store,
        pace: Pace | None = None,
        hooks: Hooks | None = None,
        room: Room | None = None,
    ) -> None:
        self._control = control
        self._collect = collect
        self.knowledge = knowledge
        self._readings = known_readings(knowledge.probes)
        self._urgent = frozenset(each.name for each in knowledge.probes.values() if each.urgent)
        self._policy = policy
        self._store = store
        self._pace = pace or Pace()
        self._hooks = hooks or Hooks()
        self._room = room or Room(Allowed(), Uses(store))
        self.episodes = Episodes(store)
        self._now = _Now(judgement=remembered(self.episodes.open.values(), control.now()))
        self._memory = Memory(store)

    def learn(self, knowledge: Knowledge) -> None:
        """Take new rules; what was pending of a rule that is still there goes on."""
        self.knowledge = knowledge
        if self._now.judgement:
            self._now.judgement = replace(self._now.judgement, samples={})  # judge all anew

    def saw(self, samples: Mapping[str, Sample], now: Instant) -> Judgement:
        """Judge these on top of what was seen before. A look that somebody else has just taken may
        so be the first of this loop's."""
        before = self._now.judgement
        self._now.samples = samples
        self._now.judgement = judge(self.knowledge.rules, samples, before, now, self._readings)
        return self._now.judgement

    def cycle(self) -> str:
        """One look, one decision, and the climb if there is one. Returns the sentence."""
        self._look()
        self._look_anew()
        decision = self._decide()
        self._now.decision = decision
        self._memory.hold(decision, self._control.now().wall)
        self._publish()
        if isinstance(decision, Climb):
            return self._climb(decision)
        if isinstance(decision, GiveUp):
            self.episodes.give_up(decision, self._control.now().wall)
            return f"gave up: {decision.why}"
        return self._sentence(decision)

    def is_well(self) -> bool:
        """Whether the last look found nothing, and saw everything."""
        return bool(self.judgement and self.judgement.verdict.health is Health.WELL)

    def pause_s(self) -> float:
        """How long to wait before the next cycle, s; not at all in the middle of a ladder."""
        if isinstance(self._now.decision, Climb):
            return 0.0
        return self._pace.close_s if self._close() else self._pace.usual_s

    @property
    def judgement(self) -> Judgement | None:
        """The last one; None before the first look."""
        return self._now.judgement

    @property
    def decision(self) -> Decision:
        """The last one."""
        return self._now.decision

    @property
    def samples(self) -> Mapping[str, Sample]:
        """The last of each probe."""
        return self._now.samples

    def scene(self) -> Scene:
        """What a rung is judged by, as of the last look."""
        now = self._control.now().wall
        recent = self._store.recent_attempts(now - LATELY_CLIMBED_S)
        seen = self._memory.fill(self._now.judgement.readings if self._now.judgement else {})
        ran, room = self._memory.running, self._room
        return Scene(seen, self._policy(), ran, bool(recent), room.allowed, room.uses.last)

    def _close(self, climbing: str = "") -> frozenset[str]:
        """The probes to look closely with: the urgent ones and those of the rules that soon decide
        something. None while all is well."""
        watched = self._now.judgement.watched if self._now.judgement else {}
        wanted = [
            rule.probes
            for rule in self.knowledge.rules
            if rule.name == climbing or self._decides(rule, watched.get(rule.name))
        ]
        return self._urgent.union(*wanted) if wanted else frozenset()

    def _decides(self, rule: Rule, state: Watched | None) -> bool:
        """Whether it calls for an act now or within a minute, or its incident is about to close."""
        if state is None:
            return False
        if state.good and rule.name in self.episodes.open:
            return True
        return (
            state.since is not None
            and bool(rule.ladder)
            and (rule.for_s <= SOON_S or state.firing)
            and not self.episodes.has_given_up(rule.name)
        )

    def _look(self, climbing: str = "", afresh: bool = False) -> None:
        """`afresh`: with all probes and to their end, as nothing is as it was before."""
        close = frozenset(self.knowledge.probes) if afresh else self._close(climbing)
        self._control.look_closely(bool(close))
        samples = self._collect(close, self._pace.close_s if close and not afresh else None)
        fresh = [each for each in samples.values() if self._now.samples.get(each.probe) != each]
        now = self._control.now()
        judgement = self.saw(samples, now)
        self._store.keep(fresh, now, urgent=bool(self._close()))
        if not (climbing or ails(judgement.verdict) or self.episodes.owes()):
            self._memory.keep(self._control.roster(), judgement.readings)
        self._room.uses.see(self._memory.running, now.wall, self._control.images_used())
        for sentence in self.episodes.follow(judgement, climbing):
            self._hooks.say(sentence)
        for incident in self.episodes.ended:
            self._bring_back_late(incident)
            self._hooks.closed(incident)
        self.episodes.ended.clear()

    def _bring_back_late(self, incident: Incident) -> None:
        """The same when the daemon took longer to start than its rung had time for, or the watchdog
        before this one was killed before it had done so."""
        scene, now = self.scene(), self._control.now().wall
        if incident.outcome is Outcome.GAVE_UP or not restarted_since(incident, scene, now):
            return
        if done := bring_back(incident, self._control, scene, self._store):
            self._hooks.climbed(incident.rule, done)
            self._hooks.say(f"{done.rung}: {done.note}")

    def _look_anew(self, climbing: str = "") -> None:
        """At everything, when another dockerd answers than before, whoever started it: what the one
        before it left is found now, and not when the slow probes have their turn."""
        if self._now.judgement and self._memory.is_another_daemon(self._now.judgement.readings):
            self._look(climbing, afresh=True)

    def _decide(self) -> Decision:
        assert self._now.judgement is not None
        now, scene, rungs = self._control.now().wall, self.scene(), self.knowledge.rungs
        verdict, past = self._now.judgement.verdict, self._past(scene, now)
        decision = decide(verdict, past, scene, rungs, now)
        if not (isinstance(decision, Climb) and rungs[decision.rung].restarts):
            return decision
        from dockerdoctor.checks.configuration import next_start  # seldom needed, slow to load

        start = next_start(self._control)
        if start.refused:
            return Hold(CONFIGURATION, start.refused)
        return decide(verdict, past, start.foreseen(scene), rungs, now)

    def _past(self, scene: Scene, now: float) -> Past:
        policy = scene.policy
        last = policy.reboot_every_s if policy.max_impact is Impact.HOST else 0.0
        since = now - max(policy.window_s, policy.cooldown_s, last)
        return Past(self.episodes.open, self._store.recent_attempts(since))

    def _climb(self, decision: Climb) -> str:
        rule = decision.finding.rule
        self.episodes.skip(rule, decision.skipped, self._control.now().wall)
        for skip in decision.skipped:
            self._hooks.say(f"passed over {skip.rung}: {skip.why}")
        self._hooks.say(decision.why)
        scene = self.scene()
        incident = self.episodes.open[rule]
        self._publish(climbing=decision.rung)
        attempt = climb(
            decision,
            incident.id,
            self.knowledge.rungs,
            self._control,
            scene,
            lambda: self._look_again(decision),
            self._store,
        )
        self.episodes.began(rule, [attempt])
        self._hooks.climbed(rule, attempt)
        if attempt.cured:
            self._bring_back(rule, scene)
            self._look_anew(climbing=rule)
            sentence = self.episodes.close(self.episodes.open[rule], self._control.now().wall)
            self._hooks.closed(self.episodes.ended.pop())
            return sentence
        return f"{decision.rung}: {attempt.note}"

    def _bring_back(self, rule: str, scene: Scene) -> None:
        """Start again what ran before this climb; on record like a rung when it did anything."""
        if done := bring_back(self.episodes.open[rule], self._control, scene, self._store):
            self.episodes.began(rule, [done])
            self._hooks.climbed(rule, done)
            self._hooks.say(f"{done.rung}: {done.note}")

    def _look_again(self, step: Climb) -> Seen:
        self._control.pause(self._pace.close_s)
        self._look(climbing=step.finding.rule)
        self._publish(climbing=step.rung)
        assert self._now.judgement is not None
        return Seen(self._now.judgement, self.scene())

    def _publish(self, climbing: str = "") -> None:
        assert self._now.judgement is not None
        scene = self.scene()
        now = self._control.now().wall
        self._hooks.looked(
            Snapshot(
                self._now.samples,
                self._now.judgement,
                self._now.decision,
                dict(self.episodes.open),
                climbs_left(self._past(scene, now), scene, now),
                climbing,
            )
        )

    def _sentence(self, hold: Hold) -> str:
        """The log line of a cycle in which nothing was done."""
        if hold.reason != "well":
            return f"{hold.reason}: {hold.why}"
        assert self._now.judgement is not None
        return calm(self.knowledge.rules, self._now.judgement, self._readings)
