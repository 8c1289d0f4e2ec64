"""Verdict, past attempts and policy in; hold, climb or give up out. Pure: no clock, no machine.

The ladder adapts: a rung that cannot help is passed over with its reason, one that the policy
forbids ends the climb, and what was climbed before in this incident is never climbed again. A rung
in which the watchdog was killed may have done nothing: it comes once more, after all others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from dockerdoctor import holds
from dockerdoctor.declare import Rung, Scene
from dockerdoctor.model import (
    Attempt,
    Climb,
    Decision,
    Finding,
    GiveUp,
    Health,
    Hold,
    Impact,
    Incident,
    Outcome,
    Skip,
    Verdict,
)
from dockerdoctor.units import plain

COSTS = ("nothing", "the daemon", "its containers", "the whole host")
"""An impact in words, by its number."""
FULL = "full"
"""The hold of a rung that waits for room on a disk."""


class Past(Struct, frozen=True):
    """What was done before: open incidents by rule, and the costly attempts of the last window
    with the ids of their incidents, oldest first."""

    incidents: Mapping[str, Incident]
    recent: Sequence[tuple[str, Attempt]] = ()


def decide(
    verdict: Verdict, past: Past, scene: Scene, rungs: Mapping[str, Rung], now: float
) -> Decision:
    """What to do about this verdict at `now` (wall clock, s). The `why` is the log line."""
    if verdict.health is Health.BLIND:
        return Hold("blind", "cannot see enough to act: " + "; ".join(verdict.unseen))
    wanted = [finding for finding in verdict.findings if _can_climb(finding, past)]
    if not wanted:
        return _idle(verdict, past, scene)
    if scene.policy.paused:
        return Hold("paused", scene.policy.paused)
    decided = [_about(finding, past, scene, rungs, now) for finding in wanted]
    # The worst comes first; while it waits for room, whoever can make some has the turn.
    return next((each for each in decided if not _waits_for_room(each)), decided[0])


def _waits_for_room(decision: Decision) -> bool:
    return isinstance(decision, Hold) and decision.reason == FULL


def _about(
    finding: Finding, past: Past, scene: Scene, rungs: Mapping[str, Rung], now: float
) -> Decision:
    """What to do about this finding alone."""
    incident = past.incidents.get(finding.rule)
    attempts = incident.attempts if incident else ()
    unfinished = _unfinished(attempts, scene, rungs, finding)
    hold = holds.first(holds.HOLDS, scene)
    if hold and not (unfinished and hold.reason == "stopped"):
        return hold
    if unfinished:
        return unfinished
    return _next_rung(finding, attempts, incident.id if incident else "", past, scene, rungs, now)


def climbs_left(past: Past, scene: Scene, now: float) -> int:
    """How many costly climbs the budget still allows; a clock that went back frees none."""
    spent = sum(1 for _, attempt in past.recent if now - attempt.began < scene.policy.window_s)
    return max(0, scene.policy.max_climbs - spent)


def _can_climb(finding: Finding, past: Past) -> bool:
    incident = past.incidents.get(finding.rule)
    return bool(finding.ladder) and not (incident and incident.outcome is Outcome.GAVE_UP)


def _idle(verdict: Verdict, past: Past, scene: Scene) -> Hold:
    # A daemon that an operator stopped is not sick, and not well either; one that starts is no news
    # beside it. What people are told meanwhile is in the findings all the same.
    hold = holds.first(holds.HOLDS, scene)
    if not verdict.findings:
        return hold or Hold("well", "well")
    finding = verdict.findings[0]
    incident = past.incidents.get(finding.rule)
    if incident and incident.outcome is Outcome.GAVE_UP:
        return Hold("gave-up", f"gave up until the daemon is well again: {incident.why}")
    return hold or Hold("told", f"{finding.says} (told, nothing to climb)")


def _unfinished(
    attempts: Sequence[Attempt], scene: Scene, rungs: Mapping[str, Rung], finding: Finding
) -> Climb | None:
    """A rung that was cut short with the daemon down: only the start is missing. A prune that was
    cut short has stopped nobody."""
    last = attempts[-1] if attempts else None
    if (
        last is None
        or last.ended is not None
        or last.impact < Impact.DAEMON
        or (last.rung in rungs and rungs[last.rung].takes)
        or "start" not in rungs
        or scene.word("unit.active_state") not in ("inactive", "failed")
    ):
        return None
    why = (
        f"dockerdoctor was stopped in the middle of {last.rung} and left the daemon down: start it"
    )
    return Climb("start", why, finding)


def _next_rung(
    finding: Finding,
    attempts: Sequence[Attempt],
    incident: str,
    past: Past,
    scene: Scene,
    rungs: Mapping[str, Rung],
    now: float,
) -> Decision:
    done = {attempt.rung for attempt in attempts}
    skipped: list[Skip] = []
    left = [name for name in finding.ladder if name not in done]
    for name in (*left, *_cut_short(finding.ladder, attempts, rungs, scene)):
        rung = rungs[name]
        impact = rung.impact(scene)
        if why := rung.useless(scene):
            skipped.append(Skip(name, why))
            continue
        if impact > scene.policy.max_impact:
            why = f"it costs {COSTS[impact]}, the policy allows {COSTS[scene.policy.max_impact]}"
            skipped.append(Skip(name, why))
            continue
        if impact is Impact.HOST and (why := _rebooted(past, scene, now)):
            skipped.append(Skip(name, why))
            continue
        if why := rung.room(scene):
            return Hold(FULL, why)
        if impact >= Impact.DAEMON and (
            hold := _costly(finding, attempts, incident, past, scene, now)
        ):
            return replace(hold, skipped=tuple(skipped)) if isinstance(hold, GiveUp) else hold
        return Climb(name, f"{finding.says}: climb {name}", finding, tuple(skipped))
    return GiveUp(_nothing_left(finding, attempts, skipped), finding, tuple(skipped))


def _cut_short(
    ladder: Sequence[str], attempts: Sequence[Attempt], rungs: Mapping[str, Rung], scene: Scene
) -> list[str]:
    """The rungs whose one attempt was never ended. Not a reboot, which ends none of its own, nor
    what cures nothing."""
    tried = Counter(attempt.rung for attempt in attempts if not attempt.skipped)
    cut = {attempt.rung for attempt in attempts if attempt.ended is None}
    return [
        name
        for name in ladder
        if name in cut
        and tried[name] == 1
        and rungs[name].settle_s(scene) > 0
        and rungs[name].impact(scene) is not Impact.HOST
    ]


def _rebooted(past: Past, scene: Scene, now: float) -> str:
    """Why the host is not rebooted once more; a clock that went back makes it no longer ago."""
    for _, attempt in past.recent:
        ago = max(0.0, now - attempt.began)
        if attempt.impact is Impact.HOST and ago < scene.policy.reboot_every_s:
            return f"the host was rebooted {plain(ago, 'seconds')} ago already: a person must look"
    return ""


def _costly(
    finding: Finding,
    attempts: Sequence[Attempt],
    incident: str,
    past: Past,
    scene: Scene,
    now: float,
) -> Hold | GiveUp | None:
    """Why a rung that costs the daemon or more must wait, or may not be climbed at all."""
    if climbs_left(past, scene, now) == 0:
        policy = scene.policy
        why = (
            f"{policy.max_climbs} costly climbs in {plain(policy.window_s, 'seconds')} did not "
            "keep it well: a person must look"
        )
        return GiveUp(why, finding)
    others = [attempt for owner, attempt in past.recent if owner != incident]
    since = now - max((each.ended or each.began for each in others), default=float("-inf"))
    if abs(since) < scene.policy.cooldown_s:  # one of tomorrow is no reason to wait a day
        left = min(scene.policy.cooldown_s, scene.policy.cooldown_s - since)
        return Hold("cool-down", f"the last climb was just now: wait {plain(left, 'seconds')} more")
    if any(attempt.costly for attempt in attempts):
        return None
    peaks = holds.HOLDS_OF_PEAKS if holds.about_memory(finding) else {}
    return holds.first({**holds.HOLDS_OF_STRANGERS, **peaks}, scene)


def _nothing_left(finding: Finding, attempts: Sequence[Attempt], skipped: Sequence[Skip]) -> str:
    tried = ", ".join(attempt.rung for attempt in attempts if not attempt.skipped)
    passed = "; ".join(f"{skip.rung}: {skip.why}" for skip in skipped)
    return (
        f"{finding.says}: no rung is left"
        + (f" (tried {tried})" if tried else "")
        + (f" (passed over {passed})" if passed else "")
    )
