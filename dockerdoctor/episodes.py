"""The open incidents, one for each rule that calls for an act or is critical, kept on disk.

Opened by a finding, closed by several looks without it, whoever healed it: an incident ends on WELL
alone. What is given up stays so until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from dockerdoctor.judge import GOOD_LOOKS, Judgement, Watched
from dockerdoctor.model import (
    Attempt,
    Finding,
    GiveUp,
    Health,
    Impact,
    Incident,
    Instant,
    Outcome,
    Severity,
    Skip,
    Verdict,
)
from dockerdoctor.store import Store, incident_id


class Episodes:
    """The incidents that are open now, by rule, in memory and in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.open: dict[str, Incident] = {each.rule: each for each in store.open_incidents()}
        self.opened_total: dict[str, int] = {}
        self.ended: list[Incident] = []
        """Those that were closed, for who counts them; the reader empties it."""

    def follow(self, judgement: Judgement, climbing: str = "") -> list[str]:
        """Open what is new and close what is over, but not the rule that is being climbed for:
        its climb says when. A sentence for each."""
        verdict = judgement.verdict
        said = [self._open(each) for each in verdict.findings if self._is_new(each)]
        if verdict.health is Health.BLIND:
            return said
        for rule, incident in list(self.open.items()):
            watched = judgement.watched.get(rule)  # None: the rule is no more
            over = watched is None or watched.good >= GOOD_LOOKS
            if over and rule != climbing:
                said.append(self.close(incident, verdict.at.wall))
        return said

    def has_given_up(self, rule: str) -> bool:
        """Whether nobody will act on it any more."""
        return rule in self.open and self.open[rule].outcome is Outcome.GAVE_UP

    def owes(self) -> bool:
        """Whether a costly rung may have stopped containers that are not back yet: until then who
        ran before it is not forgotten."""
        return any(
            attempt.costly
            for incident in self.open.values()
            if incident.outcome is not Outcome.GAVE_UP
            for attempt in incident.attempts
        )

    def began(self, rule: str, attempts: Sequence[Attempt]) -> None:
        """Remember attempts that the store has already."""
        incident = self.open[rule]
        self.open[rule] = replace(incident, attempts=(*incident.attempts, *attempts))

    def skip(self, rule: str, skips: Sequence[Skip], now: float) -> None:
        """Put on record the rungs that were passed over, each once."""
        incident = self.open[rule]
        known = {attempt.rung for attempt in incident.attempts}
        new = [
            Attempt(skip.rung, now, Impact.NONE, now, False, skipped=True, note=skip.why)
            for skip in skips
            if skip.rung not in known
        ]
        if new:
            self._store.skipped(incident.id, new)
            self.began(rule, new)

    def give_up(self, decision: GiveUp, now: float) -> None:
        """Final until the rule clears."""
        rule = decision.finding.rule
        self.skip(rule, decision.skipped, now)
        incident = self.open[rule]
        self._store.update(incident.id, decision.why, Outcome.GAVE_UP)
        self.open[rule] = replace(incident, outcome=Outcome.GAVE_UP, why=decision.why)

    def close(self, incident: Incident, now: float) -> str:
        """Over: cured by the last costly attempt, given up and well again, or passed by itself."""
        outcome = incident.outcome
        if outcome is Outcome.OPEN:
            cured = any(attempt.cured for attempt in incident.attempts)
            outcome = Outcome.CURED if cured else Outcome.PASSED
        why = _epilogue(incident, outcome, now)
        self._store.close(incident.id, now, outcome, why)
        self.ended.append(replace(incident, closed=now, outcome=outcome, why=why))
        del self.open[incident.rule]
        return why

    def _is_new(self, finding: Finding) -> bool:
        return finding.rule not in self.open and (
            bool(finding.ladder) or finding.severity is Severity.CRITICAL
        )

    def _open(self, finding: Finding) -> str:
        opened = finding.since.wall
        incident = Incident(
            id=incident_id(opened),
            opened=opened,
            rule=finding.rule,
            says=finding.says,
            severity=finding.severity,
            evidence=finding.evidence,
        )
        self._store.open_incident(incident)
        self.open[finding.rule] = incident
        self.opened_total[finding.rule] = self.opened_total.get(finding.rule, 0) + 1
        return f"incident {incident.id}: {finding.says}"


def _epilogue(incident: Incident, outcome: Outcome, now: float) -> str:
    took = max(0.0, now - incident.opened)
    if outcome is Outcome.CURED:
        cure = next(attempt for attempt in incident.attempts if attempt.cured)
        return f"{incident.rule}: cured by {cure.rung} after {took:.0f} s"
    if outcome is Outcome.GAVE_UP:
        return f"{incident.rule}: well again after {took:.0f} s, by somebody else"
    return f"{incident.rule}: passed by itself after {took:.0f} s"


def remembered(incidents: Iterable[Incident], now: Instant) -> Judgement | None:
    """What a watchdog before this one had found still holds until it is seen to be over."""
    watched = {
        each.rule: Watched(
            since=Instant(each.opened, now.mono - max(0.0, now.wall - each.opened)), firing=True
        )
        for each in incidents
    }
    return Judgement(Verdict(now, Health.BLIND), {}, watched) if watched else None
