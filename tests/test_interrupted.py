"""`heal` on a real dockerd, interrupted in the middle: finished, or handed on, and never half."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockerdoctor.errors import HostFault, StoreError
from dockerdoctor.host.address import parse
from dockerdoctor.host.engine import Engine
from dockerdoctor.model import Incident, Outcome
from dockerdoctor.record import Record
from tests.baredaemon import PATIENCE_S, BareDaemon, bare_daemon, require_engine
from tests.clirun import Ran, dockerdoctor
from tests.sockets import eventually
from tests.terminals import Terminal
from tests.test_conventions import misfits


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareDaemon]:
    require_engine()
    with bare_daemon(tmp_path_factory.mktemp("h", numbered=True)) as running:
        eventually(lambda: answers(running), PATIENCE_S)
        yield running


@pytest.fixture
def config(daemon: BareDaemon) -> Path:
    path = daemon.directory / "dockerdoctor.toml"
    path.write_text(
        f"""
rules_dirs = ["{daemon.directory}/rules.d"]
[daemon]
host = "unix://{daemon.socket}"
pidfile = "{daemon.pidfile}"
data_root = "{daemon.data_root}"
[watch]
state_dir = "{daemon.directory}/state"
run_dir = "{daemon.directory}/run"
[metrics]
listen = ""
"""
    )
    return path


def answers(running: BareDaemon) -> bool:
    try:
        return Engine(parse(f"unix://{running.socket}")).ping(5).status == 200
    except HostFault:
        return False


def stop(daemon: BareDaemon) -> None:
    process = daemon.process()
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)


def incidents(config: Path) -> list[Incident]:
    return Record(config.parent / "state/record.sqlite").incidents()


def climbed(config: Path) -> list[str]:
    """The rungs of the latest incident, as they are on record: before they act."""
    with contextlib.suppress(StoreError):  # not there yet, or half made
        return [attempt.rung for each in incidents(config) for attempt in each.attempts]
    return []


def healed(config: Path) -> dict[str, object]:
    """What a heal says in the end: a daemon that is still starting is left alone until it is up."""
    told: list[Ran] = []

    def is_well() -> bool:
        told.append(dockerdoctor("heal", "--yes", "--json", config=config))
        assert told[-1].code == 0 or '"the daemon is starting' in told[-1].out, told[-1]
        return told[-1].code == 0

    eventually(is_well, PATIENCE_S)
    document: dict[str, object] = json.loads(told[-1].out)
    return document


def test_a_climb_goes_on_to_its_end_when_its_terminal_closes(
    daemon: BareDaemon, config: Path
) -> None:
    stop(daemon)
    seat = Terminal(config, "heal", "--yes")
    try:
        seat.shows("climb restart")
        seat.closes()
        seat.child.wait(PATIENCE_S)
    finally:
        seat.destroy()
    (incident,) = incidents(config)
    assert incident.outcome is Outcome.CURED
    assert all(attempt.ended is not None for attempt in incident.attempts)
    eventually(lambda: answers(daemon), PATIENCE_S)


def test_two_interrupts_end_it_at_once_and_the_next_heal_goes_on_with_the_incident(
    daemon: BareDaemon, config: Path
) -> None:
    stop(daemon)
    seat = Terminal(config, "heal", "--yes")
    try:
        eventually(lambda: climbed(config)[-1:] == ["restart"], PATIENCE_S)  # and not only said
        seat.types("\x03")
        seat.shows("Ctrl-C again: at once")
        seat.types("\x03")
        assert seat.ends() == 130
    finally:
        seat.destroy()
    (half,) = incidents(config)
    assert half.attempts[-1].rung == "restart"
    if half.closed is None:  # else it was cured before the second one came
        assert half.attempts[-1].ended is None
    document = healed(config)
    if "ending" in document:  # else the daemon had come back before anybody looked again
        assert misfits(document, "heal") == []
        told = document["incidents"]
        assert isinstance(told, list) and [each["id"] for each in told] == [half.id]
    eventually(lambda: answers(daemon), PATIENCE_S)
    assert [each.id for each in incidents(config)] == [half.id]
    assert incidents(config)[0].closed is not None
