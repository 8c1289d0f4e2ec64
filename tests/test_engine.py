"""The daemon's API: honest answers, lies, hangs and refusals, over a real socket."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dockerdoctor.errors import HostFault
from dockerdoctor.host.address import Address
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.lanes import MAX_HANGING
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.traces import Builds
from dockerdoctor.model import Fault
from tests.sockets import LONG_S, Answering, answer, eventually, request, saying, served

SOON_S = 0.3
INFO: dict[str, object] = {
    "ServerVersion": "26.1.5",
    "DockerRootDir": "/var/lib/docker",
    "Driver": "overlay2",
    "LiveRestoreEnabled": True,
    "Swarm": {"LocalNodeState": "inactive"},
    "Containers": 7,
    "ContainersRunning": 3,
    "Images": 5,
    "NGoroutines": 40,
    "NFd": -1,
    "NEventsListener": 1,
    "Labels": None,
}
LISTED: dict[str, object] = {
    "Id": "c" * 64,
    "Names": ["/other/alias", "/web"],
    "Image": "bb:1",
    "State": "running",
    "Labels": {"a": "b"},
    "NetworkSettings": {"Networks": {"front": {"IPAddress": "10.0.0.2"}, "back": {}}},
}
INSPECTED: dict[str, object] = {
    "Id": "c" * 64,
    "Name": "/web",
    "State": {"Status": "running", "Pid": 4242, "Error": ""},
    "HostConfig": {
        "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
        "NetworkMode": "container:vpn",
        "IpcMode": "private",
        "PidMode": "",
        "Links": ["/db:/web/db"],
    },
    "Config": {"Image": "bb:1", "StopTimeout": 30},
    "NetworkSettings": {"Networks": {}},
}


def says(value: object) -> Answering:
    return saying(answer(json.dumps(value).encode()))


def fault_of(call: Callable[[], object]) -> HostFault:
    with pytest.raises(HostFault) as caught:
        call()
    assert caught.value.sentence
    return caught.value


def test_info_is_told_in_our_words(tmp_path: Path) -> None:
    with served(tmp_path, says(INFO)) as address:
        info = Engine(address).info(LONG_S)
    assert (info.version, info.live_restore, info.swarm) == ("26.1.5", True, False)
    assert info.data_root == Path("/var/lib/docker")
    assert (info.running, info.containers, info.images) == (3, 7, 5)
    assert (info.goroutines, info.fds, info.listeners) == (40, 0, 1)


def test_a_list_gives_a_container_its_own_name_not_a_link(tmp_path: Path) -> None:
    with served(tmp_path, says([LISTED, {"Id": "d" * 64, "Names": None}])) as address:
        web, nameless = Engine(address).containers(LONG_S)
    assert web == Container("c" * 64, "web", "running", image="bb:1", networks=("back", "front"))
    assert nameless.name == "d" * 12


def test_an_inspect_tells_policy_stop_timeout_and_needs(tmp_path: Path) -> None:
    with served(tmp_path, says(INSPECTED)) as address:
        web = Engine(address).container("web", LONG_S)
    assert (web.restart_policy, web.stop_timeout_s, web.pid) == ("always", 30.0, 4242)
    assert web.links == ("db", "vpn")


def test_an_inspect_tells_what_compose_says_that_it_needs(tmp_path: Path) -> None:
    labels = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "web",
        "com.docker.compose.depends_on": "db:service_healthy:false,cache:service_started:true",
        "bomb": "x" * 100_000,
    }
    with served(tmp_path, says(INSPECTED | {"Config": {"Labels": labels}})) as address:
        web = Engine(address).container("web", LONG_S)
    assert web.service == "shop/web"
    assert web.links == ("db", "vpn", "shop/db", "shop/cache")
    assert web.kept_by == ""


@pytest.mark.parametrize(
    ("label", "keeper"),
    [
        ("com.docker.swarm.task.id", "swarm"),
        ("io.kubernetes.pod.uid", "kubernetes"),
        ("com.docker.swarm.node", ""),
    ],
)
def test_whose_container_it_is_stands_in_its_labels(
    tmp_path: Path, label: str, keeper: str
) -> None:
    labels = {"Labels": {label: "x" * 5000}}
    with served(tmp_path, says([LISTED | labels])) as address:
        assert Engine(address).containers(LONG_S)[0].kept_by == keeper
    (tmp_path / "again").mkdir()
    with served(tmp_path / "again", says(INSPECTED | {"Config": labels})) as address:
        assert Engine(address).container("web", LONG_S).kept_by == keeper


@pytest.mark.parametrize(("told", "stop_s"), [(None, 10.0), (-1, -1.0), (0, 0.0)])
def test_stop_timeouts_have_a_default_and_an_end(
    tmp_path: Path, told: int | None, stop_s: float
) -> None:
    with served(tmp_path, says(INSPECTED | {"Config": {"StopTimeout": told}})) as address:
        assert Engine(address).container("web", LONG_S).stop_timeout_s == stop_s


def test_fifty_thousand_containers_are_only_many(tmp_path: Path) -> None:
    labels = {f"key{n}": "x" * 60 for n in range(10)}
    many = [LISTED | {"Id": f"{n:064x}", "Labels": labels} for n in range(50_000)]
    with served(tmp_path, says(many)) as address:
        assert len(Engine(address).containers(LONG_S)) == 50_000


LIES = [
    b"",
    b"OK",
    b"null",
    b"7",
    b'"text"',
    b'{"ServerVersion":',
    b"<html>hello</html>",
    b'{"message":"all is well"}',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'[{"Id":"x","Names":"web"}]',
    b'[{"Id":7}]',
    b'[{"Id":""}]',
    b'[{"Id":"x","State":null}]',
    b'[{"Id":"x","NetworkSettings":[]}]',
    b'[{"Id":"x","Image":"' + b"y" * 100_000 + b'"}]',
    b'[{"Id":"' + b"y" * 100_000 + b'"}]',
    *(
        json.dumps(INFO | wrong).encode()
        for wrong in (
            {"Containers": -3},
            {"NGoroutines": -1},
            {"NFd": -2},
            {"Images": 1 << 70},
            {"Images": 1.5},
            {"Containers": "7"},
            {"LiveRestoreEnabled": "yes"},
            {"DockerRootDir": "relative"},
            {"DockerRootDir": None},
            {"ServerVersion": "x" * 5000},
            {"Swarm": "on"},
        )
    ),
    *(
        json.dumps(INSPECTED | wrong).encode()
        for wrong in (
            {"State": {"Pid": -1}},
            {"State": None},
            {"HostConfig": {"RestartPolicy": "always"}},
            {"HostConfig": {"Links": "db"}},
            {"Config": {"StopTimeout": "10"}},
        )
    ),
]


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
def test_a_lie_is_garbled_and_never_a_crash(tmp_path: Path, lie: bytes) -> None:
    with served(tmp_path, saying(answer(lie))) as address:
        engine = Engine(address)
        calls: list[Callable[[], object]] = [
            lambda: engine.info(LONG_S),
            lambda: engine.containers(LONG_S),
            lambda: engine.container("web", LONG_S),
            lambda: engine.start_error("web", LONG_S),
        ]
        for call in calls:
            fault = fault_of(call)
            assert fault.fault is Fault.GARBLED
            assert len(fault.sentence) < 500
            assert fault.sentence.isprintable()


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ("404 Not Found", Fault.MISSING),
        ("403 Forbidden", Fault.DENIED),
        ("400 Bad Request", Fault.REFUSED),
        ("409 Conflict", Fault.REFUSED),
        ("500 Internal Server Error", Fault.REFUSED),
    ],
)
def test_a_refusal_is_told_in_the_daemons_words(tmp_path: Path, status: str, fault: Fault) -> None:
    body = json.dumps({"message": "no such\ncontainer: \x1b[31mweb"}).encode()
    with served(tmp_path, saying(answer(body, status))) as address:
        caught = fault_of(lambda: Engine(address).container("web", LONG_S))
    assert caught.fault is fault
    assert "no such container: [31mweb" in caught.sentence


def test_names_cannot_reach_other_paths(tmp_path: Path) -> None:
    seen: list[str] = []

    def note(connection: socket.socket) -> None:
        seen.append(request(connection)[1])
        connection.sendall(answer(json.dumps(INSPECTED).encode()))

    with served(tmp_path, note) as address:
        engine = Engine(address)
        for ident in ("", "a/b", "../info"):
            with pytest.raises(HostFault, match="can be called"):
                engine.container(ident, LONG_S)
        engine.container("a b?x#y%", LONG_S)
        engine.container("--help", LONG_S)
    assert seen == ["/containers/a%20b%3Fx%23y%25/json", "/containers/--help/json"]


def test_a_call_that_hangs_is_given_up_and_not_repeated_until_it_ends(tmp_path: Path) -> None:
    go_on = threading.Event()
    asked: list[str] = []

    def hang(connection: socket.socket) -> None:
        asked.append(request(connection)[1])
        go_on.wait(LONG_S)
        connection.sendall(answer(json.dumps(INFO).encode()))

    with served(tmp_path, hang) as address:
        engine = Engine(address)
        assert fault_of(lambda: engine.info(SOON_S)).fault is Fault.TIMEOUT
        began = time.monotonic()
        again = fault_of(lambda: engine.info(LONG_S))
        assert again.fault is Fault.TIMEOUT
        assert "still hangs since" in again.sentence
        assert time.monotonic() - began < LONG_S / 2
        eventually(lambda: asked == ["/info"])
        assert engine.hanging() == 1
        go_on.set()
        eventually(lambda: not engine.hanging())
        assert engine.info(LONG_S).version == "26.1.5"


def test_one_stuck_container_does_not_keep_us_from_the_others(tmp_path: Path) -> None:
    stuck = threading.Event()

    def one_hangs(connection: socket.socket) -> None:
        if "stuck" in request(connection)[1]:
            stuck.wait(LONG_S)
        connection.sendall(answer(json.dumps(INSPECTED).encode()))

    with served(tmp_path, one_hangs) as address:
        engine = Engine(address)
        assert fault_of(lambda: engine.container("stuck", SOON_S)).fault is Fault.TIMEOUT
        assert engine.container("web", LONG_S).name == "web"
        stuck.set()


def test_a_round_of_inspects_passes_over_what_is_no_container(tmp_path: Path) -> None:
    def answering(connection: socket.socket) -> None:
        while True:
            target = request(connection)[1]
            body = json.dumps(INSPECTED | {"Name": target.split("/")[2]}).encode()
            if "gone" in target:
                connection.sendall(kept(b'{"message": "No such container"}', "404 Not Found"))
            else:
                connection.sendall(kept(b"{}" if "garbled" in target else body))

    with served(tmp_path, answering) as address:
        round_ = Engine(address).inspects(["a", "gone", "garbled", "a/b", "b"], LONG_S)
        assert [each and each.name for each in round_] == ["a", None, None, "a%2Fb", "b"]


def kept(body: bytes, status: str = "200 OK") -> bytes:
    """An answer after which the connection goes on."""
    return answer(body, status).replace(b"Connection: close\r\n", b"")


def test_only_an_inspect_that_is_under_way_hangs(tmp_path: Path) -> None:
    stuck = threading.Event()

    def hangs(connection: socket.socket) -> None:
        request(connection)
        stuck.wait(LONG_S)

    with served(tmp_path, hangs) as address:
        engine = Engine(address)
        began = time.monotonic()
        names = [f"c{number}" for number in range(MAX_HANGING + 1)]
        for name in names:
            with pytest.raises(HostFault):
                engine.container(name, 0.01)
        since = [engine.hangs_since(name) for name in names]
        stuck.set()
        eventually(lambda: engine.hangs_since("c0") is None)
    assert all(each is not None and each >= began for each in since[:-1])
    assert since[-1] is None  # it was not tried: too many hang already


def test_making_an_engine_does_not_connect() -> None:
    Engine(Address("tcp", host="192.0.2.1", port=1))


PROFILE = b"""goroutine profile: total 9
5 @ 0x43c0ce 0x44c2a5
#\t0x44c2a4\tinternal/poll.runtime_pollWait+0x84\t\t/usr/lib/go/src/runtime/netpoll.go:345
#\t0xd2c8f1\tgithub.com/moby/buildkit/solver.(*scheduler).loop+0x1a1\tscheduler.go:104

3 @ 0x43c0ce 0x40b2ed
#\t0x1f1a6e7\tgithub.com/moby/buildkit/solver/llbsolver.(*Solver).Solve+0xbe7\tsolver.go:480
#\t0x1f5d0c4\tgithub.com/moby/buildkit/control.(*Controller).Solve+0x1624\tcontrol.go:440

1 @ 0x43c0ce 0x40b2ed
#\t0x1a0a9d8\tgithub.com/docker/docker/builder/dockerfile.(*BuildManager).Build+0x5b8\tbuilder.go:116
"""
"""As engines 20.10 to 28.5 write it, cut short."""
COPIES = b"""
2 @ 0x43c0ce 0x44c2a5
#\t0x1b6c4a4\tgithub.com/docker/docker/api/server/router/container.(*containerRouter).getContainersArchive+0x2a4\tcopy.go:100

1 @ 0x43c0ce 0x44c2a5
#\t0x1b6cca9\tgithub.com/docker/docker/api/server/router/container.(*containerRouter).putContainersArchive+0x109\tcopy.go:113

1 @ 0x43c0ce 0x44c2a5
#\t0x1b6d0f0\tgithub.com/docker/docker/daemon/images.(*ImageService).Changes+0xb2\timage_changes.go:19
#\t0x1b6d1a4\tgithub.com/docker/docker/api/server/router/container.(*containerRouter).getContainersChanges+0x64\tcontainer_routes.go:397
"""
PRUNE = b"""
1 @ 0x43c0ce 0x44c2a5
#\t0x1ea\tgithub.com/docker/docker/container.(*State).IsRunning+0x12\tstate.go:245
#\t0x1eb\tgithub.com/docker/docker/daemon.(*Daemon).ContainersPrune+0x39d\tprune.go:70
"""


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (PROFILE, Builds(4)),
        (PROFILE + COPIES, Builds(4, copies=4)),
        (PROFILE + PRUNE, Builds(4, prunes=1)),
        (PROFILE.partition(b"\n\n")[0], Builds(0)),
    ],
)
def test_builds_copies_and_prunes_are_counted_by_the_goroutines_that_drive_them(
    tmp_path: Path, body: bytes, seen: Builds
) -> None:
    with served(tmp_path, saying(answer(body))) as address:
        assert Engine(address).builds(LONG_S) == seen


STACKS = b"""goroutine 7 [sync.Mutex.Lock, 12 minutes]:
github.com/docker/docker/daemon.(*Daemon).ContainersPrune(0xc0007a2008, {0x55d0, 0xc002})
"""


@pytest.mark.parametrize(
    ("body", "ages", "asked", "stood_s"),
    [
        (PROFILE + PRUNE, True, 2, 720.0),
        (PROFILE + PRUNE, False, 1, 0.0),
        (PROFILE, True, 1, 0.0),  # no prune runs
        ((PROFILE + PRUNE).replace(b"total 9", b"total 20000"), True, 1, 0.0),  # too long a halt
    ],
)
def test_the_stacks_are_asked_for_only_where_a_prune_may_be_old(
    tmp_path: Path, body: bytes, ages: bool, asked: int, stood_s: float
) -> None:
    targets: list[str] = []

    def answering(connection: socket.socket) -> None:
        targets.append(request(connection)[1])
        connection.sendall(answer(STACKS if "debug=2" in targets[-1] else body))

    with served(tmp_path, answering) as address:
        assert Engine(address).builds(LONG_S, ages).pruning_s == stood_s
    assert len(targets) == asked


def test_a_list_of_goroutines_that_is_none_is_garbled(tmp_path: Path) -> None:
    with served(tmp_path, saying(answer(b"hello"))) as address:
        assert fault_of(lambda: Engine(address).builds(LONG_S)).fault is Fault.GARBLED
