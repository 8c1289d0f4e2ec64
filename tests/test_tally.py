"""What events amount to: recordings of real engines, and every story one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerdoctor.host.nouns import Container, EventTally
from dockerdoctor.host.seen import Answer
from dockerdoctor.host.stream import Event, decode
from dockerdoctor.host.tally import MAX_KEPT, MAX_SEEN, Tally

ENGINES = ("20.10.24", "26.1.5", "28.5.2")
NOW = 1_800_000_000.0


def recorded(engine: str) -> list[bytes]:
    path = Path(__file__).parent / "events" / f"{engine}.jsonl"
    return path.read_bytes().splitlines()


@dataclass
class Story:
    """Tells a tally what happens to containers; times in s after NOW."""

    tally: Tally = field(default_factory=Tally)

    def container(self, at: float, action: str, ident: str = "c1") -> Story:
        nano = int((NOW + at) * 1e9)
        self.tally.fold(Event("container", action, ident, nano, name=f"name-{ident}"), NOW)
        return self

    def network(self, at: float, action: str, ident: str = "c1", network: str = "n1") -> Story:
        nano = int((NOW + at) * 1e9)
        self.tally.fold(Event("network", action, ident, nano, network=network), NOW)
        return self

    def told(self) -> EventTally:
        return self.tally.snapshot(NOW, alive=True, fault="")

    def took(self) -> list[float]:
        return [round(start.took_s, 3) for start in self.told().starts]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_recorded_engine_tells_its_starts_and_failures(engine: str) -> None:
    """The recording: 11 starts; a command that is not there (run, start, run --rm, with another
    container's network), a mount that fails: five failures, of which two only show by asking."""
    tally = Tally()
    events = [event for line in recorded(engine) if (event := decode(line))]
    errors = {"badcmd", "badmount", "sharedbad"}
    for event in events:
        for ident in tally.doubts(event.at):
            name = next(e.name for e in events if e.ident == ident and e.name)
            tally.settle(ident, Answer.FAILED if name in errors else Answer.LYING)
        tally.fold(event, event.at)
    images = tally.take_images()
    assert set(images) == {"bb:1"}
    assert max(event.at for event in events) - 60 < images["bb:1"] <= events[-1].at
    assert tally.take_images() == {}
    told = tally.snapshot(events[-1].at, alive=True, fault="")
    assert (told.starts_total, told.failed_starts_total) == (11, 5)
    assert all(0 < start.took_s < 1 for start in told.starts)
    healthy = [start for start in told.starts if start.healthy_s is not None]
    assert [start.container for start in healthy] == ["health", "health"]
    assert all(start.healthy_s and 0.9 < start.healthy_s < 2 for start in healthy)
    assert len(told.failures_at) == 5


def test_a_run_counts_from_its_create() -> None:
    story = Story().container(0, "create").network(0.2, "connect").container(31, "start")
    assert story.took() == [31.0]


def test_a_container_left_lying_is_no_slow_start() -> None:
    story = Story().container(0, "create").network(3600, "connect").container(3601, "start")
    assert story.took() == [1.0]


def test_a_start_that_the_daemon_was_seen_at_counts_from_its_create() -> None:
    story = Story().container(0, "create")
    assert story.tally.doubts(NOW + 4) == []
    assert story.tally.doubts(NOW + 6) == ["c1"]
    story.tally.settle("c1", Answer.BUSY)
    assert story.network(40, "connect").container(40.1, "start").took() == [40.1]


def test_a_container_seen_lying_counts_from_its_connect() -> None:
    story = Story().container(0, "create")
    story.tally.settle("c1", Answer.LYING)
    assert story.network(40, "connect").container(40.5, "start").took() == [0.5]


def test_a_start_without_a_beginning_is_counted_but_not_timed() -> None:
    told = Story().container(0, "start").told()
    assert (told.starts_total, told.starts) == (1, ())


def test_a_second_start_counts_from_its_own_connect() -> None:
    story = Story().container(0, "create").network(0.1, "connect").container(1, "start")
    story.container(50, "die").network(50.1, "disconnect")
    story.network(60, "connect").container(62, "start")
    assert story.took() == [1.0, 2.0]


def test_health_counts_from_the_start_and_once() -> None:
    story = Story().container(0, "create").container(1, "start")
    story.container(9, "health_status: healthy").container(20, "health_status: unhealthy")
    story.container(30, "health_status: healthy")
    assert [start.healthy_s for start in story.told().starts] == [8.0]


def test_a_start_that_fails_in_the_runtime_is_a_failure() -> None:
    story = Story().container(0, "create")
    story.network(0.1, "connect").network(0.1, "connect", network="n2")
    story.network(0.5, "disconnect").network(0.5, "disconnect", network="n2")
    assert story.told().failed_starts_total == 1
    assert story.told().failures_at == (NOW + 0.5,)
    story.network(9, "connect").network(9.5, "disconnect")
    assert story.told().failed_starts_total == 2


def test_a_die_without_a_start_is_a_failure_too() -> None:
    story = Story().network(0, "connect").container(1, "die").network(1.1, "disconnect")
    assert story.told().failed_starts_total == 1


@pytest.mark.parametrize("new", [False, True])
def test_a_death_is_no_failure_in_either_order(new: bool) -> None:
    story = Story().container(0, "create").network(0.1, "connect").container(1, "start")
    if new:
        story.network(5, "disconnect").container(5.1, "die")
    else:
        story.container(5, "die").network(5.1, "disconnect")
    assert story.told().failed_starts_total == 0
    assert story.tally.doubts(NOW + 100) == []


def test_a_network_taken_from_a_running_container_is_no_failure() -> None:
    story = Story().network(0, "connect").container(1, "start")
    story.network(5, "disconnect").network(6, "connect").network(7, "disconnect")
    story.container(8, "die")
    assert story.told().failed_starts_total == 0


def test_a_lone_disconnect_is_a_doubt_that_asking_ends() -> None:
    for answer, failures in ((Answer.FAILED, 1), (Answer.LYING, 0), (Answer.GONE, 0)):
        story = Story().container(0, "create").network(1, "disconnect")
        assert story.tally.doubts(NOW + 3) == ["c1"]
        story.tally.settle("c1", answer)
        assert story.told().failed_starts_total == failures
        assert story.tally.doubts(NOW + 100) == []


def test_two_failures_before_the_asking_are_two() -> None:
    story = Story().container(0, "create")
    for at in (1.0, 1.5):
        story.network(at, "disconnect").network(at, "disconnect", network="n2")
    story.tally.settle("c1", Answer.FAILED)
    assert story.told().failed_starts_total == 2


def test_a_doubt_ends_with_a_start() -> None:
    story = Story().container(0, "create").network(1, "disconnect").container(2, "start")
    story.tally.settle("c1", Answer.FAILED)
    assert story.told().failed_starts_total == 0


def test_a_container_removed_before_anybody_could_ask_failed() -> None:
    story = Story().container(0, "create").network(1, "disconnect").container(1.1, "destroy")
    assert story.told().failed_starts_total == 1
    story = Story().container(0, "create").container(1.1, "destroy")
    assert story.told().failed_starts_total == 0


def test_a_failure_counted_by_its_events_is_not_asked_for_again() -> None:
    story = Story().container(0, "create").network(1, "connect").network(2, "disconnect")
    for ident in story.tally.doubts(NOW + 10):
        story.tally.settle(ident, Answer.FAILED)
    assert story.told().failed_starts_total == 1


def box(ident: str, state: str) -> Container:
    return Container(ident, f"name-{ident}", state)


def test_the_first_list_only_tells_what_was_there() -> None:
    story = Story()
    story.tally.reconcile([box("c1", "running"), box("c2", "exited")], 0, count=False)
    told = story.network(1, "disconnect").container(1.1, "die").told()
    assert (told.reconciled_total, told.failed_starts_total) == (0, 0)


def test_a_list_after_a_gap_puts_right_and_counts() -> None:
    story = Story()
    for ident in ("kept", "died", "removed", "starting"):
        story.container(0, "create", ident)
    for ident in ("kept", "died"):
        story.container(1, "start", ident)
    story.network(1, "connect", "starting")
    seq = story.tally.sequence()
    story.container(2, "create", "younger")
    listed = [box("kept", "running"), box("died", "exited"), box("new", "running")]
    listed += [box("starting", "running")]
    story.tally.reconcile(listed, seq, count=True)
    assert story.told().reconciled_total == 4  # died, new, starting, removed
    before = story.told().starts
    told = story.container(9, "start", "starting").told()
    assert told.starts == before  # its connect of before the gap counts no more
    story.tally.reconcile([*listed, box("younger", "created")], story.tally.sequence(), count=True)
    assert story.told().reconciled_total == 4


def test_an_event_newer_than_the_list_wins() -> None:
    story = Story().container(0, "create").container(1, "start")
    seq = story.tally.sequence()
    story.container(2, "die")
    story.tally.reconcile([box("c1", "running")], seq, count=True)
    assert story.told().reconciled_total == 0


@pytest.mark.parametrize("listed", ["created", "running"])
def test_a_start_that_began_since_the_stream_was_opened_is_not_cut_short(listed: str) -> None:
    story = Story()
    opened = story.tally.sequence()
    story.container(5, "create").network(5.2, "connect")
    story.tally.reconcile([box("c1", listed)], story.tally.sequence(), count=True, opened=opened)
    assert story.container(5.5, "start").took() == pytest.approx([0.5])


def test_a_clock_that_is_years_away_is_garbled() -> None:
    story = Story().container(-400 * 86400, "start").container(400 * 86400, "start")
    assert (story.tally.garbled_total, story.told().events_total) == (2, 0)


def test_a_clock_that_went_back_gives_no_negative_start() -> None:
    story = Story().container(100, "create").network(100, "connect").container(5, "start")
    assert story.told().starts == ()
    assert story.told().starts_total == 1


def test_old_starts_leave_the_hour() -> None:
    story = Story().container(-3700, "create").container(-3698, "start")
    story.container(-100, "create", "c2").container(-98, "start", "c2")
    assert [start.container for start in story.told().starts] == ["name-c2"]


def test_memory_is_bounded_whatever_comes() -> None:
    story = Story()
    for number in range(MAX_SEEN + 500):
        story.container(number / 1e4, "create", f"c{number}")
        story.container(number / 1e4, "start", f"c{number}")
    assert len(story.tally._seen) == MAX_SEEN
    assert len(story.told().starts) == MAX_KEPT
    assert story.told().starts_total == MAX_SEEN + 500


actions = st.sampled_from(["create", "start", "die", "destroy", "connect", "disconnect", "oom"])
steps = st.tuples(actions, st.sampled_from("ab"), st.sampled_from("nm"), st.floats(0, 100))
answers = st.tuples(st.sampled_from(list(Answer)), st.sampled_from("ab"))


@settings(deadline=None)
@given(st.lists(st.one_of(steps, answers), max_size=60))
def test_no_order_of_events_gives_nonsense(story: list[tuple[object, ...]]) -> None:
    told = Story()
    for step in story:
        if isinstance(step[0], Answer):
            told.tally.settle(str(step[1]), step[0])
            continue
        action, ident, network, at = step
        assert isinstance(at, float)
        if action in ("connect", "disconnect"):
            told.network(at, str(action), str(ident), str(network))
        else:
            told.container(at, str(action), str(ident))
    end = told.told()
    starts = sum(step[0] == "start" for step in story)
    signs = sum(step[0] in ("disconnect", "die", "create") for step in story)
    assert end.starts_total == starts
    assert len(end.starts) <= starts
    assert end.failed_starts_total <= signs
    assert all(start.took_s >= 0 for start in end.starts)
