"""What must not be touched is not touched: a daemon that an operator wants down, one that its own
configuration keeps from starting, one that people work on; and a busy one is no sick one."""

from __future__ import annotations

import os
import time

import pytest

from dockerdoctor.model import Outcome
from tests.lab import faults
from tests.lab.watchdog import WAIT_S, Watchdog, climbed, has_given_up, vitals

STORM_S = float(os.environ.get("DOCKERDOCTOR_STORM_S", "120"))
"""On each engine."""
LONG_S = 20.0
SHORT_S = 10.0
DROP_IN = "/etc/systemd/system/docker.service.d/zz-lab.conf"


@pytest.mark.fault("F41", "hold: stopped")
@pytest.mark.fault("F41m", "hold: masked")
def test_an_operators_stop_is_never_undone_and_no_look_of_ours_wakes_the_daemon(
    watchdog: Watchdog,
) -> None:
    host, began = watchdog.host, time.time()
    host.systemctl("stop", "docker.service", timeout=WAIT_S)
    assert faults.state(host, "docker.socket") == "active"
    watchdog.wait_said(began, "stopped: docker.service was stopped on purpose")
    watchdog.watch_for(LONG_S)
    assert faults.state(host) == "inactive"
    host.systemctl("stop", "docker.socket")
    watchdog.watch_for(SHORT_S)
    assert faults.state(host) == faults.state(host, "docker.socket") == "inactive"
    masked = time.time()
    with faults.masked_by_operator(host):
        watchdog.wait_said(masked, "masked: docker.service is masked")
        watchdog.watch_for(SHORT_S)
        assert faults.state(host) == "inactive"
        assert watchdog.acts(began) == []
        assert watchdog.incidents(began) == []
    watchdog.wait_says("well: answered in")


def test_a_hung_daemon_that_an_operator_stops_is_left_down(watchdog: Watchdog) -> None:
    is_left_down(watchdog, "docker.socket", "docker.service")


@pytest.mark.fault("F28", "daemon-down")
def test_without_a_socket_one_that_is_killed_up_to_its_start_limit_is_told_from_one_that_is_stopped(
    watchdog: Watchdog,
) -> None:
    host, began = watchdog.host, time.time()
    with faults.no_socket(host):
        faults.kill_to_the_limit(host)
        gave_up = watchdog.wait_for(began, "daemon-down", has_given_up)
        assert climbed(gave_up) == ["dump-stacks"]
        assert "the start limit was hit: mend the first error" in gave_up.why
        assert "Main process exited, code=killed, status=9/KILL" in gave_up.why
        host.systemctl("reset-failed", "docker.service")
        host.systemctl("start", "docker.service", timeout=WAIT_S)
        watchdog.wait_closed(began, "daemon-down")
        is_left_down(watchdog, "docker.service")
    assert watchdog.acts(began) == []


def is_left_down(watchdog: Watchdog, *units: str) -> None:
    """Once it hangs, an operator stops it, and systemd kills it for that."""
    host, began = watchdog.host, time.time()
    host.put(DROP_IN, "[Service]\nTimeoutStopSec=4s\n")
    host.systemctl("daemon-reload")
    try:
        with faults.frozen(host):
            host.systemctl("stop", *units, timeout=WAIT_S)
        assert host.show("docker.service", "Result")["Result"] == "timeout"
        watchdog.wait_said(began, "stopped: docker.service was stopped on purpose (failed")
        watchdog.watch_for(SHORT_S)
        assert faults.state(host) == "failed"
        assert watchdog.acts(began) == []
        assert "daemon-down" not in [incident.rule for incident in watchdog.incidents(began)]
    finally:
        host.run("rm", DROP_IN)
        host.systemctl("daemon-reload")


@pytest.mark.fault("F30", "bad-daemon-json")
def test_a_start_limit_is_left_to_people_with_the_remedy_named(watchdog: Watchdog) -> None:
    host, began = watchdog.host, time.time()
    with faults.bad_daemon_json(host):
        gave_up = watchdog.wait_for(began, "daemon-down", has_given_up)
        assert "mend the first error in `journalctl -u docker`" in gave_up.why
        assert "daemon.json: invalid" in gave_up.why
        watchdog.wait_for(began, "bad-daemon-json", lambda _: True)
        failed = vitals(host)
        watchdog.watch_for(6)
        assert vitals(host) == failed
    closed = watchdog.wait_closed(began, "daemon-down")
    assert closed.id == gave_up.id
    assert closed.outcome is Outcome.GAVE_UP
    assert "by somebody else" in closed.why
    assert watchdog.acts(began) == []


@pytest.mark.fault("storm", "nothing: it is well")
def test_a_storm_of_starts_and_stops_is_no_incident_and_no_start_is_lost(
    watchdog: Watchdog,
) -> None:
    host, began = watchdog.host, time.time()
    before = vitals(host)
    heard = host.outside("/tmp/starts")
    ears = f"exec docker events --since {began:.0f} --filter event=start >/tmp/starts"
    other = host.spawn("sh", "-c", ears)
    with faults.event_storm(host):
        watchdog.watch_for(STORM_S)

    def all_counted() -> bool:
        return counted(watchdog, "starts") == len(heard.read_text().splitlines()) > 20

    host.wait(all_counted, WAIT_S, "us to count what another client has heard")
    host.end(other)
    assert counted(watchdog, "gaps") == counted(watchdog, "failed_starts") == 0
    assert watchdog.incidents(began) == []
    assert watchdog.acts(began) == []
    assert vitals(host) == before
    watchdog.wait_says("well: answered in")


def counted(watchdog: Watchdog, what: str) -> int:
    """A counter of the events probe, as the watchdog tells it to Prometheus now."""
    return int(watchdog.metric(f"dockerdoctor_events_{what}_total"))
