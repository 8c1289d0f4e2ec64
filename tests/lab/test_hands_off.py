"""A daemon that hangs, and a reason to keep still: nothing is done while it lasts, the reason is
said, and once it is over the daemon is healed."""

from __future__ import annotations

import contextlib
import time

import pytest

from dockerdoctor.model import Outcome
from tests.lab import faults
from tests.lab.watchdog import POLICY, WAIT_S, Watchdog, found, vitals

HASTY = """[daemon-unresponsive]
for = "3s"
looks = 2
"""
"""Its time is not what these tests are about."""
LONG_COOLDOWN = POLICY.replace('cooldown = "5s"', 'cooldown = "40s"')
STILL_S = 8.0
"""For so long nothing is done: three looks, where two are enough to act."""

ON_ONE_SUITE = True
"""What holds us back is not the engine's; `make table` shows it on each."""


def stays_still(watchdog: Watchdog, began: float, words: str) -> None:
    """It says why, and does nothing."""
    before = vitals(watchdog.host)
    watchdog.wait_said(began, words)
    watchdog.watch_for(STILL_S)
    assert vitals(watchdog.host) == before
    assert watchdog.acts(began) == []


def heals(watchdog: Watchdog, began: float) -> None:
    """It does now."""
    assert watchdog.wait_closed(began, "daemon-unresponsive").outcome is Outcome.CURED
    assert watchdog.acts(began) == ["restart"]


@pytest.mark.fault("upgrade", "hold: installing")
def test_a_hung_daemon_waits_until_packages_are_installed(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    watchdog.begin(POLICY, HASTY)
    with faults.stopped_unit(host):
        with faults.packages_installed(host):
            stays_still(watchdog, began, "installing: python3")
        heals(watchdog, began)


@pytest.mark.fault("blind", "hold: blind")
def test_who_does_not_know_what_systemd_wants_does_nothing(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    watchdog.begin(POLICY, HASTY)
    with contextlib.ExitStack() as hung:
        with faults.deaf_systemctl(host):
            watchdog.wait_said(began, "blind: cannot see enough to act: ")
            hung.enter_context(faults.stopped_unit(host))
            stays_still(watchdog, time.time(), "blind: cannot see enough to act: ")
        heals(watchdog, began)


@pytest.mark.fault("restarted", "hold: restarted")
def test_a_daemon_that_somebody_has_just_restarted_gets_its_time(watchdog: Watchdog) -> None:
    host = watchdog.host
    watchdog.begin(LONG_COOLDOWN, HASTY)
    host.systemctl("restart", "docker.service", timeout=WAIT_S)
    began = time.time()
    with faults.stopped_unit(host):
        stays_still(watchdog, began, "restarted: the daemon began to start ")
        heals(watchdog, began)


@pytest.mark.fault("F27", "hold: starting")
def test_a_slow_start_is_no_hang(watchdog: Watchdog) -> None:
    host = watchdog.host
    watchdog.begin(POLICY, HASTY)
    began = time.time()
    with faults.slow_start(host, seconds=600):
        assert host.hangs("docker", "ps")
        stays_still(watchdog, began, "starting: the daemon is starting")
        assert watchdog.incidents(began) == []
    assert watchdog.acts(began) == []


@pytest.mark.thorough
@pytest.mark.fault("F27", "hold: starting")
def test_a_start_with_hundreds_of_containers_is_left_to_end(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    watchdog.begin(POLICY, HASTY)
    with faults.many_containers(host, 300):
        host.systemctl("restart", "docker.service", timeout=WAIT_S)
        host.wait(host.serving, WAIT_S, "it to serve")
        assert len(host.docker("ps", "--all", "--quiet").stdout.split()) == 300
    assert watchdog.acts(began) == []
    assert watchdog.incidents(began, "daemon-unresponsive") == []


@pytest.mark.fault("F44", "nothing: it answers")
def test_a_daemon_that_refuses_everything_lives(watchdog: Watchdog) -> None:
    host = watchdog.host
    with faults.refusing(host):
        assert "denied" in host.docker("ps", check=False).stderr
        began = time.time()
        watchdog.begin(POLICY, HASTY)
        before = vitals(host)
        watchdog.wait_says("answered in")
        watchdog.watch_for(STILL_S)
        assert watchdog.incidents(began) == []
        assert watchdog.acts(began) == []
        assert vitals(host) == before


@pytest.mark.fault("starved", "hold: starved")
@pytest.mark.fault("F23", "files-nearly-exhausted", "restart")
def test_a_late_answer_of_a_starved_host_is_not_held_against_the_daemon(
    watchdog: Watchdog,
) -> None:
    """Last: what it makes the daemon write is told for an hour. The daemon has no file left for
    one more client: it is neither stopped nor frozen, which would be no fault of its host."""
    host = watchdog.host
    watchdog.stop()
    with faults.few_files(host):
        began = time.time()
        with faults.starved(host):
            watchdog.begin(POLICY, HASTY)
            stays_still(watchdog, began, "starved: the host is starved: 99 % of the time")
            assert "files-nearly-exhausted" in found(host)
        heals(watchdog, began)
