"""When the canary flies and when it stays on the ground; what of it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.around import Hooks, Snapshot
from dockerdoctor.canary import Canary, why_not
from dockerdoctor.errors import HostFault
from dockerdoctor.host.canary import CODE, program
from dockerdoctor.host.nouns import CANARY, Pressure
from dockerdoctor.host.stream import Event
from dockerdoctor.host.tally import Tally
from dockerdoctor.host.traces import Flights
from dockerdoctor.model import Fault
from tests.fakehost import FakeHost, disk_use
from tests.story import Story

EVERY_S = 300.0


class Aviary:
    """A story whose watchdog sends canaries, unless `quiet` says why not."""

    def __init__(self, directory: Path) -> None:
        self.quiet = ""
        self.looks: list[Snapshot] = []
        self.story = Story(directory, hooks=Hooks(looked=self._looked))
        self.canary = Canary(self.story.host, EVERY_S, lambda: self.quiet)

    def _looked(self, seen: Snapshot) -> None:
        self.looks.append(seen)
        self.canary.look(seen)
        self.canary.land(60)

    def flights(self) -> int:
        return self.story.acts.count("fly")


def test_it_flies_once_in_its_time_and_not_at_once(tmp_path: Path) -> None:
    aviary = Aviary(tmp_path)
    aviary.story.goes_on_for(EVERY_S - 20)
    assert aviary.flights() == 0
    aviary.story.goes_on_for(40)
    assert aviary.flights() == 1
    aviary.story.goes_on_for(2 * EVERY_S)
    assert aviary.flights() == 3
    assert set(aviary.story.acts) == {"fly"}


def hangs(host: FakeHost) -> None:
    host.dockerd_process.hung = True


def containerd_hangs(host: FakeHost) -> None:
    host.containerd_process.hung = True


def stopped(host: FakeHost) -> None:
    host.operator_stops()


def full(host: FakeHost) -> None:
    host.disks = {path: disk_use(path, 0.97) for path in host.disks}


def builds(host: FakeHost) -> None:
    host.live_builds = 1


def installs(host: FakeHost) -> None:
    host.installer = "apt-get (pid 12)"


def loaded(host: FakeHost) -> None:
    host.starved = Pressure(known=False, load_per_cpu=5.0)


def waits(host: FakeHost) -> None:
    host.starved = Pressure(known=True, io_full_ratio=0.3, load_per_cpu=0.5)


@pytest.mark.parametrize(
    "breaks", [hangs, containerd_hangs, stopped, full, builds, installs, loaded, waits]
)
def test_it_stays_away_from_the_sick_and_the_busy(tmp_path: Path, breaks: object) -> None:
    aviary = Aviary(tmp_path)
    aviary.story.goes_on_for(EVERY_S - 120)
    assert callable(breaks)
    breaks(aviary.story.host)
    for _ in range(60):
        aviary.story.watch.cycle()
        aviary.story.host.advance(1)
        if breaks in (hangs, containerd_hangs):
            breaks(aviary.story.host)  # whoever was restarted meanwhile
    assert aviary.flights() == 0
    assert why_not(aviary.looks[-1])


def test_it_stays_away_from_a_daemon_that_was_started_just_now(tmp_path: Path) -> None:
    aviary = Aviary(tmp_path)
    aviary.story.goes_on_for(EVERY_S - 30)
    aviary.story.host.crash()
    aviary.story.goes_on_for(100)
    assert aviary.flights() == 0
    aviary.story.goes_on_for(100)
    assert aviary.flights() == 1


def test_it_stays_on_the_ground_while_somebody_wants_quiet(tmp_path: Path) -> None:
    aviary = Aviary(tmp_path)
    aviary.quiet = "a backup runs"
    aviary.story.goes_on_for(2 * EVERY_S)
    assert aviary.flights() == 0
    aviary.quiet = ""
    aviary.story.goes_on_for(20)
    assert aviary.flights() == 1


def findings(story: Story) -> dict[str, str]:
    """What is told now, by rule."""
    assert story.watch.judgement
    return {each.rule: each.says for each in story.watch.judgement.verdict.findings}


def test_one_that_fails_is_no_finding_and_two_in_a_row_are_told_and_nothing_is_done(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    story.host.flown = Flights(1, 1, 1, why="the daemon says (500): no")
    story.goes_on_for(130)
    assert findings(story) == {}
    story.host.flown = replace(story.host.flown, total=2, failed=2, failed_in_a_row=2)
    story.goes_on_for(130)
    assert list(findings(story)) == ["canary-fails"]
    assert "(the daemon says (500): no)" in findings(story)["canary-fails"]
    story.host.flown = Flights(3, 2, took_s=0.5)
    story.goes_on_for(130)
    assert findings(story) == {}
    assert story.acts == []


def test_two_slow_ones_are_told(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.flown = Flights(2, slow_in_a_row=2, took_s=14.0)
    story.goes_on_for(130)
    assert "took 14 s to start and end" in findings(story)["canary-slow"]


def test_its_events_are_none_of_a_start() -> None:
    tally = Tally()
    for number, (kind, action, name) in enumerate(
        [
            ("container", "create", CANARY),
            ("network", "connect", ""),
            ("container", "start", CANARY),
            ("network", "disconnect", ""),
            ("container", "die", CANARY),
            ("container", "destroy", CANARY),
        ]
    ):
        tally.fold(Event(kind, action, "c1", (1000 + number) * 10**9, name, "n1"), 1000.0)
    seen = tally.snapshot(1010.0, True, "")
    assert (seen.events_total, seen.starts_total, seen.failed_starts_total) == (6, 0, 0)
    assert tally.doubts(2000.0) == []


def test_its_program_is_known_for_two_machines_and_refused_for_others() -> None:
    for machine, (number, code) in CODE.items():
        made = program(machine)
        assert made.startswith(b"\x7fELF\x02\x01\x01")
        assert int.from_bytes(made[18:20], "little") == number
        assert made.endswith(code)
        assert len(made) == 120 + len(code)
    with pytest.raises(HostFault) as caught:
        program("m68k")
    assert caught.value.fault is Fault.MISSING
