"""Everything that our dashboards and rules ask is answered by a Prometheus that scrapes exporters.

Four hosts: one well all day, one that was healed, one given up, one in the middle of a climb.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from dockerdoctor.model import Process
from tests.prometheus import shipped
from tests.prometheus.exporters import Exporter, exporter
from tests.prometheus.servers import Address, ask, get, prometheus, wait_for

CONFIG = """\
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: ["{rules}/*.yml"]
scrape_configs: [ {{ job_name: dockerdoctor, static_configs: [ {{ targets: {targets} }} ] }} ]
"""

SETTLED_S = 5.0
"""What is older is not changed any more by a scrape that is under way (its time-out is 1 s)."""

HOSTS = 4
STARTS = "increase(dockerdoctor_container_start_seconds_count"
SLOW = ("api", "containers", "containerd")
QUERIES = list(shipped.queries())
RECORDS = [rule["record"] for rule in shipped.rules() if "record" in rule]


@dataclass(frozen=True)
class Scene:
    """The Prometheus, the instances it scrapes, and the moment at which it knew all of their story:
    what is asked is asked of that moment, however long the test takes."""

    address: Address
    at: float
    incident: str
    """The one of which `healed` was healed."""
    well: str
    healed: str
    given_up: str
    climbing: str

    def ask(self, expression: str) -> list[Mapping[str, str]]:
        return ask(self.address, expression, self.at)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("scene")
    with ExitStack() as stack:
        hosts = [
            stack.enter_context(exporter(directory / name))
            for name in ("well", "healed", "given-up", "climbing")
        ]
        well, healed, given_up, climbing = hosts
        _break(given_up, climbing)
        config = CONFIG.format(
            rules=shipped.ROOT / "rules/prometheus", targets=[host.instance for host in hosts]
        )
        address = stack.enter_context(prometheus(directory / "prometheus", config))
        at = wait_for(lambda: _told(address, well, healed), "everything was scraped", step_s=0.5)
        (incident,) = healed.story.incidents
        yield Scene(address, at, incident.id, *(host.instance for host in hosts))


def _break(given_up: Exporter, climbing: Exporter) -> None:
    given_up.story.goes_on_for(30)
    given_up.story.host.dockerd_process.tracer = Process(77, 7, "gdb")
    given_up.story.goes_on_for(120)
    climbing.story.goes_on_for(30)
    climbing.story.host.dockerd_process.frozen = True
    story = climbing.story
    story.goes_on_until(lambda: bool(story.incidents) and "restart" in story.climbed())


def _told(prometheus: Address, well: Exporter, healed: Exporter) -> float | None:
    """The day goes on: containers start, and once a host is healed of a hang. The moment, when all
    of that has been scraped and the rules have been evaluated."""
    at, story = time.time() - SETTLED_S, healed.story
    if len(ask(prometheus, "dockerdoctor_looks_total", at)) == HOSTS and not story.incidents:
        story.host.dockerd_process.hung = True
        story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    for host in (well, healed):
        host.story.goes_on_for(4)
        host.starts_a_container(0.7)
    needed = (
        *RECORDS,
        'ALERTS{alertstate="firing"}',
        "rate(dockerdoctor_cures_total[10m]) > 0",
        f'{STARTS}{{instance="{well.instance}"}}[10m]) > 0',
        # The slower probes have looked again after the cure.
        *(f'dockerdoctor_{probe}_answered{{instance="{healed.instance}"}} == 1' for probe in SLOW),
    )
    known = (
        len(ask(prometheus, "count_over_time(dockerdoctor_looks_total[10m]) >= 5", at)) == HOSTS
        and len(ask(prometheus, "up == 1", at)) == HOSTS
        and all(ask(prometheus, each, at) for each in needed)
    )
    return at if known else None


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_every_panel_has_something_to_show(scene: Scene, query: shipped.Query) -> None:
    assert scene.ask(shipped.expanded(query.expression))


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_on_a_healthy_host_only_panels_of_trouble_are_empty(
    scene: Scene, query: shipped.Query
) -> None:
    found = scene.ask(shipped.expanded(query.expression, scene.well))
    assert bool(found) is (str(query) not in shipped.EMPTY_ON_HEALTHY)


@pytest.mark.parametrize(
    "alert",
    [rule for rule in shipped.alerts() if "Engine" not in rule["alert"]],
    ids=lambda rule: f"{rule['alert']} {rule['labels']['severity']}",
)
def test_what_an_alert_asks_for_exists_and_says_nothing_of_a_healthy_host(
    scene: Scene, alert: dict[str, str]
) -> None:
    for selector in shipped.selectors(alert["expr"]):
        assert scene.ask(selector), selector
    for found in scene.ask(alert["expr"]):
        assert found.get("instance") != scene.well


def test_an_incident_s_duration_leads_to_the_incident(scene: Scene) -> None:
    found = get(
        scene.address,
        "/api/v1/query_exemplars",
        query="dockerdoctor_incident_seconds_bucket",
        start=f"{scene.at - 3600:.0f}",
        end=f"{scene.at:.3f}",
    )
    (series,) = json.loads(found[1])["data"]
    assert series["seriesLabels"]["instance"] == scene.healed
    assert series["exemplars"][0]["labels"] == {"incident": scene.incident}


def test_the_sick_hosts_are_found_by_their_alerts(scene: Scene) -> None:
    expressions = {alert["alert"]: alert["expr"] for alert in shipped.alerts()}

    def hosts(name: str) -> set[str]:
        return {found["instance"] for found in scene.ask(expressions[name])}

    assert hosts("DockerdoctorGivenUp") == {scene.given_up}
    assert hosts("DockerdoctorDaemonUnresponsive") == {scene.given_up, scene.climbing}
