"""The watchdog itself is killed, hampered and misled. What is tested here is of one engine as of
another, so one suite will do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from dockerdoctor.model import Outcome
from dockerdoctor.service import UNIT
from tests.lab import faults
from tests.lab.watchdog import (
    POLICY,
    PROGRAM,
    RULES,
    STATE,
    WAIT_S,
    Watchdog,
    rungs,
    vitals,
)

HASTY = """[daemon-unresponsive]
for = "3s"
looks = 2
"""
"""Its time is not what these tests are about."""
SLOW_SYSTEMCTL = """#!/bin/sh
case "$*" in *restart*) sleep 4;; esac
exec /usr/bin/systemctl "$@"
"""
"""Shorter than the deadline of the call, long enough for somebody to be killed meanwhile."""


ON_ONE_SUITE = True
"""A watchdog that dies, or is alone, or is told to read its rules again, is so on every suite."""


@pytest.fixture
def slow_systemctl(watchdog: Watchdog) -> Iterator[None]:
    """`systemctl restart` takes a while."""
    watchdog.host.put("/usr/local/sbin/systemctl", SLOW_SYSTEMCTL, 0o755)
    yield
    watchdog.host.run("rm", "/usr/local/sbin/systemctl")


def test_a_watchdog_killed_between_began_and_the_act_goes_on_and_repeats_nothing(
    watchdog: Watchdog, slow_systemctl: None
) -> None:
    host = watchdog.host
    watchdog.begin(POLICY, HASTY)
    before, killed, began = vitals(host), host.main_pid(UNIT), time.time()
    with faults.frozen(host):
        cut = watchdog.wait_for(began, "daemon-unresponsive", lambda i: rungs(i)[1:] == ["restart"])
        assert cut.attempts[-1].ended is None
        watchdog.kill()
        assert vitals(host) == before
        assert host.show("docker.service", "Job")["Job"] in ("", "0")
        cured = watchdog.wait_closed(began, "daemon-unresponsive")
    assert host.main_pid(UNIT) not in (0, killed)
    assert cured.id == cut.id
    assert rungs(cured) == ["dump-stacks", "restart", "systemd-kill", "sigkill"]
    assert [each.ended for each in cured.attempts].count(None) == 1
    assert cured.outcome is Outcome.CURED
    assert len(watchdog.incidents(began)) == 1


def test_a_second_watchdog_is_refused(watchdog: Watchdog) -> None:
    first = watchdog.host.main_pid_inside(UNIT)
    refused = watchdog.host.run(*PROGRAM, check=False)
    assert refused.returncode == 75
    assert f"watch (pid {first}) already looks after this daemon" in refused.stderr


def test_a_watchdog_must_be_root(watchdog: Watchdog) -> None:
    refused = watchdog.host.run("setpriv", "--reuid=65534", *PROGRAM, check=False)
    assert refused.returncode == 77
    assert "must be root" in refused.stderr


def test_all_mistakes_of_the_configuration_and_of_the_rules_are_told_at_once(
    watchdog: Watchdog,
) -> None:
    host = watchdog.host
    watchdog.stop()
    watchdog.configure('[policy]\nmax_impact = "all"\ncooldwn = "5s"\n[wach]\npace = "4s"\n')
    refused = host.run(*PROGRAM, check=False)
    assert refused.returncode == 78
    for mistake in ("3 mistakes", "max_impact", "cooldwn", "wach"):
        assert mistake in refused.stderr
    watchdog.configure(POLICY, '[my-rule]\nsays = "x"\nwhen = ["ping.no == 1"]\nladder = ["up"]\n')
    refused = host.run(*PROGRAM, check=False)
    assert refused.returncode == 78
    for mistake in (RULES, "ping.no", "severity", "`up`"):
        assert mistake in refused.stderr


def test_rules_are_read_again_on_reload_and_bad_ones_leave_the_old(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    rule = '[lab-rule]\nsays = "it is there"\nwhen = ["ping.answered == true"]\nseverity = "info"\n'
    host.put(RULES, rule)
    host.systemctl("reload", UNIT)
    watchdog.wait_said(began, "rules again")
    watchdog.wait_said(began, "told: it is there")
    host.put(RULES, "[lab-rule]\nseverity = 5\n")
    host.systemctl("reload", UNIT)
    watchdog.wait_said(began, "the old rules stay")
    watchdog.wait_says("told: it is there")
    assert host.show(UNIT, "NRestarts")["NRestarts"] == "0"


@pytest.mark.fault("paused", "hold: paused")
def test_nothing_is_done_while_paused(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    watchdog.begin(POLICY, HASTY)
    host.run("dockerdoctor", "pause", "--for", "ever", "--why", "a backup runs")
    before = vitals(host)
    with faults.stopped_unit(host):
        assert "paused: " in watchdog.wait_said(began, "a backup runs")
        watchdog.watch_for(10)
        assert vitals(host) == before
        assert watchdog.incidents(began, "daemon-unresponsive")[0].attempts == ()
        host.run("dockerdoctor", "resume")
        assert watchdog.wait_closed(began, "daemon-unresponsive").outcome is Outcome.CURED
    assert watchdog.acts(began) == ["restart"]


def test_a_full_disk_under_the_record_does_not_stop_the_healing(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    watchdog.stop()
    watchdog.configure(POLICY, HASTY)
    host.run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", STATE)
    try:
        watchdog.start()
        host.run("sh", "-c", f"cat /dev/zero >{STATE}/filler", check=False)
        before = host.main_pid()
        with faults.stopped_unit(host):
            watchdog.wait_said(began, "carrying on in memory")
            watchdog.wait_said(began, "cured by restart")
        assert host.main_pid() not in (0, before)
        host.run("rm", f"{STATE}/filler")
        watchdog.wait_said(began, "can be written again")
        told = json.loads(host.run("dockerdoctor", "incidents", "--json").stdout)
        assert [each["rule"] for each in told["incidents"]] == ["daemon-unresponsive"]
        assert told["incidents"][0]["outcome"] == "cured"
    finally:
        watchdog.stop()
        host.run("umount", STATE)
    host.wait(host.serving, WAIT_S, "it to serve")
