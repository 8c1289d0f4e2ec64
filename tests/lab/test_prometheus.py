"""A real Prometheus scrapes the real exporter beside a real daemon, and a real alert goes out.

Prometheus, Alertmanager and the webhook run on the outer machine, in the network of the lab host.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from dockerdoctor.model import Outcome
from tests.lab import faults, outer
from tests.lab.watchdog import METRICS, POLICY, WAIT_S, Watchdog
from tests.prometheus import shipped
from tests.prometheus.phone import Phone, phone_of
from tests.prometheus.servers import Address, ask

ON_ONE_SUITE = True
"""What a scrape shows does not depend on the engine; what each engine tells is asked elsewhere."""

INSTANCE = METRICS.removeprefix("http://").removesuffix("/metrics")
SETTLED_S = 5.0
"""What is older is not changed any more by a scrape that is under way (its time-out is 1 s)."""

RECORDS = [rule["record"] for rule in shipped.rules() if "record" in rule]
ALERTS = [rule for rule in shipped.alerts() if "Engine" not in rule["alert"]]
"""Those of dockerd's own metrics are asked of a daemon that has them (test_engine_rules)."""


@dataclass(frozen=True)
class Monitored:
    """A host with a watchdog, the Prometheus that scrapes it, and whom it calls."""

    watchdog: Watchdog
    prometheus: Address
    phone: Phone

    def ask(self, expression: str, at: float) -> list[Mapping[str, str]]:
        return ask(self.prometheus, expression, at)


@pytest.fixture(scope="module")
def monitored(
    shared_watchdog: Watchdog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Monitored]:
    """A host that is well, with a container that runs, and a disk that was surveyed."""
    host = shared_watchdog.host
    host.start_container("web")
    shared_watchdog.begin(f"{POLICY}[metrics]\ncontainer_labels = true\n")
    host.run("dockerdoctor", "disk")
    directory = tmp_path_factory.mktemp("prometheus")
    with outer.network_of(host.leader), phone_of(INSTANCE, directory) as (prometheus, rings):
        yield Monitored(shared_watchdog, prometheus, rings)


def test_every_panel_and_every_rule_is_answered_by_a_healthy_host(monitored: Monitored) -> None:
    at = _when_all_is_known(monitored)
    assert monitored.ask("dockerdoctor_findings == 1", at) == []
    wrong = {
        str(query): found
        for query in shipped.queries()
        for found in [monitored.ask(shipped.expanded(query.expression), at)]
        if bool(found) is (str(query) in shipped.EMPTY_ON_HEALTHY)
    }
    assert wrong == {}
    for alert in ALERTS:
        missing = [each for each in shipped.selectors(alert["expr"]) if not monitored.ask(each, at)]
        assert (missing, monitored.ask(alert["expr"], at)) == ([], []), alert["alert"]
    running = monitored.ask('dockerdoctor_container_state{container="web"}', at)
    assert [each["state"] for each in running] == ["running"]


def _when_all_is_known(monitored: Monitored) -> float:
    """Containers start, until all of it has been scraped and the rules have been evaluated; the
    moment of which that is true."""
    host, moment = monitored.watchdog.host, [0.0]
    needed = (
        *RECORDS,
        "increase(dockerdoctor_container_start_seconds_count[10m]) > 0",
        "min(dockerdoctor_probe_success) == 1",
        "dockerdoctor_disk_consumer_bytes > 0",
        "min_over_time(up[10s]) == 1",
    )

    def known() -> bool:
        host.docker("run", "--rm", "busybox", "true", timeout=WAIT_S)
        moment[0] = time.time() - SETTLED_S
        return all(monitored.ask(each, moment[0]) for each in needed)

    host.wait(known, WAIT_S, "Prometheus to know it all")
    return moment[0]


def test_a_frozen_daemon_rings_the_phone_and_its_cure_rings_it_again(monitored: Monitored) -> None:
    name, rings = "DockerdoctorDaemonUnresponsive", monitored.phone
    host, began = monitored.watchdog.host, time.time()
    # Somebody holds it back: else it is healed before anybody is called.
    host.run("dockerdoctor", "pause", "--for", "1h", "--why", "the operator looks first")
    with faults.frozen(host):
        host.wait(lambda: rings.has("firing", name), WAIT_S, "the phone to ring")
        fired = rings.has("firing", name)
        assert fired is not None
        assert fired["labels"]["severity"] == "critical"
        says = f"{INSTANCE}: dockerd runs and does not answer (timeout)"
        assert fired["annotations"]["summary"] == says
        host.run("dockerdoctor", "resume")
        closed = monitored.watchdog.wait_closed(began, "daemon-unresponsive")
    assert closed.outcome is Outcome.CURED
    host.wait(lambda: rings.has("resolved", name), WAIT_S, "the phone to ring again")
    assert rings.critical() == {name}
