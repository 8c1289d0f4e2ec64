"""From a frozen daemon to the phone: exporter, Prometheus, Alertmanager and a webhook, all real."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dockerdoctor.model import Policy
from tests.prometheus.exporters import Exporter, exporter
from tests.prometheus.servers import PATIENCE_S, Address, alertmanager, prometheus

ROOT = Path(__file__).parents[2]

PATIENCE = re.compile(r"^( *(?:keep_firing_)?for:) \S+$", re.M)

PROMETHEUS = """\
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: ["{rules}/*.yml"]
alerting: {{ alertmanagers: [ {{ static_configs: [ {{ targets: ["{alertmanager}"] }} ] }} ] }}
scrape_configs: [ {{ job_name: dockerdoctor, static_configs: [ {{ targets: ["{target}"] }} ] }} ]
"""

ALERTMANAGER = """\
route: {{ receiver: phone, group_by: [alertname], group_wait: 0s, group_interval: 1s }}
receivers:
  - name: phone
    webhook_configs: [ {{ url: "http://{webhook}/", send_resolved: true }} ]
"""


class Phone:
    """What was sent to the webhook."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.alerts: list[Mapping[str, Any]] = []

    def has(self, status: str, name: str) -> Mapping[str, Any] | None:
        """The last alert of that name, if this is its status now."""
        sent = [each for each in self.alerts if each["labels"]["alertname"] == name]
        return sent[-1] if sent and sent[-1]["status"] == status else None


@contextmanager
def phone() -> Iterator[Phone]:
    """A webhook that says thank you."""

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            rings.alerts += json.loads(body)["alerts"]
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Not into the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    rings = Phone(f"127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield rings
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def phone_of(host: Exporter, directory: Path) -> Iterator[Phone]:
    """All that stands between the host's exporter and the phone. Our rules, without patience."""
    rules = directory / "rules"
    shutil.copytree(ROOT / "rules/prometheus", rules, ignore=shutil.ignore_patterns("tests"))
    verdicts = rules / "verdicts.yml"
    verdicts.write_text(PATIENCE.sub(r"\1 1s", verdicts.read_text()))
    with (
        phone() as rings,
        alertmanager(directory / "a", ALERTMANAGER.format(webhook=rings.address)) as manager,
        prometheus(directory / "p", _config(rules, manager, host)),
    ):
        yield rings


def _config(rules: Path, manager: Address, host: Exporter) -> str:
    return PROMETHEUS.format(
        rules=rules, alertmanager="{}:{}".format(*manager), target=host.instance
    )


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
    with exporter(tmp_path / "host") as host, phone_of(host, tmp_path) as rings:
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
        host.story.policy = dataclasses.replace(host.story.policy, paused="")
        incidents = host.story.store.incidents
        told_until(host, lambda: rings.has("resolved", name) if incidents()[0].closed else None)
        critical = {
            each["labels"]["alertname"]
            for each in rings.alerts
            if each["labels"]["severity"] == "critical"
        }
        assert critical == {name}
