"""A daemon that lies, from its socket through the probes, the rules and the ladder: whatever it
says, and for however long, nothing is done."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.collect import run_probe
from dockerdoctor.declare import Scene
from dockerdoctor.errors import HostFault
from dockerdoctor.host.linux import LinuxHost
from dockerdoctor.host.nouns import Service, ServiceState
from dockerdoctor.host.pidfile import PidFileKeeper
from dockerdoctor.judge import Judgement, judge
from dockerdoctor.ladder import Past, decide
from dockerdoctor.model import Fault, Hold, Instant, Process, Sample
from tests.sockets import DOCKER_HEAD, LONG_S, answer, eventually, request, served
from tests.story import RULES
from tests.test_engine import INFO, INSPECTED, LISTED
from tests.values import PROBES, READINGS, RUNGS, at

ASKS_THE_DAEMON = ("ping", "api", "builds", "containers", "locks", "events", "leftovers", "health")
OTHERS: Mapping[str, Mapping[str, bool | float | str]] = {
    "unit": {
        "active_state": "active",
        "load_state": "loaded",
        "result": "success",
        "job": "",
        "since_start_s": 86400.0,
        "stopped_by_operator": False,
    },
    "containerd": {"answered": True, "active_state": "active", "stopped_by_operator": False},
    "process": {"state": "S", "stuck_threads": 0, "rss_bytes": 90 << 20},
    "disk": {"used_ratio": 0.4, "inodes_ratio": 0.1},
    "kernel": {"daemon_held_s": 0.0, "others_held_s": 0.0},
}
"""What nobody but the machine tells: all is well there."""
LOOKS, APART_S = 40, 15.0
PROFILE = b"goroutine profile: total 9\n1 @ 0x1\n#\t0x1\tmain.main+0x1\n\n"
LIST = "/containers/json"
TOO_LONG = "x" * 1_000_000


class Keeper(PidFileKeeper):
    """A daemon whose unit is well, and whose process nobody looks at."""

    def state(self, which: Service) -> ServiceState:
        return ServiceState(which.value, "active", "running", "success")

    def main_process(self, which: Service) -> Process | None:
        return None

    def dockerd_argv(self) -> Sequence[str]:
        """With a containerd of its own: no shim of a daemon that runs on this machine is its."""
        return ("dockerd", "--containerd", "/nowhere/containerd.sock")

    def asleep(self, listens: bool) -> str:
        return ""


def says(value: object) -> bytes:
    return answer(json.dumps(value).encode())


def event(**changes: object) -> bytes:
    told: dict[str, object] = {
        "Type": "container",
        "Action": "start",
        "Actor": {"ID": "c" * 64, "Attributes": {"name": "web", "label": "x"}},
        "timeNano": int(time.time() * 1e9),
    }
    return json.dumps(told | changes).encode() + b"\n"


def stream(*events: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in events)
    return f"HTTP/1.1 200 OK\r\n{DOCKER_HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + body


def cut(whole: bytes) -> bytes:
    return whole[: len(whole) - 20]


YEARS = {"StartedAt": "9999-12-31T23:59:59Z", "FinishedAt": "0001-01-01T00:00:00Z"}
HEALTH = {
    "Status": "healthy",
    "Log": [{"Start": "1970-01-01T00:00:00Z", "End": "9998-01-01T0:0:0Z"}],
}
BOMB = {f"key{number}": "x" * 1000 for number in range(2000)}
ODD = ("--help", "-v", "; reboot", "\x1b[2J\n<3>forged", "../../etc", "a" * 4000, "💥" * 500)
LIES: Mapping[str, Mapping[str, bytes]] = {
    "half an answer": {
        "/_ping": b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 50\r\n\r\nOK",
        "/info": cut(says(INFO)),
        LIST: cut(says([LISTED])),
        "/containers/": cut(says(INSPECTED)),
        "/debug": cut(answer(PROFILE)),
        "/events": cut(stream(event())),
    },
    "half of its JSON": {
        "/info": answer(json.dumps(INFO).encode()[:-9]),
        LIST: answer(json.dumps([LISTED]).encode()[:-9]),
        "/containers/": answer(json.dumps(INSPECTED).encode()[:-9]),
    },
    "negative numbers": {
        "/info": says(INFO | {"Containers": -3, "NGoroutines": -1}),
        LIST: says([LISTED | {"Created": -1, "Ports": [{"PublicPort": -1, "Type": "tcp"}]}]),
        "/containers/": says(INSPECTED | {"State": {"Status": "running", "Pid": -4242}}),
        "/events": stream(event(timeNano=-1)),
    },
    "a clock years away": {
        LIST: says([LISTED | {"Created": 253402300799}]),
        "/containers/": says(
            INSPECTED | {"State": {"Status": "running", "Pid": 1 << 40, **YEARS, "Health": HEALTH}}
        ),
        "/events": stream(event(timeNano=1), event(timeNano=(1 << 63) - 1)),
    },
    "fifty thousand containers": {
        LIST: says([LISTED | {"Id": f"{number:064x}"} for number in range(50_000)])
    },
    "odd names": {
        LIST: says(
            [LISTED | {"Id": f"{number}", "Names": [f"/{name}"]} for number, name in enumerate(ODD)]
        ),
        "/containers/": says(INSPECTED | {"Name": "/--force\x1b[2J\n<3>forged"}),
    },
    "label bombs": {
        LIST: says([LISTED | {"Id": f"{number:064x}", "Labels": BOMB} for number in range(20)]),
        "/containers/": says(INSPECTED | {"Config": {"Labels": BOMB}}),
        "/info": says(INFO | {"Labels": [TOO_LONG]}),
    },
    "an event of 1 MB": {
        "/events": stream(event(Actor={"ID": "c" * 64, "Attributes": {"name": TOO_LONG}}), event())
    },
    "other kinds": {
        "/info": says([INFO]),
        LIST: says({"message": "all is well"}),
        "/containers/": says("web"),
        "/debug": says({"goroutines": 5}),
        "/events": stream(b"[]\n", b"null\n", b"\xff\xfe\n", event(Action=7)),
    },
}


def truth(target: str) -> bytes:
    told = {
        "/_ping": answer(b"OK"),
        "/info": says(INFO),
        LIST: says([LISTED]),
        "/debug": answer(PROFILE),
        "/events": stream(event()),
        "/containers/": says(INSPECTED),
    }
    return next(what for start, what in told.items() if target.startswith(start))


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_garbled_and_never_an_act(tmp_path: Path, name: str) -> None:
    lies = LIES[name]

    def answering(connection: socket.socket) -> None:
        target = request(connection)[1]
        lie = next((what for start, what in lies.items() if target.startswith(start)), None)
        connection.sendall(lie or truth(target))

    with served(tmp_path, answering) as address:
        host = LinuxHost(address, Keeper(tmp_path / "pid", tmp_path), tmp_path / "evidence")
        try:
            host.events()
            eventually(lambda: host.events().gaps_total > 0)  # that it has read to the end
            seen = [run_probe(PROBES[probe], host) for probe in ASKS_THE_DAEMON]
        finally:
            host.close()
    assert {each.fault for each in seen} <= {None, Fault.GARBLED}
    for said in texts(seen):
        assert said.isprintable()
        assert len(said) < 5000
    for judgement, now in looks(seen):
        decision = decide(judgement.verdict, Past({}), Scene(judgement.readings), RUNGS, now.wall)
        assert isinstance(decision, Hold), decision


def texts(seen: Sequence[Sample]) -> Iterator[str]:
    for each in seen:
        yield each.detail
        yield from (str(value) for value in each.readings.values())


def looks(seen: Sequence[Sample]) -> Iterator[tuple[Judgement, Instant]]:
    """The same seen again and again, beside a machine that is well: judged as a watchdog does."""
    machine = [Sample(probe, at(0), 0.001, told) for probe, told in OTHERS.items()]
    before: Judgement | None = None
    for number in range(LOOKS):
        now = Instant(1.8e9 + number * APART_S, 1000.0 + number * APART_S)
        samples = {each.probe: replace(each, at=now) for each in (*seen, *machine)}
        before = judge(RULES, samples, before, now, READINGS)
        yield before, now


def test_the_truth_is_well(tmp_path: Path) -> None:
    def answering(connection: socket.socket) -> None:
        connection.sendall(truth(request(connection)[1]))

    with served(tmp_path, answering) as address:
        host = LinuxHost(address, Keeper(tmp_path / "pid", tmp_path), tmp_path / "evidence")
        try:
            seen = [run_probe(PROBES[probe], host) for probe in ASKS_THE_DAEMON]
            with pytest.raises(HostFault):
                host.container("a/b", LONG_S)
        finally:
            host.close()
    assert [each.fault for each in seen] == [None] * len(seen)
    assert [judgement.verdict.findings for judgement, _ in looks(seen)] == [()] * LOOKS
