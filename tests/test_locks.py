"""Who hangs: whose turn an inspect is, when all are asked, and what is told of it."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host.asked import Asked
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.growth import GrowthWatch
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.roster import STUCK_S, merge_roster, stuck, with_inspected
from dockerdoctor.model import Fault
from dockerdoctor.probes import locks
from dockerdoctor.probes.locks import A_FEW, ANSWERED_S, REST_S, due
from tests.fakehost import FakeHost
from tests.sockets import LONG_S, answer, eventually, request, served
from tests.story import Story

SOON_S = 0.3
MANY = [Container(f"c{number}", f"name-{number}", "running") for number in range(500)]


def test_a_few_have_their_turn_those_first_that_answered_longest_ago() -> None:
    answered = {each.id: 1000.0 + number for number, each in enumerate(MANY)}
    assert due(MANY, answered, 9000.0, False) == [each.id for each in MANY[:A_FEW]]
    del answered["c77"]
    assert due(MANY, answered, 9000.0, False)[0] == "c77"


def test_nobody_is_asked_again_at_once() -> None:
    answered = {each.id: 1000.0 for each in MANY}
    assert due(MANY, answered, 1000.0 + REST_S - 1, False) == []
    assert due(MANY, answered, 1000.0 + ANSWERED_S - 1, True) == []


def test_all_are_asked_while_somebody_waits() -> None:
    answered = {each.id: 1000.0 for each in MANY}
    assert len(due(MANY, answered, 1000.0 + ANSWERED_S, True)) == 500


def test_who_hangs_or_does_not_run_has_no_turn() -> None:
    roster = [replace(MANY[0], hangs_since=5.0), replace(MANY[1], state="exited"), MANY[2]]
    assert due(roster, {}, 1000.0, True) == ["c2"]


def test_a_look_at_a_well_host_asks_a_few(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.all_containers = list(MANY)
    assert locks.run(host) == {
        "waiting": 0,
        "stuck": 0,
        "stuck_s": 0.0,
        "stuck_name": "",
        "stuck_names": "",
    }
    host.waiters = 1
    locks.run(host)
    assert [len(each) for each in host.asked_for] == [A_FEW, 500 - A_FEW]


def test_where_nobody_may_see_who_waits_all_have_their_turn_still(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.all_containers = list(MANY)
    host.faults["waiting"] = HostFault(Fault.DENIED, "a plugin forbids it")
    assert locks.run(host) == {"stuck": 0, "stuck_s": 0.0, "stuck_name": "", "stuck_names": ""}
    assert host.asked_for == [[each.id for each in MANY[:A_FEW]]]


def test_a_daemon_that_hangs_is_asked_for_no_container(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.all_containers = list(MANY)
    host.dockerd_process.frozen = True
    assert locks.run(host) == {}
    assert host.asked_for == []


def test_one_of_five_hundred_is_told_within_a_minute_by_who_waits_for_it(tmp_path: Path) -> None:
    story = Story(tmp_path)
    shim = story.host.world.spawn("containerd-shim")
    story.host.all_shims.append(shim)
    story.host.all_containers = list(MANY)
    story.goes_on_for(61)
    story.host.stuck["c499"], story.host.waiters = shim.identity, 2
    took = story.goes_on_until(lambda: bool(story.incidents))
    assert took < 60
    assert story.incidents[0].says.startswith("container name-499 has not answered for")
    story.goes_on_until(lambda: bool(story.incidents[0].closed))
    assert story.climbed() == ["dump-stacks", "kill-shim"]


def test_the_shim_of_one_that_is_only_starting_is_not_killed(tmp_path: Path) -> None:
    story = Story(tmp_path)
    shims = [story.host.world.spawn("containerd-shim") for _ in range(2)]
    story.host.all_shims += shims
    story.host.all_containers = list(MANY[:2])
    story.goes_on_for(30)
    story.host.stuck["c0"], story.host.waiters = shims[0].identity, 1
    story.goes_on_for(STUCK_S)
    story.host.stuck["c1"] = shims[1].identity
    story.goes_on_until(lambda: bool(story.incidents and "kill-shim" in story.climbed()))
    assert story.host.all_containers[1].hangs_since is not None
    assert [act for act in story.acts if "SIGKILL" in act] == ["signal containerd-shim SIGKILL"]
    assert list(story.host.stuck) == ["c1"]


def test_stuck_is_who_hangs_for_longer_than_may_be_the_longest_first() -> None:
    roster = [
        replace(MANY[0], hangs_since=100.0),
        replace(MANY[1], hangs_since=90.0),
        replace(MANY[2], hangs_since=130.0),
        MANY[3],
    ]
    assert [each.id for each, _ in stuck(roster, 100.0 + STUCK_S)] == ["c1", "c0"]


def test_what_is_known_stays_the_same_object_as_long_as_nothing_new_is_told() -> None:
    listed = Container("c1", "web", "running", ports=((80, "tcp"),))
    known = merge_roster({}, [listed])
    told = with_inspected(known, Container("c1", "web", "running", "always"))
    assert (told["c1"].restart_policy, told["c1"].ports) == ("always", ((80, "tcp"),))
    assert with_inspected(told, Container("c1", "web", "running", "always")) is told
    assert merge_roster(told, [listed]) is told


def listing(*idents: str) -> bytes:
    return answer(json.dumps([{"Id": each, "State": "running"} for each in idents]).encode())


def test_a_round_ends_at_the_first_that_hangs_and_the_rest_is_asked_later(tmp_path: Path) -> None:
    hang = {"b": threading.Event(), "d": threading.Event()}
    asked: list[str] = []

    def answering(connection: socket.socket) -> None:
        while True:
            ident = request(connection)[1].split("/")[2]
            if ident == "json?all=1":
                connection.sendall(listing("a", "b", "c", "d"))
                return
            asked.append(ident)
            hang.get(ident, threading.Event()).wait(LONG_S if ident in hang else 0)
            told = answer(json.dumps({"Id": ident, "State": {"Status": "running"}}).encode())
            connection.sendall(told.replace(b"Connection: close\r\n", b""))

    with served(tmp_path, answering) as address:
        host = Asked(address, None, Engine(address), GrowthWatch())
        host.containers(LONG_S)
        host.inspect(["a", "b", "c", "d"], SOON_S, LONG_S)
        assert asked == ["a", "b", "b"]  # the second question is the one that is waited for
        assert hanging(host) == ["b"]
        host.inspect(["c", "d"], SOON_S, LONG_S)
        assert hanging(host) == ["b", "d"]
        assert host.answered().keys() == {"a", "c"}
        hang["d"].set()
        eventually(lambda: answers(host, "d"))
        assert hanging(host) == ["b"]
        hang["b"].set()


def answers(host: Asked, ident: str) -> bool:
    try:
        return bool(host.container(ident, LONG_S))
    except HostFault:
        return False


def hanging(host: Asked) -> list[str]:
    return [each.id for each in host.roster() if each.hangs_since is not None]


def test_one_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    there = ["a", "b"]

    def answering(connection: socket.socket) -> None:
        if "all=1" in request(connection)[1]:
            connection.sendall(listing(*there))
        else:
            connection.sendall(answer(b'{"message": "No such container"}', "404 Not Found"))

    with served(tmp_path, answering) as address:
        host = Asked(address, None, Engine(address), GrowthWatch())
        host.containers(LONG_S)
        host.inspect(["b"], LONG_S, LONG_S)
        assert host.answered().keys() == {"b"}
        there.remove("b")
        host.containers(LONG_S)
        assert host.answered() == {}
