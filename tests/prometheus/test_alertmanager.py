"""From a frozen daemon to the phone: exporter, Prometheus, Alertmanager and a webhook, all real.

The machine is a fake one; `tests/lab/test_prometheus.py` does it with a real daemon.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from dockerdoctor.model import Policy
from tests.prometheus.exporters import Exporter, exporter
from tests.prometheus.phone import phone_of
from tests.prometheus.servers import PATIENCE_S


def told_until(
    host: Exporter, condition: Callable[[], Mapping[str, Any] | None]
) -> Mapping[str, Any]:
    """The host's story goes on, a look every now and then, until the phone has rung."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "the phone does not ring"
        host.story.goes_on_for(0.1)
        time.sleep(0.2)
    return found


def test_a_frozen_daemon_rings_the_phone_and_its_cure_rings_it_again(tmp_path: Path) -> None:
    name = "DockerdoctorDaemonUnresponsive"
    with exporter(tmp_path / "host") as host, phone_of(host.instance, tmp_path) as (_, rings):
        host.story.goes_on_for(60)
        # An operator holds dockerdoctor back: else it is cured before anybody is called.
        host.story.policy = Policy(paused="the operator looks first")
        host.story.host.dockerd_process.frozen = True
        fired = told_until(host, lambda: rings.has("firing", name))
        assert fired["labels"] == {
            "alertname": name,
            "instance": host.instance,
            "job": "dockerdoctor",
            "rule": "daemon-unresponsive",
            "severity": "critical",
        }
        says = f"{host.instance}: dockerd runs and does not answer (timeout)"
        assert fired["annotations"]["summary"] == says
        host.story.policy = replace(host.story.policy, paused="")
        incidents = host.story.store.incidents
        told_until(host, lambda: rings.has("resolved", name) if incidents()[0].closed else None)
        assert rings.critical() == {name}
