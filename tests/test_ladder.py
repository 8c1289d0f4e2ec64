"""Hold, climb or give up: the decision, tested with values and the real rungs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dockerdoctor.declare import Scene
from dockerdoctor.host.nouns import Container
from dockerdoctor.ladder import Past, climbs_left, decide
from dockerdoctor.model import (
    Climb,
    GiveUp,
    Health,
    Hold,
    Impact,
    Incident,
    Outcome,
    Policy,
    Value,
    Verdict,
)
from dockerdoctor.rungs._common import LONGEST_STOP_S, SHUTDOWN_S, START_S, patience_s
from tests.values import RUNGS, at, attempt, finding, incident, scene, sick

TOLD: dict[str, Value] = {"pressure__known": True}
LADDER = ("dump-stacks", "restart", "systemd-kill", "sigkill", "reboot")
NOW = at(300).wall


def past(*incidents: Incident) -> Past:
    costly = [
        (each.id, done)
        for each in incidents
        for done in each.attempts
        if done.impact >= Impact.DAEMON and not done.skipped
    ]
    return Past({each.rule: each for each in incidents}, costly)


def choose(seen: Scene, *incidents: Incident) -> Climb | GiveUp | Hold:
    return decide(sick(finding(*LADDER)), past(*incidents), seen, RUNGS, NOW)


def test_the_first_rung_is_the_evidence() -> None:
    step = choose(scene())
    assert isinstance(step, Climb)
    assert step.rung == "dump-stacks"


def test_a_rung_of_this_incident_is_never_climbed_again() -> None:
    done = incident(attempt("dump-stacks", 290, 291, Impact.NONE), attempt("restart", 291, 295))
    step = choose(scene(ping__answered=False), done)
    assert isinstance(step, Climb)
    assert step.rung == "systemd-kill"


def test_a_daemon_that_took_no_sigterm_is_not_sent_more_of_them() -> None:
    done = incident(attempt("dump-stacks", 290, 291, Impact.NONE), attempt("restart", 291, 295))
    step = choose(scene(process__sigterm_pending=True), done)
    assert isinstance(step, Climb)
    assert step.rung == "sigkill"
    assert [skip.rung for skip in step.skipped] == ["systemd-kill"]


def test_a_daemon_that_a_debugger_holds_is_not_killed_and_the_debugger_is_named() -> None:
    done = incident(attempt("dump-stacks", 290, 291, Impact.NONE))
    step = choose(scene(process__tracer="gdb (pid 42)"), done)
    assert isinstance(step, GiveUp)
    assert "gdb (pid 42)" in step.why


def test_the_policy_keeps_the_reboot_for_people() -> None:
    tried = [attempt(name, 290, 291) for name in LADDER[:-1]]
    step = choose(scene(), incident(*tried))
    assert isinstance(step, GiveUp)
    assert "the policy allows" in step.why


def test_the_policy_of_host_reboots_after_all_else() -> None:
    seen = replace(scene(), policy=Policy(max_impact=Impact.HOST))
    step = choose(seen, incident(*[attempt(name, 290, 291) for name in LADDER[:-1]]))
    assert isinstance(step, Climb)
    assert step.rung == "reboot"


def test_giving_up_is_final_until_the_daemon_is_well_again() -> None:
    lost = replace(incident(), outcome=Outcome.GAVE_UP, why="nothing left")
    step = choose(scene(), lost)
    assert isinstance(step, Hold)
    assert step.reason == "gave-up"


def test_what_was_given_up_does_not_keep_another_finding_from_its_ladder() -> None:
    lost = replace(incident(name="disk-full"), outcome=Outcome.GAVE_UP)
    verdict = sick(finding("prune", name="disk-full"), finding(*LADDER, name="deaf"))
    step = decide(verdict, past(lost), scene(), RUNGS, NOW)
    assert isinstance(step, Climb)
    assert step.finding.rule == "deaf"


def test_nobody_acts_while_blind() -> None:
    blind = Verdict(at(0), Health.BLIND, (finding(*LADDER),), ("unit: no answer",))
    step = decide(blind, past(), scene(), RUNGS, NOW)
    assert isinstance(step, Hold)
    assert step.reason == "blind"


def test_nobody_acts_while_paused() -> None:
    step = choose(replace(scene(), policy=Policy(paused="backup until 4 AM")))
    assert step == Hold("paused", "backup until 4 AM")


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"unit__stopped_by_operator": True}, "stopped"),
        ({"unit__load_state": "masked"}, "masked"),
        ({"unit__active_state": "activating"}, "starting"),
    ],
)
def test_it_holds_still_for_operators_and_for_slow_starts(
    seen: dict[str, Value], reason: str
) -> None:
    step = choose(scene(**seen))
    assert isinstance(step, Hold)
    assert step.reason == reason


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"unit__active_state": "deactivating"}, "stopping"),
        ({"unit__job": "restart"}, "stopping"),
        ({"unit__since_start_s": 30.0}, "restarted"),
        ({"pressure__installing": "apt-get (pid 12)"}, "installing"),
        ({**TOLD, "pressure__memory_full_ratio": 0.5, "pressure__load_per_cpu": 9.0}, "starved"),
        ({"pressure__iowait_ratio": 0.7, "pressure__load_per_cpu": 9.0}, "starved"),
        ({"containerd__active_state": "activating"}, "containerd"),
        ({"containerd__active_state": "deactivating"}, "containerd"),
    ],
)
def test_it_lets_others_finish_their_restart_but_keeps_the_evidence(
    seen: dict[str, Value], reason: str
) -> None:
    first = choose(scene(**seen))
    assert isinstance(first, Climb)
    second = choose(scene(**seen), incident(attempt("dump-stacks", 290, 291, Impact.NONE)))
    assert isinstance(second, Hold)
    assert second.reason == reason


def test_a_finding_about_memory_waits_for_a_build_and_no_other_does() -> None:
    large = replace(finding("restart"), evidence={"process.rss_bytes": 7 << 30})
    builds = scene(builds__live=1, builds__since_s=60.0)
    step = decide(sick(large), past(), builds, RUNGS, NOW)
    assert isinstance(step, Hold)
    assert step.reason == "building"
    for other in (
        decide(sick(large), past(), scene(builds__live=0), RUNGS, NOW),
        decide(sick(large), past(), scene(builds__live=3, builds__since_s=3600.0), RUNGS, NOW),
        decide(sick(finding("restart")), past(), builds, RUNGS, NOW),
    ):
        assert isinstance(other, Climb)


def test_our_own_restart_under_way_is_no_reason_to_hold() -> None:
    done = incident(attempt("dump-stacks", 290, 291, Impact.NONE), attempt("restart", 291, 295))
    step = choose(scene(unit__active_state="deactivating", unit__job="restart"), done)
    assert isinstance(step, Climb)


def test_after_another_incident_it_waits_for_the_cool_down() -> None:
    other = incident(attempt("restart", 200, 250), name="another", ident="two")
    mine = incident(attempt("dump-stacks", 290, 291, Impact.NONE))
    step = choose(scene(), mine, other)
    assert isinstance(step, Hold)
    assert step.reason == "cool-down"


def test_a_clock_that_went_back_a_little_is_still_inside_the_cool_down() -> None:
    other = incident(attempt("restart", 340, 350), name="another", ident="two")
    mine = incident(attempt("dump-stacks", 290, 291, Impact.NONE))
    step = choose(scene(), mine, other)
    assert isinstance(step, Hold)
    assert step.reason == "cool-down"


def test_a_climb_that_a_wrong_clock_dates_a_day_ahead_is_not_waited_for() -> None:
    other = incident(attempt("restart", 86700, 86710), name="another", ident="two")
    mine = incident(attempt("dump-stacks", 290, 291, Impact.NONE))
    step = choose(scene(), mine, other)
    assert isinstance(step, Climb)
    assert step.rung == "restart"


def test_a_spent_budget_calls_for_people() -> None:
    others = [
        incident(attempt("restart", -800 + 100 * n, -790 + 100 * n), name=f"r{n}", ident=f"i{n}")
        for n in range(5)
    ]
    mine = incident(attempt("dump-stacks", 290, 291, Impact.NONE))
    step = choose(scene(), mine, *others)
    assert isinstance(step, GiveUp)
    assert climbs_left(past(mine, *others), scene(), NOW) == 0


def test_a_rung_that_was_cut_short_with_the_daemon_down_is_finished_by_a_start() -> None:
    cut = incident(attempt("sigkill", 290, None))
    step = choose(scene(unit__active_state="inactive", unit__result="signal"), cut)
    assert isinstance(step, Climb)
    assert step.rung == "start"


def test_who_stops_a_daemon_after_a_prune_was_cut_short_is_not_overruled() -> None:
    cut = incident(attempt("prune", 290, None, Impact.DAEMON))
    stopped = scene(unit__active_state="inactive", unit__stopped_by_operator=True)
    step = decide(sick(finding("prune")), past(cut), stopped, RUNGS, NOW)
    assert isinstance(step, Hold)
    assert step.reason == "stopped"


def test_a_rung_that_was_cut_short_with_the_daemon_up_is_not_repeated() -> None:
    cut = incident(attempt("dump-stacks", 289, 290, Impact.NONE), attempt("restart", 290, None))
    step = choose(scene(ping__answered=False), cut)
    assert isinstance(step, Climb)
    assert step.rung == "systemd-kill"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("disk__used_ratio", "the data-root is 99.5 % full"),
        ("disk__inodes_ratio", "99.5 % of the data-root's inodes are used"),
        ("disk__run_used_ratio", "/run is 99.5 % full"),
        ("disk__containerd_used_ratio", "containerd's root is 99.5 % full"),
    ],
)
@pytest.mark.parametrize(
    "rung",
    [
        *("restart", "restart-if-live", "systemd-kill", "sigkill", "start", "kill-all"),
        "restart-containerd",
    ],
)
def test_what_must_start_again_waits_for_room(place: str, words: str, rung: str) -> None:
    seen = scene(**{place: 0.995}, api__live_restore=True)
    step = decide(sick(finding(rung)), past(), seen, RUNGS, NOW)
    assert isinstance(step, Hold)
    assert step == Hold("full", f"{words}: a start may fail, free space first")
    assert isinstance(decide(sick(finding(rung)), past(), scene(), RUNGS, NOW), Climb | GiveUp)


def test_while_the_worst_waits_for_room_whoever_makes_some_has_the_turn() -> None:
    hung, full = finding("restart", name="hung"), finding("prune", name="full")
    seen = scene(disk__used_ratio=0.995)
    step = decide(sick(hung, full), past(), seen, RUNGS, NOW)
    assert isinstance(step, Climb)
    assert step.rung == "prune"


def test_a_data_root_that_takes_no_writes_is_left_to_people() -> None:
    seen = scene(kernel__data_root_read_only=True)
    step = decide(sick(finding("restart", "sigkill", "start")), past(), seen, RUNGS, NOW)
    assert isinstance(step, GiveUp)
    assert step.why.count("read-only") == 3


def test_a_host_is_not_rebooted_twice_in_a_day() -> None:
    allowed = Policy(max_impact=Impact.HOST, cooldown_s=0)
    before = Past({}, [("another", attempt("reboot", -3600, None, Impact.HOST))])
    again = replace(scene(), policy=allowed)
    step = decide(sick(finding("reboot")), before, again, RUNGS, NOW)
    assert isinstance(step, GiveUp)
    assert "rebooted 1 h 5 min ago already" in step.why
    later = decide(sick(finding("reboot")), before, again, RUNGS, NOW + 86400)
    assert isinstance(later, Climb)
    earlier = decide(sick(finding("reboot")), before, again, RUNGS, NOW - 86400)
    assert isinstance(earlier, GiveUp), "a clock that went back"


def test_a_start_limit_that_is_not_our_doing_is_left_to_people() -> None:
    down = sick(finding("start", name="daemon-down"))
    seen = scene(unit__active_state="failed", unit__start_limit_hit=True)
    step = decide(down, past(), seen, RUNGS, NOW)
    assert isinstance(step, GiveUp)
    assert "reset-failed" in step.why
    ours = decide(down, past(), replace(seen, climbed_lately=True), RUNGS, NOW)
    assert isinstance(ours, Climb)


def test_a_daemon_that_does_not_answer_is_not_pruned() -> None:
    step = decide(sick(finding("prune")), past(), scene(ping__answered=False), RUNGS, NOW)
    assert isinstance(step, GiveUp)


def test_a_restart_is_given_the_time_that_unit_daemon_and_containers_need() -> None:
    assert patience_s(scene()) == 90 + START_S
    slow = replace(scene(), running=(Container("c", "slow", "running", stop_timeout_s=300.0),))
    assert patience_s(slow) == 305 + START_S
    endless = replace(scene(), running=(Container("c", "x", "running", stop_timeout_s=9e9),))
    assert patience_s(endless) == LONGEST_STOP_S + START_S


def test_without_a_keeper_that_kills_the_daemons_own_clock_counts() -> None:
    assert patience_s(scene(unit__stop_timeout_s=float("inf"))) == SHUTDOWN_S + START_S


def test_what_is_only_told_does_not_hide_that_an_operator_stopped_the_daemon() -> None:
    told = sick(finding())
    stopped = scene(unit__active_state="inactive", unit__stopped_by_operator=True)
    step = decide(told, past(), stopped, RUNGS, NOW)
    assert isinstance(step, Hold)
    assert step.reason == "stopped"
    step = decide(told, past(), scene(), RUNGS, NOW)
    assert isinstance(step, Hold)
    assert step.reason == "told"
