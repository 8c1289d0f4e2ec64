"""A daemon that systemd does not start again, told from one that an operator has stopped; also
where no docker.socket fails beside it and says so."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dockerdoctor.host.nouns import Service, ServiceState
from dockerdoctor.host.unittext import parse_show
from dockerdoctor.model import Outcome
from dockerdoctor.probes.unit import not_restarted, stopped_on_purpose
from tests.story import Story

HUNG = ServiceState(
    "docker.service",
    "failed",
    "failed",
    "timeout",
    restart="always",
    load="loaded",
    left_inactive_mono_s=100.0,
    main_exited_mono_s=900.0,
)
"""It hung, an operator stopped it, and systemd killed it for it: its end is its last news."""
GIVEN_UP = replace(HUNG, result="signal", left_inactive_mono_s=900.0001)
"""It was killed, and the restart that systemd then wanted came to nothing."""


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A host without docker.socket, whose systemd leaves Result as it was (252, 257)."""
    story = Story(tmp_path)
    story.host.units[Service.SOCKET].exists = False
    story.host.dockerd.tells_limit = False
    return story


@pytest.mark.parametrize("result", ["timeout", "signal", "core-dump", "exit-code"])
@pytest.mark.parametrize("restart", ["always", "on-failure"])
def test_an_end_that_no_restart_follows_is_a_stop_and_one_that_it_follows_is_none(
    restart: str, result: str
) -> None:
    stopped = replace(HUNG, result=result, restart=restart)
    assert stopped_on_purpose(stopped) and not not_restarted(stopped)
    given_up = replace(GIVEN_UP, result=result, restart=restart)
    assert not_restarted(given_up) and not stopped_on_purpose(given_up)


@pytest.mark.parametrize(
    "changed",
    [
        {"restart": "no"},  # nobody would have started it again
        {"restart": ""},
        {"restart": "on-abnormal", "result": "exit-code"},
        {"result": "oom-kill"},
        {"result": "watchdog"},
        {"result": "start-limit-hit"},
        {"job": "start"},
    ],
)
def test_what_need_be_no_stop_is_none(changed: dict[str, str]) -> None:
    assert not stopped_on_purpose(replace(HUNG, **changed))


@pytest.mark.parametrize("result", ["success", "signal", "exit-code"])
def test_one_that_is_inactive_was_stopped_also_while_it_waited_for_its_restart(result: str) -> None:
    assert stopped_on_purpose(replace(GIVEN_UP, active="inactive", sub="dead", result=result))


@given(
    st.sampled_from(["failed", "inactive", "active", "activating", "deactivating"]),
    st.sampled_from(["success", "signal", "timeout", "exit-code", "oom-kill", "start-limit-hit"]),
    st.sampled_from(["", "no", "always", "on-failure", "on-abnormal", "on-abort", "on-success"]),
    st.sampled_from([None, 1.0, 2.0, 3.0]),
    st.sampled_from([None, 2.0]),
)
def test_it_is_never_both_nor_either_while_it_runs(
    active: str, result: str, restart: str, left: float | None, ended: float | None
) -> None:
    state = ServiceState(
        "docker.service",
        active,
        "",
        result,
        restart=restart,
        left_inactive_mono_s=left,
        main_exited_mono_s=ended,
    )
    told = (not_restarted(state), stopped_on_purpose(state))
    assert told != (True, True)
    if active not in ("failed", "inactive"):
        assert told == (False, False)


TOLD = """
252 failed   signal          on-failure 38864313079 38864312682 killed up to the start limit
252 failed   timeout         on-failure 38871462512 38880319465 hung, stopped, killed by systemd
252 failed   signal          on-failure 38893004725 38894840613 hung, stopped, killed by hand
252 failed   exit-code       on-failure 38909532558 38915680311 stopped, and three SIGTERM more
252 inactive signal          on-failure 38939861124 38939860628 killed, stopped before its restart
257 failed   signal          always     38549200974 38549200377 killed up to the start limit
257 failed   timeout         always     38559723400 38568688457 hung, stopped, killed by systemd
257 failed   signal          always     38581425916 38583026795 hung, stopped, killed by hand
257 failed   exit-code       always     38597736376 38603346975 stopped, and three SIGTERM more
257 inactive signal          always     38628304512 38628303830 killed, stopped before its restart
262 failed   start-limit-hit always     39058645778 39058645260 killed up to the start limit
262 failed   timeout         always     39069226030 39078323522 hung, stopped, killed by systemd
262 failed   exit-code       always     39111196430 39117880040 stopped, and three SIGTERM more
262 inactive signal          always     39146629425 39146629125 killed, stopped before its restart
"""
"""What systemd of that version said of docker.service on hosts without docker.socket: ActiveState,
Result, Restart, InactiveExit- and ExecMainExitTimestampMonotonic; and what had been done to it."""


@pytest.mark.parametrize("line", TOLD.strip().splitlines())
def test_real_ones_are_told_apart(line: str) -> None:
    _, active, result, restart, left, ended, done = line.split(maxsplit=6)
    (state,) = parse_show(
        f"Id=docker.service\nLoadState=loaded\nActiveState={active}\nResult={result}\n"
        f"Restart={restart}\nInactiveExitTimestampMonotonic={left}\n"
        f"ExecMainExitTimestampMonotonic={ended}\n"
    )
    killed = done == "killed up to the start limit"
    assert (not_restarted(state), stopped_on_purpose(state)) == (killed, not killed)


def is_killed_up_to_its_limit(story: Story) -> None:
    for _ in range(9):
        if story.host.dockerd.active == "failed":
            return
        story.host.crash()
        story.host.advance(3)
    raise AssertionError("no start limit")


def test_a_daemon_that_is_killed_up_to_its_start_limit_was_not_stopped(story: Story) -> None:
    story.goes_on_for(10)
    is_killed_up_to_its_limit(story)
    assert story.host.dockerd.result == "signal"
    story.goes_on_for(120)
    (down,) = story.incidents
    assert down.rule == "daemon-down"
    assert down.outcome is Outcome.GAVE_UP
    assert "the start limit was hit" in down.why
    assert story.climbed() == ["dump-stacks"]
    assert story.acts == []


def test_after_its_start_limit_it_is_well_once_people_have_started_it(story: Story) -> None:
    is_killed_up_to_its_limit(story)
    story.goes_on_for(60)
    story.host.dockerd.reset_failed()
    story.host.dockerd.start()
    story.goes_on_for(120)
    assert story.incidents[0].closed
    assert story.said[-1].startswith("well: ")


def hangs_and_is_killed_by_systemd(story: Story) -> None:
    story.host.dockerd_process.frozen = True
    story.host.dockerd.stop()


def hangs_and_is_killed_by_hand(story: Story) -> None:
    hangs_and_is_killed_by_systemd(story)
    story.host.dockerd.signal(signal.SIGKILL)


def has_been_killed_before(story: Story) -> None:
    story.host.crash()
    story.host.advance(600)
    hangs_and_is_killed_by_systemd(story)


def waits_for_its_restart(story: Story) -> None:
    story.host.crash()
    story.host.dockerd.stop()


@pytest.mark.parametrize(
    "ends",
    [
        hangs_and_is_killed_by_systemd,
        hangs_and_is_killed_by_hand,
        has_been_killed_before,
        waits_for_its_restart,
    ],
)
def test_a_stop_that_ends_in_a_failure_is_an_operators_stop_all_the_same(
    story: Story, ends: Callable[[Story], None]
) -> None:
    ends(story)
    story.goes_on_for(600)
    assert story.host.dockerd.result in ("timeout", "signal")
    assert story.acts == []
    assert story.incidents == []
    assert story.said[-1].startswith("stopped: docker.service was stopped on purpose")
