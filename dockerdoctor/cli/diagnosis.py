"""Causes, ranked by their evidence: what one look and the checks have found goes in. Pure.

A check's clue makes the finding of a rule exact where both speak of the same; the remedy and the
wrong remedy are the rule's own. What follows from something else goes below what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from dockerdoctor import holds
from dockerdoctor.cli import beyond
from dockerdoctor.cli.incidentstats import Stats
from dockerdoctor.cli.plan import by_hand
from dockerdoctor.cli.report import EXIT, Found, Report, State, Unseen
from dockerdoctor.cli.symptoms import BY_HAND, Grade, Symptom, branch_of, grade_of
from dockerdoctor.declare import Clue, Rung, Scene
from dockerdoctor.examination import Examined
from dockerdoctor.judge import Rule
from dockerdoctor.model import NOTHING, Readings


class Time(Struct, frozen=True):
    """How long a remedy takes: by hand, and by us on this host as far as it is on record."""

    remedy: str
    """The name of a rung; empty for what no rung does."""
    by_hand: str
    ours_s: float | None = None
    """Median of its cures, s."""
    cured: int = 0


class Cause(Struct, frozen=True):
    """One thing that is wrong. `clues` are the sentences of the checks."""

    rule: str
    says: str
    state: State
    grade: Grade
    branch: Symptom
    clues: tuple[str, ...] = ()
    evidence: Readings = field(default_factory=lambda: NOTHING)
    since: float | None = None
    remedy: str = ""
    avoid: str = ""
    next: str = ""
    times: tuple[Time, ...] = ()
    incident: str = ""


class Diagnosis(Struct, frozen=True):
    """All that a diagnosis has to tell."""

    state: State
    says: str
    report: Report
    causes: tuple[Cause, ...]
    symptom: Symptom | None = None
    """Where the walk began, when somebody said so."""
    looked: tuple[Symptom, ...] = ()
    """The branches whose checks were run."""
    journal: tuple[str, ...] | None = ()
    """The daemon's last serious words, oldest first; None where they cannot be read."""
    holds: tuple[str, ...] = ()
    """Why somebody should keep still for now."""
    unseen: tuple[Unseen, ...] = ()
    took_s: float = 0.0


def causes(
    report: Report,
    examined: Mapping[str, Examined],
    rules: Mapping[str, Rule],
    rungs: Mapping[str, Rung],
    past: Stats,
) -> list[Cause]:
    """All of them, ranked."""
    found = {each.rule: _of_finding(each, rules.get(each.rule)) for each in report.findings}
    for result in examined.values():
        for clue in result.clues:
            rule = rules.get(clue.rule)
            known = found.get(clue.rule)
            if known is not None:
                found[clue.rule] = _made_exact(known, clue)
            elif not clue.against:
                branch = branch_of(clue.rule, rule) if rule else Symptom(result.check.symptom)
                found[clue.rule] = _of_clue(clue, rule, branch)
    scene = Scene(report.readings)
    return ranked(
        [
            replace(each, times=_times(each, rules.get(each.rule), scene, rungs, past))
            for each in found.values()
        ]
    )


def ranked(found: Sequence[Cause]) -> list[Cause]:
    """The best founded first; of two alike the worse, then in the tree's order. A warning goes
    before a critical symptom only where it may be what is behind it: one of the same branch, or
    what cannot be read where the daemon does not start."""
    grave = {
        each.branch
        for each in found
        if each.grade is Grade.FOLLOWS and each.state is State.CRITICAL
    }
    if Symptom.START in grave:
        grave.add(Symptom.STORAGE)
    order = list(Symptom)

    def place(cause: Cause) -> tuple[bool, bool, int, int, int]:
        explains = cause.state is State.CRITICAL or not grave or cause.branch in grave
        grade = cause.grade if explains else min(cause.grade, Grade.FOLLOWS)
        against, harmless = cause.grade is Grade.AGAINST, cause.state is State.OK
        return against, harmless, -grade, -EXIT[cause.state], order.index(cause.branch)

    return sorted(found, key=place)


def conclusion(report: Report, ranked: Sequence[Cause]) -> tuple[State, str]:
    """The verdict of the look; where that is well, what a check has found all the same."""
    if report.state is not State.OK:
        return report.state, report.says
    wrong = [each for each in ranked if each.state in (State.CRITICAL, State.WARNING)]
    worst = max(wrong, key=lambda each: EXIT[each.state], default=None)
    return (worst.state, worst.says) if worst else (report.state, report.says)


def reasons_to_wait(report: Report) -> tuple[str, ...]:
    """Holds, where something is wrong: a package upgrade, a stop by somebody else, a starved host.
    How lately it was restarted is in the vitals."""
    if report.state is State.OK:
        return ()
    scene = Scene(report.readings)
    found = (hold(scene) for name, hold in holds.HOLDS_OF_STRANGERS.items() if name != "restarted")
    return tuple(why for why in found if why)


def _of_finding(found: Found, rule: Rule | None) -> Cause:
    """With what is behind it, where the look could tell: then that was seen."""
    behind = found.cause if rule and rule.when and rule.ladder else ""
    failed = found.evidence.get("unit.active_state") == "failed"
    grade = Grade.SEEN if behind and not failed else grade_of(rule)
    return Cause(
        rule=found.rule,
        says=f"{found.cause}: {found.says}" if behind and not failed else found.says,
        state=found.state,
        grade=grade,
        branch=branch_of(found.rule, rule),
        evidence=found.evidence,
        since=found.since,
        remedy=found.remedy,
        avoid=found.avoid,
        next=found.next,
        incident=found.incident,
    )


def _of_clue(clue: Clue, rule: Rule | None, branch: Symptom) -> Cause:
    return Cause(
        rule=clue.rule,
        says=clue.says,
        state=beyond.state_of(clue.severity),
        grade=Grade.FOLLOWS if clue.follows else Grade.SEEN,
        branch=branch,
        remedy=clue.remedy or (rule.remedy if rule else ""),
        avoid=clue.avoid or (rule.avoid if rule else ""),
        next=clue.next,
    )


def _made_exact(cause: Cause, clue: Clue) -> Cause:
    if clue.against:
        return replace(cause, grade=Grade.AGAINST, clues=(*cause.clues, clue.says))
    state = max(cause.state, beyond.state_of(clue.severity), key=lambda each: EXIT[each])
    return replace(
        cause,
        state=state,
        grade=max(cause.grade, Grade.FOLLOWS if clue.follows else Grade.SEEN),
        clues=(*cause.clues, clue.says),
        next=clue.next or cause.next,
    )


def _can(rung: Rung, scene: Scene) -> bool:
    """Whether it could help now: it is not useless, and there is the room that it needs."""
    return not rung.useless(scene) and not rung.room(scene)


def _times(
    cause: Cause, rule: Rule | None, scene: Scene, rungs: Mapping[str, Rung], past: Stats
) -> tuple[Time, ...]:
    """Of the rungs that could help now; without one, of the usual cure by hand. What an operator
    wants so, or has only just begun, needs none."""
    if cause.rule in holds.HOLDS:
        return ()
    cured = {each.rung: each for each in past.rungs}
    ladder = [rungs[name] for name in (rule.ladder if rule else ())]
    timed = [
        Time(each.name, by_hand(each), seen.median_s, seen.cured)
        if (seen := cured.get(each.name))
        else Time(each.name, by_hand(each))
        for each in ladder
        if _can(each, scene) and (each.by_hand_s or (each.name in cured and cured[each.name].cured))
    ]
    if any(each.remedy != "reboot" for each in timed):
        return tuple(timed)
    ours = next((each for each in past.rules if each.rule == cause.rule and each.cured), None)
    usual = BY_HAND[cause.branch]
    return (Time("", usual, ours.median_s, ours.cured) if ours else Time("", usual),)
