"""`heal`: the plan and what it costs, the climb by hand, whose turn it is, and who is asked."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.around import Knowledge, Snapshot
from dockerdoctor.cli import healing
from dockerdoctor.cli.healing import End, Ending
from dockerdoctor.cli.healplan import plans_for
from dockerdoctor.cli.plan import Fate, Plan, fate, names_by_fate, plan
from dockerdoctor.cli.plantext import plan_json, plan_text
from dockerdoctor.cli.progress import Progress, state
from dockerdoctor.config import load
from dockerdoctor.declare import Scene
from dockerdoctor.glance import at_once
from dockerdoctor.host.lock import Turn, held, holder
from dockerdoctor.host.nouns import Container, Place
from dockerdoctor.host.signals import Patience
from dockerdoctor.judge import judge
from dockerdoctor.model import (
    NOTHING,
    Finding,
    Impact,
    Incident,
    Outcome,
    Policy,
    Process,
    Readings,
)
from dockerdoctor.store import Store
from tests.clirun import dockerdoctor, environment, write_config
from tests.fakehost import FakeHost, disk_use
from tests.looks import look, settled
from tests.story import RULES, Story
from tests.values import PROBES, READINGS, RUNGS, attempt, incident

KNOWN = Knowledge(PROBES, RUNGS, RULES)


def container(name: str, policy: str = "", inspected: bool = True) -> Container:
    return Container(f"{name}-id", name, "running", policy, inspected=inspected)


def planned(
    host: FakeHost,
    *running: Container,
    policy: Policy | None = None,
    on_record: Incident | None = None,
    facts: Readings = NOTHING,
) -> Plan:
    looked = look(host)
    judgement = judge(at_once(RULES), looked.samples, None, looked.now, READINGS)
    finding = next(each for each in judgement.verdict.findings if each.ladder)
    scene = Scene({**facts, **judgement.readings}, policy or Policy(), running)
    return plan(finding, scene, RUNGS, on_record)


def frozen(directory: Path) -> FakeHost:
    host = settled(directory)
    host.dockerd_process.frozen = True
    return host


# The plan.


def test_a_plan_tells_each_rung_its_cost_and_what_a_person_would_take(tmp_path: Path) -> None:
    found = planned(frozen(tmp_path))
    assert [step.rung for step in found.steps] == list(found.finding.ladder)
    restart = next(step for step in found.steps if step.rung == "restart")
    assert (restart.impact, restart.by_hand) == (Impact.CONTAINERS, "2 min")
    text = plan_text(found, READINGS, "/evidence", None)
    assert "1. dump-stacks: costs nothing" in text
    assert "2. restart: costs its containers, at most 3 min (by hand: 2 min)" in text
    assert "Evidence is kept in /evidence." in text


def test_a_rung_that_costs_too_much_is_passed_over_with_its_reason(tmp_path: Path) -> None:
    found = planned(frozen(tmp_path), policy=Policy(max_impact=Impact.DAEMON))
    assert found.worst is Impact.NONE
    text = plan_text(found, READINGS, "/evidence", None)
    assert "-  restart: passed over: it costs its containers" in text
    assert "Nothing is stopped." in text


def test_a_plan_names_who_stops_and_who_comes_back(tmp_path: Path) -> None:
    running = [
        container("web", "always"),
        container("db", "unless-stopped"),
        container("batch", "on-failure"),
        container("job", "no"),
        container("new", inspected=False),
    ]
    found = planned(frozen(tmp_path), *running)
    assert names_by_fate(found) == {
        Fate.COMES_BACK: ["web", "db"],
        Fate.MAY: ["batch"],
        Fate.STAYS_DOWN: ["job"],
        Fate.NOT_KNOWN: ["new"],
    }
    text = plan_text(found, READINGS, "/evidence", None)
    assert "at worst: 5 containers (whether live-restore is on is not known)" in text
    assert "do not come back by themselves (no restart policy): job" in text
    assert "is started by dockerdoctor" in text
    assert plan_json(found)["containers"]


def test_with_live_restore_the_containers_go_on(tmp_path: Path) -> None:
    found = replace(planned(frozen(tmp_path), container("web")), live_restore=True)
    assert "live-restore was on when it was last seen" in plan_text(found, READINGS, "/e", None)


def hung(directory: Path, bare: bool = False) -> FakeHost:
    """It answers nobody and still takes signals."""
    host = settled(directory, bare)
    host.dockerd_process.hung = True
    return host


def test_live_restore_is_offered_first_while_the_daemon_takes_signals(tmp_path: Path) -> None:
    off = {"api.live_restore": False}
    found = planned(hung(tmp_path), container("web"), facts=off)
    assert found.reload == "systemctl reload docker.service"
    text = plan_text(found, READINGS, "/e", None)
    assert '1. add "live-restore": true to /etc/docker/daemon.json' in text
    assert "3. systemctl reload docker.service" in text
    assert "authorization-plugins" in text
    assert plan_json(found)["reload"] == found.reload
    assert planned(frozen(tmp_path), container("web"), facts=off).reload == ""
    assert planned(hung(tmp_path), container("web")).reload == ""  # nobody knows that it is off


def test_a_daemon_without_a_unit_is_told_to_reload_by_its_pid(tmp_path: Path) -> None:
    host = hung(tmp_path, bare=True)
    found = planned(host, container("web"), facts={"api.live_restore": False})
    assert found.reload == f"kill -HUP {host.dockerd_process.identity.pid}"


def test_a_swarm_node_is_told_that_live_restore_cannot_be(tmp_path: Path) -> None:
    facts = {"api.live_restore": False, "api.swarm": True}
    found = planned(hung(tmp_path), container("web"), facts=facts)
    text = plan_text(found, READINGS, "/e", None)
    assert "at worst: 1 container (a swarm node: live-restore is refused there" in text
    assert "switch live-restore on" not in text
    assert plan_json(found)["swarm"] is True


def test_a_hung_containerd_costs_no_container(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.containerd_process.hung = True
    found = planned(host, container("web"))
    assert found.worst is Impact.DAEMON
    assert "its containers go on (1 container known to run)" in plan_text(found, {}, "/e", None)


STUCK: Readings = {
    "locks.stuck": 1,
    "locks.stuck_s": 40.0,
    "locks.stuck_name": "web",
    "locks.stuck_names": "web",
}


def stuck_plan(directory: Path, facts: Readings = NOTHING, ladder: tuple[str, ...] = ()) -> Plan:
    """For what hangs on a host with three containers."""
    looked = look(settled(directory))
    rule = next(each for each in RULES if each.name == "container-stuck")
    found = Finding(rule.name, "it hangs", rule.severity, looked.now, ladder=ladder or rule.ladder)
    readings = judge(at_once(RULES), looked.samples, None, looked.now, READINGS).readings
    running = tuple(container(name, "always") for name in ("web", "db", "mail"))
    return plan(found, Scene({**readings, **STUCK, **facts}, Policy(), running), RUNGS)


def test_a_plan_that_kills_one_containers_shim_names_that_container_alone(tmp_path: Path) -> None:
    found = stuck_plan(tmp_path, {"api.live_restore": False})
    assert [step.rung for step in found.steps if not step.passed_over] == [
        "dump-stacks",
        "kill-shim",
    ]
    assert found.fates == (("web", Fate.COMES_BACK),)
    assert found.costs == "only web"
    text = plan_text(found, READINGS, "/e", None)
    assert "2. kill-shim: costs only web, at most 1 min 30 s (by hand: 5 min)" in text
    assert "What stops at worst: 1 container (all others go on)" in text
    assert "db" not in text and "mail" not in text
    assert "live-restore on first" not in text
    told = plan_json(found)
    assert told["containers"] == [{"name": "web", "fate": "comes back"}]
    assert [step["only"] for step in told["steps"]] == [[], ["web"], []]


def test_what_a_watchdog_has_asked_before_is_known_of_one_that_hangs(tmp_path: Path) -> None:
    config = load(write_config(tmp_path, ""), {})
    host = settled(tmp_path)
    host.dockerd_process.frozen = True
    looked = replace(look(host), running=(container("web", inspected=False),))
    (found,) = plans_for(looked, KNOWN, config, host)
    assert found.fates == (("web", Fate.NOT_KNOWN),)
    store = Store.open(config.watch.record, host.now())
    store.remember("running", (container("web", "always"),))
    (found,) = plans_for(looked, KNOWN, config, host)
    assert found.fates == (("web", Fate.COMES_BACK),)


def test_all_that_hang_are_named_also_one_that_nobody_knew(tmp_path: Path) -> None:
    more: Readings = {"locks.stuck": 2, "locks.stuck_names": "web late", "api.live_restore": True}
    found = stuck_plan(tmp_path, more)
    assert found.fates == (("web", Fate.COMES_BACK), ("late", Fate.NOT_KNOWN))
    assert "restart-if-live" in [step.rung for step in found.steps if not step.passed_over]
    assert "2 containers (all others go on)" in plan_text(found, READINGS, "/e", None)


def test_a_restart_for_the_sake_of_one_still_names_them_all(tmp_path: Path) -> None:
    found = stuck_plan(tmp_path, ladder=("restart",))
    assert [name for name, _ in found.fates] == ["web", "db", "mail"]
    assert found.costs == "its containers"


def test_two_hundred_containers_do_not_flood_the_plan(tmp_path: Path) -> None:
    many = [container(f"c{number:03}", "always") for number in range(200)]
    text = plan_text(planned(frozen(tmp_path), *many), READINGS, "/e", None)
    assert "and 188 more" in text


def opened(*rungs: str, outcome: Outcome = Outcome.OPEN) -> Incident:
    return replace(incident(*(attempt(rung) for rung in rungs)), outcome=outcome)


def test_rungs_that_were_climbed_already_are_not_planned_again(tmp_path: Path) -> None:
    found = planned(frozen(tmp_path), on_record=opened("dump-stacks", "restart"))
    over = {step.rung: step.passed_over for step in found.steps if step.passed_over}
    assert over["restart"] == "climbed already in this incident"
    assert not found.anew


def test_an_incident_with_nothing_left_to_climb_is_begun_anew_by_a_person(tmp_path: Path) -> None:
    for each in (
        opened("dump-stacks", "restart", "systemd-kill", "sigkill"),
        opened("dump-stacks", outcome=Outcome.GAVE_UP),
    ):
        found = planned(frozen(tmp_path / each.outcome), on_record=each)
        assert found.anew
        assert [step.rung for step in found.steps if step.passed_over] == ["reboot"]


def test_a_daemon_held_by_a_debugger_has_a_plan_without_a_costly_rung(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.dockerd_process.tracer = Process(77, 7, "gdb")
    found = planned(host)
    assert found.worst is Impact.NONE
    assert "held by gdb (pid 77)" in plan_text(found, READINGS, "/e", None)


@pytest.mark.parametrize("allowed", ["", "[disk]\ncut_logs = true"])
def test_a_plan_for_a_full_disk_knows_what_the_configuration_allows(
    tmp_path: Path, allowed: str
) -> None:
    host = settled(tmp_path)
    root = host.all_places[Place.DATA_ROOT]
    host.disks[root] = disk_use(root, 0.97)
    (found,) = plans_for(look(host), KNOWN, load(write_config(tmp_path, allowed), {}), host)
    outside = next(step for step in found.steps if step.rung == "free-space-outside")
    assert (outside.passed_over == "") is bool(allowed)
    text = plan_text(found, READINGS, "/e", None)
    assert "disk reclaim" in text
    assert "prune: costs what it removes" in text
    assert "Nothing is stopped or interrupted." in text


@pytest.mark.parametrize(
    ("daemon_json", "refused", "worst"),
    [
        ('{"live-restore": true}', False, Impact.DAEMON),
        ('{"debug": true}', False, Impact.CONTAINERS),
        ('{"live-restore": true', True, Impact.NONE),
    ],
)
def test_a_plan_knows_what_the_next_start_would_find(
    tmp_path: Path, daemon_json: str, refused: bool, worst: Impact
) -> None:
    """Not what this daemon found at its own: live-restore is on in it."""
    host = settled(tmp_path)
    host.engine = replace(host.engine, live_restore=True)
    host.closeup.daemon_json(daemon_json)
    host.closeup.changed = host.now().wall
    config = load(write_config(tmp_path, ""), {})
    facts = {"api.live_restore": True}
    Store.open(config.watch.record, host.now()).remember("facts", facts)
    host.dockerd_process.frozen = True
    (found,) = plans_for(look(host), KNOWN, config, host)
    restarts = [step for step in found.steps if KNOWN.rungs[step.rung].restarts]
    assert found.worst is worst
    assert all(("mend that first" in step.passed_over) is refused for step in restarts)


def test_a_restart_policy_decides_what_becomes_of_a_container() -> None:
    assert fate(container("a", "always")) is Fate.COMES_BACK
    assert fate(container("a", "")) is Fate.STAYS_DOWN
    assert fate(container("a", "", inspected=False)) is Fate.NOT_KNOWN


# The climb.


def heal(
    story: Story, stop: Callable[[], bool] = lambda: False, said: list[str] | None = None
) -> End:
    host = story.host
    say = said.append if said is not None else story.said.append
    return healing.climb_until_well(story.watch, host.pause, lambda: host.now().mono, stop, say)


def kept_the_stacks(story: Story) -> bool:
    return bool(story.incidents) and "dump-stacks" in story.climbed()


def by_hand(directory: Path) -> Story:
    return Story(directory, healing.by_hand(Policy(), None))


def test_a_frozen_daemon_is_healed_and_it_ends_with_the_cure(tmp_path: Path) -> None:
    story = by_hand(tmp_path)
    story.host.dockerd_process.frozen = True
    assert heal(story).ending is Ending.WELL
    assert story.climbed() == ["dump-stacks", "restart", "sigkill"]
    assert story.incidents[0].outcome is Outcome.CURED


def test_where_nothing_is_wrong_nothing_is_done(tmp_path: Path) -> None:
    story = by_hand(tmp_path)
    said: list[str] = []
    assert heal(story, said=said).ending is Ending.WELL
    assert (story.acts, said) == ([], [])


def test_it_ends_when_it_gives_up_and_says_why(tmp_path: Path) -> None:
    story = by_hand(tmp_path)
    story.host.dockerd_process.tracer = Process(77, 7, "gdb")
    end = heal(story)
    assert end.ending is Ending.GAVE_UP
    assert "gdb (pid 77)" in end.why


def test_what_an_operator_stopped_stays_down(tmp_path: Path) -> None:
    story = by_hand(tmp_path)
    story.host.operator_stops()
    heal(story)
    assert story.acts == []


def test_a_wish_to_stop_is_heard_between_two_rungs(tmp_path: Path) -> None:
    story = by_hand(tmp_path)
    story.host.dockerd_process.frozen = True
    end = heal(story, lambda: kept_the_stacks(story))
    assert end.ending is Ending.STOPPED
    assert story.climbed() == ["dump-stacks"]
    assert story.incidents[0].closed is None


def test_a_person_has_no_budget_no_cool_down_and_no_pause() -> None:
    policy = healing.by_hand(Policy(paused="an operator wants no act"), Impact.HOST)
    assert (policy.paused, policy.cooldown_s, policy.max_impact) == ("", 0.0, Impact.HOST)
    assert policy.max_climbs > 100
    assert healing.by_hand(Policy(max_impact=Impact.DAEMON), None).max_impact is Impact.DAEMON


def test_a_person_takes_over_what_the_watchdog_gave_up(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.dockerd_process.tracer = Process(77, 7, "gdb")
    story.goes_on_for(60)
    assert story.incidents[0].outcome is Outcome.GAVE_UP
    story.host.release()
    story.host.dockerd_process.frozen = True
    healing.take_over(story.store, story.host.now().wall, ["daemon-unresponsive"])
    assert "taken over by hand" in story.incidents[0].why
    story.policy = healing.by_hand(Policy(), None)
    story.killed_and_started_again()
    assert heal(story).ending is Ending.WELL
    assert [each.outcome for each in story.incidents] == [Outcome.GAVE_UP, Outcome.CURED]


def test_an_open_incident_goes_on_and_repeats_nothing_unless_anew(tmp_path: Path) -> None:
    story = by_hand(tmp_path)
    story.host.dockerd_process.frozen = True
    heal(story, lambda: kept_the_stacks(story))
    story.killed_and_started_again()
    assert heal(story).ending is Ending.WELL
    assert story.climbed().count("dump-stacks") == 1
    assert len(story.incidents) == 1


def test_an_incident_left_open_is_closed_when_a_person_sees_that_it_is_over(tmp_path: Path) -> None:
    story = by_hand(tmp_path)
    story.host.dockerd_process.frozen = True
    heal(story, lambda: kept_the_stacks(story))
    story.host.release()
    story.killed_and_started_again()
    assert heal(story).ending is Ending.WELL
    assert story.incidents[0].closed
    assert story.climbed() == ["dump-stacks"]


def test_one_rung_alone_stands_on_every_ladder() -> None:
    known = healing.only(KNOWN, "sigkill")
    assert {rule.ladder for rule in known.rules} == {("sigkill",), ()}


class GoneTerminal(io.StringIO):
    """Every write fails, as on a terminal whose window was closed."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_progress_survives_a_terminal_that_goes_away() -> None:
    progress = Progress(lambda: 0.0, GoneTerminal())
    progress.say("restart: asked for a restart")
    progress.done()


def test_a_wish_to_stop_is_confirmed_once_at_the_next_look(tmp_path: Path) -> None:
    story, stream = by_hand(tmp_path), io.StringIO()
    story.watch._hooks.looked = Progress(lambda: 0.0, stream, lambda: True).looked
    story.watch.cycle()
    story.watch.cycle()
    assert stream.getvalue() == "   0 s  it ends after this rung; Ctrl-C again: at once\n"


def test_the_moving_line_says_what_a_person_waits_for(tmp_path: Path) -> None:
    story = by_hand(tmp_path)
    story.host.dockerd_process.frozen = True
    seen: list[Snapshot] = []
    story.watch._hooks.looked = seen.append
    heal(story)
    lines = [state(each) for each in seen]
    assert lines[0] == "looking: no answer (timeout), unit active, dockerd state S"
    assert any(line.startswith("sigkill: answers, unit active") for line in lines)


# Whose turn it is.


def test_the_lock_names_its_holder_to_whoever_only_looks(tmp_path: Path) -> None:
    path = tmp_path / "act.lock"
    assert holder(path) == ""
    with held(path, "watch"):
        assert holder(path) == f"{os.getpid()} watch"
    assert holder(path) == ""


def test_a_paused_watchdog_lets_go_and_takes_its_turn_again(tmp_path: Path) -> None:
    path = tmp_path / "act.lock"
    turn = Turn(path, "watch")
    turn.ask("", 0)
    assert (turn.why, holder(path)) == ("", f"{os.getpid()} watch")
    turn.ask("an operator wants no act", 4)
    assert (turn.why, holder(path), turn.others_s) == ("an operator wants no act", "", 0)
    with held(path, "heal"):
        turn.ask("", 8)
        assert turn.why == f"heal (pid {os.getpid()}) already looks after this daemon"
        turn.ask("", 20)
        assert turn.others_s == 12
    turn.ask("", 24)
    assert (turn.why, turn.others_s) == ("", 0)
    turn.leave()
    assert holder(path) == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may heal")
def test_healing_needs_root(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace("pidfile", "# pidfile"))
    ran = dockerdoctor("heal", "--yes", config=config)
    assert ran.code == 77


def test_while_a_watchdog_has_its_turn_heal_is_busy_and_says_how_to_pause(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with held(tmp_path / "run" / "act.lock", "watch"):
        ran = dockerdoctor("heal", "--yes", config=config)
    assert (ran.code, ran.out) == (75, "")
    assert f"the watchdog (pid {os.getpid()}) is on it" in ran.err
    assert "`dockerdoctor pause`" in ran.err


def test_who_cannot_be_asked_is_not_asked(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    for words in (["heal"], ["heal", "--no-input"]):
        ran = dockerdoctor(*words, config=config, given="y\n")
        assert (ran.code, ran.out) == (64, "")
        assert "--yes" in ran.err


def test_a_plan_needs_neither_an_answer_nor_the_lock(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with held(tmp_path / "run" / "act.lock", "watch"):
        ran = dockerdoctor("heal", "--plan", "--json", config=config)
    assert json.loads(ran.out)["plans"] == []


def test_heal_acts_on_the_daemon_of_the_configuration_only(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    ran = dockerdoctor("heal", "--yes", "-H", "tcp://10.0.0.1:2376", config=config)
    assert ran.code == 64
    assert "is not the daemon of the configuration" in ran.err


def test_an_unknown_rung_is_named_with_those_that_are(tmp_path: Path) -> None:
    ran = dockerdoctor("heal", "--plan", "--only", "sigkil", config=write_config(tmp_path))
    assert ran.code == 64
    assert "did you mean sigkill?" in ran.err


# Ctrl-C.


def test_the_first_interrupt_is_a_wish_and_the_second_ends_it() -> None:
    patience = Patience()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        assert patience.wished
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        patience.restore()


def test_a_terminal_that_closes_changes_nothing() -> None:
    code = (
        "import os, signal; from dockerdoctor.host.signals import Patience;"
        "patience = Patience(); os.kill(os.getpid(), signal.SIGHUP);"
        "raise SystemExit(1 if patience.wished else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], env=environment(), timeout=300, check=False)
    assert ran.returncode == 0
