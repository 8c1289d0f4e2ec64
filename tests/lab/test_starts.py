"""A daemon that cannot start: its cause is named, it is not started again and again, and once
people have mended it, it is well and its incident over."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from dockerdoctor.model import Outcome
from tests.lab import faults
from tests.lab.host import LabHost
from tests.lab.watchdog import Watchdog, climbed, found, has_given_up, rungs, wait_found

ON_ONE_SUITE = True
"""Their words differ: tests/recorded has those of every engine, and `make table` asks them all."""

Broken = Callable[[LabHost], AbstractContextManager[object]]


def bad_drop_in(host: LabHost) -> AbstractContextManager[None]:
    return faults.drop_in(host, "--no-such-flag")


def case(mark: pytest.MarkDecorator, broken: Broken, *why: str, thorough: bool = True) -> object:
    """A failure with the rule that must name it, and words of the daemon's that must be told."""
    marks = [mark, pytest.mark.thorough] if thorough else [mark]
    return pytest.param(broken, mark.args[1], why, marks=marks, id=broken.__name__)


@pytest.mark.parametrize(
    ("broken", "rule", "why"),
    [
        case(
            pytest.mark.fault("F12", "network-database-corrupt"),
            faults.garbled_network_db,
            "invalid database",
            thorough=False,
        ),
        case(
            pytest.mark.fault("F13", "another-dockerd"),
            faults.other_dockerd,
            "volume store metadata database",
            "timeout",
        ),
        case(
            pytest.mark.fault("F29", "flag-and-file-conflict"),
            faults.flag_conflict,
            "hosts: (from flag: [fd://]",
        ),
        case(
            pytest.mark.fault("F29d", "unknown-flag"),
            bad_drop_in,
            "unknown flag: --no-such-flag",
            thorough=False,
        ),
        case(
            pytest.mark.fault("F43", "build-cache-database-corrupt"),
            faults.garbled_build_cache,
            "metadata_v2.db",
        ),
    ],
)
def test_what_keeps_it_from_starting_is_named_and_left_to_people(
    watchdog: Watchdog, broken: Broken, rule: str, why: tuple[str, ...]
) -> None:
    host, began = watchdog.host, time.time()
    with broken(host):
        gave_up = watchdog.wait_for(began, "daemon-down", has_given_up)
        assert climbed(gave_up) == ["dump-stacks"]
        assert "(start)" in rungs(gave_up)
        assert "the start limit was hit: mend the first error" in gave_up.why
        for words in why:
            assert words in gave_up.why
        assert rule in found(host)
    assert watchdog.wait_closed(began, "daemon-down").outcome is Outcome.GAVE_UP
    assert watchdog.acts(began) == []


@pytest.mark.fault("F6", "containerd-database-corrupt")
def test_a_corrupt_database_of_containerd_is_named(watchdog: Watchdog) -> None:
    """dockerd 28.5 starts all the same; older ones do not."""
    host, began = watchdog.host, time.time()
    with faults.garbled_containerd(host):
        wait_found(host, "containerd-database-corrupt")
        if faults.state(host) == "failed":
            gave_up = watchdog.wait_for(began, "daemon-down", has_given_up)
            assert climbed(gave_up) == ["dump-stacks"]
            assert "containerd-not-reached" in found(host)
    assert watchdog.acts(began) == []


@pytest.mark.thorough
@pytest.mark.fault("F28", "daemon-down")
def test_a_start_limit_alone_is_not_forgiven_by_us_and_its_two_commands_are_told(
    watchdog: Watchdog,
) -> None:
    host, began = watchdog.host, time.time()
    with faults.start_limit_hit(host):
        gave_up = watchdog.wait_for(began, "daemon-down", has_given_up)
        assert climbed(gave_up) == ["dump-stacks"]
        assert "(start)" in rungs(gave_up)
        assert "systemctl reset-failed docker.service docker.socket" in gave_up.why
        assert "`systemctl start docker`" in gave_up.why
        assert faults.state(host) == "failed"
    watchdog.wait_closed(began, "daemon-down")
    assert watchdog.acts(began) == []
