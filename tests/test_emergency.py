"""`heal --emergency`: the shortest safe way back, and what it leaves alone all the same."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.around import Knowledge
from dockerdoctor.cli import healing
from dockerdoctor.cli.healing import Ending
from dockerdoctor.cli.plan import plan
from dockerdoctor.declare import Scene
from dockerdoctor.glance import at_once
from dockerdoctor.host.nouns import Container, Pressure, Service
from dockerdoctor.judge import judge
from dockerdoctor.model import Impact, Outcome, Policy, Process
from dockerdoctor.rungs import _common, kill_all, sigkill
from tests.clirun import dockerdoctor, write_config
from tests.fakehost import FakeHost
from tests.looks import look
from tests.story import RULES, Story
from tests.values import PROBES, READINGS, RUNGS, scene

KNOWN = healing.emergency(Knowledge(PROBES, RUNGS, RULES))
IN_A_HURRY = healing.by_hand(Policy(), None, emergency=True)


def story(directory: Path, **others: object) -> Story:
    told = Story(directory, IN_A_HURRY, **others)  # type: ignore[arg-type]
    told.watch.learn(KNOWN)
    return told


def heal(told: Story) -> healing.End:
    """As the command does it: what its own look has seen counts already."""
    host = told.host
    looked = look(host)
    judgement = judge(at_once(KNOWN.rules), looked.samples, None, looked.now, READINGS)
    seen = {each.rule for each in judgement.verdict.findings if each.ladder}
    told.watch.learn(healing.hurried(KNOWN, seen))
    told.watch.saw(looked.samples, looked.now)
    return healing.climb_until_well(
        told.watch, host.pause, lambda: host.now().mono, lambda: False, told.said.append
    )


def passed_over(told: Story) -> dict[str, str]:
    return {each.rung: each.note for each in told.attempts() if each.skipped}


def test_what_a_frozen_daemon_cannot_hear_is_passed_over_and_it_is_killed_at_once(
    tmp_path: Path,
) -> None:
    told = story(tmp_path)
    told.host.dockerd_process.frozen = True
    assert heal(told).ending is Ending.WELL
    assert told.climbed() == ["dump-stacks", "sigkill"]
    assert set(passed_over(told)) == {"restart", "systemd-kill"}


def test_a_containerd_that_starts_again_after_a_kill_is_not_ill(tmp_path: Path) -> None:
    seen = {"daemon-unresponsive"}
    patient = {rule.name: rule for rule in healing.hurried(KNOWN, seen).rules}
    shipped = {rule.name: rule for rule in RULES}
    assert (patient["daemon-unresponsive"].for_s, patient["daemon-unresponsive"].looks) == (0.0, 2)
    for name in set(shipped) - seen:
        assert patient[name].for_s == shipped[name].for_s
        assert patient[name].looks == shipped[name].looks


def test_a_stopped_daemon_is_still_restarted_the_gentle_way(tmp_path: Path) -> None:
    told = story(tmp_path)
    told.host.dockerd_process.state = "T"
    heal(told)
    assert told.climbed()[:2] == ["dump-stacks", "restart"]


def test_evidence_comes_first_also_in_an_emergency(tmp_path: Path) -> None:
    told = story(tmp_path)
    told.host.dockerd_process.hung = True
    heal(told)
    assert told.climbed()[0] == "dump-stacks"
    assert told.host.ledger[0].startswith("keep")


def test_a_restart_of_somebody_elses_that_does_not_end_is_not_left_to_its_end(
    tmp_path: Path,
) -> None:
    told = story(tmp_path)
    told.host.dockerd_process.hung = True
    told.host.dockerd_process.end_takes_s = math.inf
    told.host.dockerd.stop(job="restart")
    told.host.advance(5)
    assert heal(told).ending is Ending.WELL
    assert "restart" not in told.climbed()
    assert "told to stop already" in passed_over(told)["restart"]


def test_a_stop_is_waited_for_no_longer_than_dockerd_promises() -> None:
    slow = Container("a", "a", "running", stop_timeout_s=600.0)
    for running, longest in (((), 30.0), ((slow,), 75.0)):
        hurried = Scene(scene().readings, IN_A_HURRY, running)
        assert _common.patience_s(hurried) == longest
        assert _common.patience_s(Scene(scene().readings, Policy(), running)) > longest


@pytest.mark.parametrize("socket", [True, False])
def test_a_start_limit_is_forgiven_once(tmp_path: Path, socket: bool) -> None:
    told = story(tmp_path)
    told.host.units[Service.SOCKET].exists = socket
    told.host.dockerd.tells_limit = False
    for _ in range(4):
        told.host.crash()
        told.host.advance(2.5)
    assert told.host.dockerd.active == "failed"
    assert heal(told).ending is Ending.WELL
    assert told.climbed() == ["dump-stacks", "start"]
    assert "forgiven" in told.attempts()[-1].note


def test_the_last_resort_ends_containerd_and_all_shims_and_starts_again(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    shim = host.world.spawn("containerd-shim")
    host.all_shims.append(shim)
    host.engine = replace(host.engine, live_restore=True)
    before = (host.dockerd_process.identity, host.containerd_process.identity)
    note = kill_all.RUNG.run(host, Scene(scene().readings, IN_A_HURRY))
    assert not note.futile
    assert [act for act in host.ledger if act.startswith(("stop", "signal", "start", "reset"))] == [
        "signal dockerd SIGKILL",
        "signal containerd SIGKILL",
        "signal containerd-shim SIGKILL",
        "reset_failed socket dockerd",
        "start containerd",
        "start socket dockerd",
    ]
    host.advance(30)
    assert host.serves()
    assert host.dockerd_process.identity != before[0]
    assert host.containerd_process.identity != before[1]


def test_the_last_resort_comes_last_and_is_in_no_shipped_ladder() -> None:
    assert not [rule.name for rule in RULES if "kill-all" in rule.ladder]
    hurried = {rule.name: rule.ladder for rule in KNOWN.rules if "kill-all" in rule.ladder}
    assert set(hurried) == {"daemon-unresponsive", "containerd-hung"}
    for ladder in hurried.values():
        assert ladder[0] == "dump-stacks" and ladder[-1] == "kill-all" and "reboot" not in ladder


def test_sigkill_alone_spares_containerd_that_answers_and_the_shims(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.all_shims.append(host.world.spawn("containerd-shim"))
    sigkill.RUNG.run(host, Scene(scene().readings, IN_A_HURRY))
    assert [act for act in host.ledger if act.startswith("signal")] == ["signal dockerd SIGKILL"]


@pytest.mark.parametrize("held", ["tracer", "kernel"])
def test_what_a_debugger_or_the_kernel_holds_is_not_killed(tmp_path: Path, held: str) -> None:
    told = story(tmp_path)
    if held == "tracer":
        told.host.dockerd_process.tracer = Process(77, 7, "gdb")
    else:
        told.host.dockerd_process.held = True
        told.host.dockerd_process.hung = True
        told.host.dockerd_process.state = "D"
        told.goes_on_for(40)
        told.host.ledger.clear()
    heal(told)
    assert not [act for act in told.acts if act.startswith(("signal", "stop", "restart"))]


def test_what_an_operator_stopped_stays_down(tmp_path: Path) -> None:
    told = story(tmp_path)
    told.host.operator_stops()
    assert heal(told).ending is Ending.HELD
    assert told.acts == []


def test_a_package_upgrade_is_waited_for(tmp_path: Path) -> None:
    told = story(tmp_path)
    told.host.dockerd_process.frozen = True
    told.host.installer = "apt-get (pid 12)"
    told.goes_on_for(60)
    assert not [act for act in told.acts if not act.startswith("keep")]
    told.host.installer = ""
    assert heal(told).ending is Ending.WELL
    assert told.incidents[0].outcome is Outcome.CURED


def test_a_host_that_the_daemon_starves_is_no_reason_to_wait(tmp_path: Path) -> None:
    told = story(tmp_path)
    told.host.dockerd_process.hung = True
    told.host.starved = Pressure(known=True, memory_full_ratio=0.9, load_per_cpu=50.0)
    assert heal(told).ending is Ending.WELL


def test_without_leave_for_containers_nothing_costly_is_done(tmp_path: Path) -> None:
    told = Story(tmp_path, healing.by_hand(Policy(), Impact.DAEMON, emergency=True))
    told.watch.learn(KNOWN)
    told.host.dockerd_process.frozen = True
    assert heal(told).ending is Ending.GAVE_UP
    assert told.acts == []


def test_the_plan_of_an_emergency_is_short(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.advance(600)
    host.dockerd_process.frozen = True
    looked = look(host)
    judgement = judge(at_once(KNOWN.rules), looked.samples, None, looked.now, READINGS)
    finding = next(each for each in judgement.verdict.findings if each.ladder)
    found = plan(finding, Scene(judgement.readings, IN_A_HURRY), RUNGS)
    to_climb = [step.rung for step in found.steps if not step.passed_over]
    assert to_climb == ["dump-stacks", "sigkill", "kill-all"]


def test_a_containerd_that_is_deaf_too_ends_with_the_last_resort(tmp_path: Path) -> None:
    told = story(tmp_path)
    told.host.containerd_process.frozen = True
    assert heal(told).ending is Ending.WELL
    assert told.climbed()[:2] == ["dump-stacks", "restart-containerd"]
    assert Service.CONTAINERD in told.host.units


def test_one_rung_alone_is_no_emergency(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    ran = dockerdoctor("heal", "--emergency", "--only", "restart", config=config)
    assert ran.code == 64
    assert "say one of them" in ran.err


def test_the_help_tells_what_an_emergency_does_and_never_does() -> None:
    said = " ".join(dockerdoctor("heal", "--help").out.split())
    for words in ("kill -9 dockerd, containerd and its shims", "never touches a volume"):
        assert words in said
