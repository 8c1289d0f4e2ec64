"""The way from Prometheus to the phone: a real Alertmanager, and a webhook that remembers."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.prometheus.servers import Address, alertmanager, prometheus
from tests.prometheus.shipped import ROOT

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

    def critical(self) -> set[str]:
        """The names of all that it was ever called for in the night."""
        labels = [each["labels"] for each in self.alerts]
        return {each["alertname"] for each in labels if each["severity"] == "critical"}


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
def phone_of(target: str, directory: Path) -> Iterator[tuple[Address, Phone]]:
    """All that stands between an exporter (`host:port`) and the phone, with our rules; those of the
    verdicts without patience. Prometheus' address, and the phone."""
    rules = directory / "rules"
    shutil.copytree(ROOT / "rules/prometheus", rules, ignore=shutil.ignore_patterns("tests"))
    verdicts = rules / "verdicts.yml"
    verdicts.write_text(PATIENCE.sub(r"\1 1s", verdicts.read_text()))
    with (
        phone() as rings,
        alertmanager(directory / "a", ALERTMANAGER.format(webhook=rings.address)) as manager,
        prometheus(directory / "p", _config(rules, manager, target)) as asked,
    ):
        yield asked, rings


def _config(rules: Path, manager: Address, target: str) -> str:
    return PROMETHEUS.format(rules=rules, alertmanager="{}:{}".format(*manager), target=target)
