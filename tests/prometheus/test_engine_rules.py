"""What engine.yml asks for is what a real dockerd serves on its metrics-addr."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.baredaemon import BareDaemon, require_engine
from tests.prometheus import shipped
from tests.prometheus.servers import Address, ask, listener, program, prometheus, wait_for

CONFIG = """\
global: {{ scrape_interval: 1s }}
scrape_configs: [ {{ job_name: dockerd, static_configs: [ {{ targets: ["{}:{}"] }} ] }} ]
"""
RULES = yaml.safe_load((shipped.ROOT / "rules/prometheus/engine.yml").read_text("utf-8"))
SELECTORS = {
    selector
    for group in RULES["groups"]
    for rule in group["rules"]
    for selector in shipped.selectors(rule["expr"])
}


class MeteredDaemon(BareDaemon):
    """One that serves its metrics; before 23.0 that is an experiment."""

    def argv(self) -> list[str]:
        return [*super().argv(), "--experimental", "--metrics-addr=127.0.0.1:0"]

    def metrics(self) -> Address | None:
        process = self.process()
        return listener(process.pid) if process else None


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeteredDaemon]:
    require_engine()
    program("prometheus")
    # Short, since a socket's path has at most 107 bytes.
    made = MeteredDaemon(tmp_path_factory.mktemp("m", numbered=True))
    try:
        made.start()
        yield made
    finally:
        made.destroy()


def test_every_series_of_the_engine_rules_is_there(daemon: MeteredDaemon, tmp_path: Path) -> None:
    address = wait_for(daemon.metrics, "dockerd serves its metrics")
    with prometheus(tmp_path / "prometheus", CONFIG.format(*address)) as server:
        for selector in sorted(SELECTORS):
            wait_for(partial(_ask_now, server, selector), selector)


def _ask_now(server: Address, selector: str) -> list[Mapping[str, str]]:
    return ask(server, selector, time.time())
