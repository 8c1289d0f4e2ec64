"""Leak or peak: what counts as growth, and what is said of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerdoctor.errors import HostFault
from dockerdoctor.host.growth import GrowthWatch, available_bytes, steady
from dockerdoctor.host.traces import Builds, Client, Growth
from dockerdoctor.model import Fault, Process
from dockerdoctor.probes import trend
from tests.fakehost import FakeHost

MIB = float(1 << 20)
GIB = float(1 << 30)


def minutes(shape: Callable[[float], float], count: int = 61) -> Sequence[tuple[float, float]]:
    """One value a minute of a function of minutes."""
    return [(60.0 * minute, shape(float(minute))) for minute in range(count)]


def test_a_leak_is_its_slope() -> None:
    assert steady(minutes(lambda m: GIB + 10 * MIB * m)) == pytest.approx(600 * MIB, rel=0.1)


def test_a_leak_shows_through_the_saw_teeth_of_the_garbage_collector() -> None:
    rough = random.Random(7)
    rate = steady(minutes(lambda m: GIB + 10 * MIB * m + rough.uniform(-60, 60) * MIB))
    assert rate is not None
    assert 400 * MIB < rate < 800 * MIB


@pytest.mark.parametrize(
    "shape",
    [
        lambda m: GIB,
        lambda m: GIB + (20 * GIB if 10 <= m < 50 else 0),  # a build
        lambda m: GIB + (0 if m < 45 else (m - 45) * GIB),  # one that has just begun
        lambda m: GIB + (m if m < 15 else 15) * GIB,  # one that has reached its height
        lambda m: 21 * GIB - m * MIB,
    ],
)
def test_a_peak_is_no_growth(shape: Callable[[float], float]) -> None:
    assert (steady(minutes(shape)) or 0.0) <= 0.0


def test_half_an_hour_is_needed() -> None:
    assert steady(minutes(lambda m: m * GIB, 30)) is None
    assert steady(minutes(lambda m: m * GIB, 31)) is not None
    assert steady([]) is None


def test_a_third_without_a_look_says_nothing() -> None:
    seen = [*minutes(lambda m: m * GIB, 10), (3600.0, 99 * GIB), (3660.0, 99 * GIB)]
    assert steady(seen) is None


@given(st.lists(st.floats(0, 1e12), min_size=6, max_size=61))
def test_growth_is_never_more_than_the_whole_step(values: list[float]) -> None:
    rate = steady([(60.0 * at, value) for at, value in enumerate(values)], needed_s=0)
    hours = (len(values) - 1) / 60
    assert rate is None or rate * hours / 3 <= max(values) - min(values) + 1


def test_another_process_begins_anew_and_values_are_a_minute_apart() -> None:
    watch = GrowthWatch()
    old, new = Process(1, 1, "dockerd"), Process(2, 2, "dockerd")
    for second in range(0, 3600, 4):
        watch.saw_process(old, second, float(second))
    assert watch.told().span_s >= 3500
    assert len(watch._series["rss"]) <= 61
    watch.saw_process(new, 5, 3601.0)
    assert watch.told().span_s == 0.0
    assert watch.told().per_hour == {}


def test_available_memory_is_read() -> None:
    assert available_bytes("MemTotal: 4 kB\nMemAvailable:    2048 kB\n") == 2 << 20
    assert available_bytes("") == 0


def test_what_grows_along_is_named() -> None:
    seen = Growth(
        3600.0,
        {"rss": 600 * MIB, "listeners": 1200.0, "goroutines": 20.0, "fds": 40.0},
        {"rss": GIB, "listeners": 5000.0, "goroutines": 90.0, "fds": 5000.0},
    )
    assert list(trend.growing(seen)) == ["listeners"]
    assert trend.growing(seen)["listeners"].startswith("1,200 event listeners")


def test_who_has_the_most_connections_is_named(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.all_clients = tuple(
        Client(Process(pid, 1, name), count)
        for pid, name, count in (
            (7, "cadvisor", 2000),
            (8, "docker", 2),
            (9, "sh", 1),
            (10, "x", 1),
        )
    )
    assert trend.named(host) == "cadvisor (pid 7) 2,000, docker (pid 8) 2, sh (pid 9) 1"
    host.faults["clients"] = HostFault(Fault.DENIED, "only root may see that")
    assert trend.named(host) == "not known: only root may see that"


def test_a_suspect_is_looked_for_only_while_it_leaks(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.faults["clients"] = HostFault(Fault.BUG, "nobody wants to know")
    assert "clients" not in trend.run(host)
    for minute in range(61):
        process, now = host.dockerd_process.identity, host.now().mono + 60 * minute
        host.grown.saw_process(process, (100 + 20 * minute) << 20, now)
        host.grown.saw_info("26.1.5", {"listeners": 100 * minute, "fds": 9, "goroutines": 9}, now)
    assert trend.run(host)["clients"] == "not known: nobody wants to know"


def test_builds_and_prunes_go_on_from_the_first_seen_to_the_look_that_sees_none() -> None:
    watch = GrowthWatch()
    assert watch.saw_builds(Builds(0), 10.0) == Builds(0)
    assert watch.saw_builds(Builds(2), 40.0) == Builds(2, 0.0)
    assert watch.saw_builds(Builds(1, prunes=1), 70.0) == Builds(1, 30.0, prunes=1)
    assert watch.saw_builds(Builds(0, prunes=2), 100.0) == Builds(0, prunes=2, pruning_s=30.0)
    assert watch.saw_builds(Builds(1), 130.0) == Builds(1, 0.0)


def test_a_prune_that_was_there_before_us_is_as_old_as_it_has_stood_still() -> None:
    watch = GrowthWatch()
    assert watch.saw_no_builds_yet
    old = Builds(0, prunes=1, pruning_s=660.0)
    assert watch.saw_builds(old, 1000.0) == old
    assert not watch.saw_no_builds_yet
    assert watch.saw_builds(Builds(0, prunes=1), 1030.0).pruning_s == 690.0
    assert watch.saw_builds(Builds(0), 1060.0).pruning_s == 0.0


@pytest.mark.parametrize(
    ("version", "leaks"),
    [
        ("20.10.2", True),
        ("20.10.12", True),
        ("20.10.12+dfsg1", True),
        ("20.10.13", False),
        ("20.10.24+dfsg1", False),
        ("27.0.3", True),
        ("27.0.30", False),
        ("28.5.2", False),
        ("", False),
    ],
)
def test_versions_that_are_known_to_leak_are_named(version: str, leaks: bool) -> None:
    assert bool(trend.known_leak(version)) is leaks
