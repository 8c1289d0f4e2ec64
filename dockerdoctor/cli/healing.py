"""One incident by hand: the watchdog's own loop, cycle by cycle, until it is well or gives up.

The loop, the passing of time and the wishes of the person are arguments; how it ended comes out.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection

from msgspec import Struct
from msgspec.structs import replace

from dockerdoctor.around import Knowledge
from dockerdoctor.judge import GOOD_LOOKS, Condition, Rule
from dockerdoctor.model import GiveUp, Hold, Impact, Outcome, Policy
from dockerdoctor.sayings import News
from dockerdoctor.store import Store
from dockerdoctor.watch import Watch

BLIND_S = 60.0
"""How long to look without seeing enough."""
STARTING_S = 900.0
"""How long to wait for a daemon that starts: a slow start of an hour has been seen, but a person
who waits wants to hear of it."""
QUIET = ("well", "blind")
"""Not worth a line: the end says how it went, and a first look is often not back yet."""
FINAL_HOLDS = ("masked", "stopped")
"""What an operator wants: waiting does not change it."""


class Ending(enum.StrEnum):
    """How a heal ended."""

    WELL = "well"
    GAVE_UP = "gave-up"
    HELD = "held"
    STOPPED = "stopped"


class End(Struct, frozen=True):
    """How, and the sentence."""

    ending: Ending
    why: str


LAST_RESORT = "kill-all"
HURRIED_LOOKS = 2
NOT_DOWN = tuple(
    Condition("unit.active_state", "!=", state) for state in ("inactive", "failed", "activating")
)


def by_hand(policy: Policy, max_impact: Impact | None, emergency: bool = False) -> Policy:
    """What a person may who asked for it: no budget, no cool-down, no pause."""
    impact = policy.max_impact if max_impact is None else max_impact
    return replace(
        policy,
        max_impact=impact,
        max_climbs=1000,
        cooldown_s=0.0,
        paused="",
        emergency=emergency,
    )


def emergency(known: Knowledge) -> Knowledge:
    """The same rules, with the last resort in the place of a reboot."""
    return Knowledge(known.probes, known.rungs, [_to_the_end(rule) for rule in known.rules])


def hurried(known: Knowledge, seen: Collection[str]) -> Knowledge:
    """The same, those that were seen quick to fire: a look for the plan and one after the question
    have shown it by then. All others keep their patience: what has just been killed is not ill
    while it starts again."""
    rules = [
        replace(rule, for_s=0.0, looks=min(rule.looks, HURRIED_LOOKS))
        if rule.name in seen
        else rule
        for rule in known.rules
    ]
    return Knowledge(known.probes, known.rungs, rules)


def _to_the_end(rule: Rule) -> Rule:
    """A daemon that hangs while it is being stopped hangs too: most likely it is somebody's
    restart, typed an hour ago, that does not end."""
    ladder = tuple(rung for rung in rule.ladder if rung != "reboot")
    when = rule.when
    if "sigkill" in ladder:
        up = Condition("unit.active_state", "==", "active")
        when = tuple(each for each in when if each != up) + NOT_DOWN
    if "sigkill" in ladder or "restart-containerd" in ladder:
        ladder = (*ladder, LAST_RESORT)
    return replace(
        rule,
        when=when,
        ladder=ladder,
    )


def only(known: Knowledge, rung: str) -> Knowledge:
    """The same rules with one rung on every ladder."""
    rules: list[Rule] = [
        replace(rule, ladder=(rung,)) if rule.ladder else rule for rule in known.rules
    ]
    return Knowledge(known.probes, known.rungs, rules)


def take_over(store: Store, now: float, rules: Collection[str]) -> None:
    """Close the open incidents of these rules, so that their rungs may be climbed again."""
    for incident in store.open_incidents():
        if incident.rule in rules:
            why = "; ".join(each for each in (incident.why, "taken over by hand") if each)
            store.close(incident.id, now, Outcome.GAVE_UP, why)


def climb_until_well(
    watch: Watch,
    wait: Callable[[float], None],
    now: Callable[[], float],
    stop_wished: Callable[[], bool],
    say: Callable[[str], None],
) -> End:
    """Cycle until an ending. `wait` lets seconds pass, `now` is monotonic (s)."""
    good, began, news = 0, now(), News()
    while True:
        sentence = watch.cycle()
        decision = watch.decision
        quiet = isinstance(decision, Hold) and decision.reason in QUIET
        if not quiet and news.is_news(decision, sentence, now()):
            say(sentence)
        if isinstance(decision, GiveUp):
            return End(Ending.GAVE_UP, decision.why)
        if isinstance(decision, Hold) and (end := _held(decision, now() - began)):
            return end
        settled = watch.is_well() and not watch.episodes.open and not _pending(watch)
        good = good + 1 if settled else 0
        if settled and (_has_climbed(watch) or good >= GOOD_LOOKS):
            return End(Ending.WELL, sentence)
        if stop_wished():
            return End(Ending.STOPPED, "stopped between two rungs, as wished")
        wait(watch.pause_s())


def _held(hold: Hold, waited_s: float) -> End | None:
    if hold.reason in (*FINAL_HOLDS, "full", "configuration", "told", "gave-up"):
        return End(Ending.HELD, hold.why)
    if hold.reason == "blind" and waited_s > BLIND_S:
        return End(Ending.HELD, hold.why)
    if hold.reason == "starting" and waited_s > STARTING_S:
        return End(Ending.HELD, hold.why)
    return None


def _pending(watch: Watch) -> bool:
    """Whether a rule with a ladder holds, and may fire at the next look."""
    watched = watch.judgement.watched if watch.judgement else {}
    return any(
        rule.ladder and rule.name in watched and watched[rule.name].since is not None
        for rule in watch.knowledge.rules
    )


def _has_climbed(watch: Watch) -> bool:
    """Whether this loop has opened an incident: then the climb's own good looks were enough."""
    return bool(watch.episodes.opened_total)
