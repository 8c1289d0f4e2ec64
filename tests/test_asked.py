"""What the daemon is asked, and what its silence amounts to: over a real socket."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from dockerdoctor.errors import HostFault
from dockerdoctor.host.address import Address
from dockerdoctor.host.asked import Asked
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.growth import GrowthWatch
from dockerdoctor.host.lanes import MAX_HANGING
from dockerdoctor.host.linux import LinuxHost
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.systemd import SystemdKeeper
from dockerdoctor.model import Fault
from tests.sockets import LONG_S, answer, eventually, request, saying, served

SOON_S = 0.2
NAMES = ("slow", "web")


def asked(address: Address, elsewhere: str = "") -> tuple[Asked, Engine]:
    engine = Engine(address)
    return Asked(address, None, engine, GrowthWatch(), lambda: elsewhere), engine


def hangs_since(view: Asked, name: str) -> float | None:
    return next(each.hangs_since for each in view.roster() if each.name == name)


class Gate:
    """A daemon whose inspects wait until somebody lets one of them go on."""

    def __init__(self, names: tuple[str, ...] = NAMES) -> None:
        self.names = names
        self.asked: list[str] = []
        self.go_on = threading.Semaphore(0)

    def __call__(self, connection: socket.socket) -> None:
        target = request(connection)[1]
        if target.startswith("/containers/json"):
            listed = [
                {"Id": name, "Names": [f"/{name}"], "State": "running"} for name in self.names
            ]
            connection.sendall(answer(json.dumps(listed).encode()))
            return
        name = target.split("/")[2]
        self.asked.append(name)
        self.go_on.acquire(timeout=LONG_S)
        told = {"Id": name, "Name": f"/{name}", "State": {"Status": "running", "Pid": 7}}
        connection.sendall(answer(json.dumps(told).encode()))


def is_late(view: Asked, name: str) -> None:
    with pytest.raises(HostFault) as caught:
        view.container(name, SOON_S)
    assert caught.value.fault is Fault.TIMEOUT


def test_a_container_hangs_since_the_first_inspect_that_was_never_answered(tmp_path: Path) -> None:
    gate = Gate()
    with served(tmp_path, gate) as address:
        view, _ = asked(address)
        view.containers(LONG_S)
        began = time.monotonic()
        is_late(view, "web")
        first = hangs_since(view, "web")
        assert first is not None
        assert began - SOON_S <= first <= time.monotonic()
        is_late(view, "web")
        assert hangs_since(view, "web") == first
        gate.go_on.release()


def test_a_container_that_answers_late_each_time_is_slow_and_does_not_hang(tmp_path: Path) -> None:
    gate = Gate()
    with served(tmp_path, gate) as address:
        view, engine = asked(address)
        view.containers(LONG_S)
        is_late(view, "slow")
        first = hangs_since(view, "slow")
        gate.go_on.release()
        eventually(lambda: not engine.hanging())
        is_late(view, "slow")
        second = hangs_since(view, "slow")
        assert first is not None
        assert second is not None
        assert second > first
        gate.go_on.release()
        eventually(lambda: not engine.hanging())
        gate.go_on.release()
        view.container("slow", LONG_S)
        assert hangs_since(view, "slow") is None


def test_who_was_not_even_asked_does_not_hang(tmp_path: Path) -> None:
    names = tuple(f"c{number}" for number in range(MAX_HANGING + 1))
    gate = Gate(names)
    with served(tmp_path, gate) as address:
        view, _ = asked(address)
        view.containers(LONG_S)
        for name in names:
            is_late(view, name)
        assert [hangs_since(view, name) is None for name in names] == [False] * MAX_HANGING + [True]
        for _ in range(3):  # a round would leave a request in the daemon each time
            view.inspect(names[-1:], SOON_S, LONG_S)
        assert names[-1] not in gate.asked
        gate.go_on.release(len(names))


def test_a_daemon_that_listens_elsewhere_is_not_silent_but_not_seen(tmp_path: Path) -> None:
    nobody = Address("unix", path=str(tmp_path / "none.sock"))
    says = "dockerd does not listen on /a.sock, but on unix:///b.sock"
    for elsewhere, fault in ((says, Fault.GARBLED), ("", Fault.MISSING)):
        with pytest.raises(HostFault) as caught:
            asked(nobody, elsewhere)[0].ping(LONG_S)
        assert caught.value.fault is fault
        assert (caught.value.sentence == says) is bool(elsewhere)


def test_a_daemon_whose_keeper_knows_no_such_unit_is_asked_all_the_same(tmp_path: Path) -> None:
    """A unit of another name, or no systemd at all: it may answer, and nobody is woken."""
    keeper = SystemdKeeper({Service.DOCKERD: "dockerdoctor-no-such-unit.service"})
    with served(tmp_path, saying(answer(b"OK"))) as address:
        assert LinuxHost(address, keeper, tmp_path).ping(LONG_S).status == 200
    nobody = Address("unix", path=str(tmp_path / "none.sock"))
    with pytest.raises(HostFault, match="there is no socket"):
        LinuxHost(nobody, keeper, tmp_path).ping(LONG_S)
