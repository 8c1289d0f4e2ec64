"""Series of single containers: only where somebody wants them, never more than their cap."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dockerdoctor.host.nouns import Container, EventTally, Start
from dockerdoctor.metricfamilies import LABEL_LIMIT
from dockerdoctor.metrics import Metrics, Sources
from tests.test_metrics import every_reading, lines, snapshot, value
from tests.values import PROBES, at


class Host:
    """A host with a roster that changes."""

    def __init__(self, most: int, *roster: Container, starts: Sequence[Start] = ()) -> None:
        self.roster = roster
        tally = EventTally(True, 0, 0, 0, 0, 0, tuple(starts))
        sources = Sources(lambda: tally, lambda: self.roster, most)
        self.metrics = Metrics(PROBES, sources=sources)
        self.looks_at()

    def looks_at(self, *roster: Container, answered: bool = True, seconds: float = 0) -> None:
        self.roster = roster or self.roster
        told = [every_reading(PROBES["containers"], seconds)] if answered else []
        self.metrics.looked(snapshot(*told, seconds=seconds))

    @property
    def shown(self) -> list[str]:
        return [line for line in lines(self.metrics) if "{container=" in line]


def test_no_container_is_named_unless_somebody_wants_it() -> None:
    host = Host(0, Container("1", "web", "running"))
    assert host.shown == []
    assert value(host.metrics, "dockerdoctor_containers_without_series") is None


def test_a_container_tells_its_state_its_start_and_how_long_it_hangs() -> None:
    hung = Container("2", "db", "running", hangs_since=at(0).mono - 40)
    host = Host(9, Container("1", "web", "exited"), hung, starts=[Start("web", 1.0, 2.5)])
    assert host.shown == [
        'dockerdoctor_container_state{container="db",state="running"} 1.0',
        'dockerdoctor_container_state{container="web",state="exited"} 1.0',
        'dockerdoctor_container_hangs_seconds{container="db"} 40.0',
        'dockerdoctor_container_hangs_seconds{container="web"} 0.0',
        'dockerdoctor_container_last_start_seconds{container="web"} 2.5',
    ]


def test_beyond_the_cap_they_are_counted_and_those_in_trouble_come_first() -> None:
    calm = [Container(str(number), f"a{number}", "running") for number in range(5)]
    host = Host(
        2, Container("x", "a-", "exited"), *calm, Container("y", "z", "dead", hangs_since=1)
    )
    named = {line.split('"')[1] for line in host.shown}
    assert named == {"z", "a0"}
    assert value(host.metrics, "dockerdoctor_containers_without_series") == 5


def test_a_container_that_is_gone_has_no_series_any_more() -> None:
    host = Host(9, Container("1", "web", "running"), Container("2", "db", "running"))
    host.looks_at(Container("2", "db", "running"), seconds=4)
    assert {line.split('"')[1] for line in host.shown} == {"db"}


def test_none_is_shown_while_the_daemon_does_not_list_them() -> None:
    host = Host(9, Container("1", "web", "running"))
    host.looks_at(answered=False, seconds=4)
    assert host.shown == []


NAMES = st.text(st.characters(codec=None), max_size=200)
ROSTERS = st.lists(
    st.builds(
        Container,
        st.text("0123456789abcdef", min_size=12, max_size=64),
        NAMES,
        st.text(max_size=200),
        hangs_since=st.none() | st.floats(0, 1e6),
    ),
    max_size=30,
)


@given(ROSTERS, st.integers(1, 9))
def test_whatever_a_daemon_lists_the_series_are_bounded_and_can_be_read(
    roster: list[Container], most: int
) -> None:
    host = Host(most, *roster)
    text = generate_latest(host.metrics.registry).decode()
    found = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "container" in sample.labels
    ]
    keys = [(sample.name, *sorted(sample.labels.items())) for sample in found]
    assert len(keys) == len(set(keys)) <= 3 * most
    for sample in found:
        assert all(len(word) <= LABEL_LIMIT for word in sample.labels.values())
