"""The daemon's API: honest answers, lies, hangs and refusals, over a real socket."""

from __future__ import annotations

import datetime
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from dockerdoctor.errors import HostFault
from dockerdoctor.host.address import Address
from dockerdoctor.host.engine import Engine, agreed
from dockerdoctor.host.lanes import MAX_HANGING, Lanes
from dockerdoctor.host.view import Container, Pruned
from dockerdoctor.model import Fault
from tests.sockets import LONG_S, Answering, answer, request, saying, served

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


def routes(said: Mapping[str, bytes]) -> Answering:
    """Answers by the path's end; notes nothing, forgives nothing."""

    def answering(connection: socket.socket) -> None:
        method, target = request(connection)
        path = target.partition("?")[0]
        for end, data in said.items():
            if f"{method} {path}".endswith(end):
                connection.sendall(data)
                return
        connection.sendall(answer(b'{"message":"page not found"}', "404 Not Found"))

    return answering


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


@pytest.mark.parametrize(("told", "stop_s"), [(None, 10.0), (-1, math.inf), (0, 0.0)])
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
        assert (asked, engine.hanging()) == (["/info"], 1)
        go_on.set()
        while engine.hanging():
            time.sleep(0.01)
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


def test_a_call_that_meets_another_in_good_time_waits_for_its_turn() -> None:
    lanes = Lanes()
    entered, go_on = threading.Event(), threading.Event()

    def first() -> str:
        entered.set()
        go_on.wait(LONG_S)
        return "first"

    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(lanes.run("x", first, LONG_S)))
    thread.start()
    entered.wait(LONG_S)
    second = threading.Thread(
        target=lambda: results.append(lanes.run("x", lambda: "second", LONG_S))
    )
    second.start()
    go_on.set()
    thread.join(LONG_S)
    second.join(LONG_S)
    assert sorted(results) == ["first", "second"]


def test_a_crowd_of_hanging_calls_is_not_joined() -> None:
    lanes = Lanes()
    end = threading.Event()
    for number in range(MAX_HANGING):
        with pytest.raises(HostFault):
            lanes.run(f"call {number}", lambda: end.wait(LONG_S), 0.01)
    with pytest.raises(HostFault, match="16 other calls hang"):
        lanes.run("one more", lambda: None, LONG_S)
    end.set()


def test_what_the_work_raises_comes_out_in_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        Lanes().run("x", lambda: 1 / 0, LONG_S)


@pytest.mark.parametrize(
    ("spoken", "oldest", "newest", "used"),
    [
        ("1.41", "1.12", "1.45", "1.41"),
        ("1.51", "1.24", "1.45", "1.45"),
        ("1.52", "1.47", "1.45", "1.47"),
        ("1.52", "", "1.45", "1.45"),
        ("1.9", "1.5", "1.45", "1.9"),
    ],
)
def test_the_version_is_one_that_both_sides_know(
    spoken: str, oldest: str, newest: str, used: str
) -> None:
    assert agreed(spoken, oldest, newest) == used


def pruning(report: object, status: str = "200 OK", version: str = "1.41") -> dict[str, bytes]:
    pong = answer(b"OK", head=f"Api-Version: {version}\r\n")
    said = answer(json.dumps(report).encode(), status)
    return {"GET /_ping": pong, "GET /version": answer(b'{"MinAPIVersion":"1.24"}'), "/prune": said}


@pytest.mark.parametrize(
    ("what", "report", "count"),
    [
        ("images", {"ImagesDeleted": [{"Deleted": "sha256:a"}], "SpaceReclaimed": 9}, 1),
        ("build-cache", {"CachesDeleted": None, "SpaceReclaimed": 9}, 0),
        ("networks", {"NetworksDeleted": ["n"], "SpaceReclaimed": 9}, 1),
    ],
)
def test_a_prune_tells_what_it_gave_back(
    tmp_path: Path, what: str, report: object, count: int
) -> None:
    with served(tmp_path, routes(pruning(report))) as address:
        assert Engine(address).prune(what, 3600, LONG_S) == Pruned(what, count, 9)


def test_what_is_pruned_is_old_and_images_are_dangling(tmp_path: Path) -> None:
    targets: list[str] = []

    def note(connection: socket.socket) -> None:
        method, target = request(connection)
        if method == "POST":
            targets.append(target)
        connection.sendall(answer(b'{"SpaceReclaimed":0}'))

    with served(tmp_path, note) as address:
        for what in ("images", "build-cache", "networks"):
            Engine(address).prune(what, 7200.9, LONG_S)
    assert all("7200s" in target for target in targets)
    assert [target.split("?")[0] for target in targets] == [
        "/v1.41/images/prune",
        "/v1.41/build/prune",
        "/v1.41/networks/prune",
    ]
    assert "dangling%22%3A+%5B%22true" in targets[0]


def stopped(ago_s: float, policy: str = "no", status: str = "exited") -> dict[str, object]:
    ended = datetime.datetime.fromtimestamp(time.time() - ago_s, datetime.UTC)
    finished = ended.strftime("%Y-%m-%dT%H:%M:%S.123456789Z") if ago_s else "0001-01-01T00:00:00Z"
    return {
        "Id": "x",
        "State": {"Status": status, "FinishedAt": finished},
        "HostConfig": {"RestartPolicy": {"Name": policy}},
    }


def test_only_containers_that_nobody_wants_back_are_removed(tmp_path: Path) -> None:
    inspected = {
        "long-gone": stopped(7200),
        "stopped-just-now": stopped(60),
        "wanted": stopped(7200, policy="always"),
        "runs-again": stopped(7200, status="running"),
        "never-ended": stopped(0),
        "busy": stopped(7200),
    }
    removed: list[str] = []

    def daemon(connection: socket.socket) -> None:
        method, target = request(connection)
        url = urlsplit(target)
        ident = url.path.split("/")[3] if url.path.count("/") > 2 else ""
        if method == "DELETE":
            removed.append(f"{ident}?{url.query}")
            said = b"HTTP/1.1 204 No Content\r\n\r\n"
            connection.sendall(
                answer(b'{"message":"it runs"}', "409 No") if ident == "busy" else said
            )
        elif target == "/_ping":
            connection.sendall(answer(b"OK"))
        elif ident == "json":
            one = json.loads(parse_qs(url.query)["filters"][0]).get("id", list(inspected))
            lines = [{"Id": name, "Created": 1, "SizeRw": 5} for name in one]
            young = [] if len(one) == 1 else [{"Id": "young", "Created": int(time.time())}]
            connection.sendall(answer(json.dumps(lines + young).encode()))
        else:
            connection.sendall(answer(json.dumps(inspected[ident]).encode()))

    with served(tmp_path, daemon) as address:
        assert Engine(address).prune("containers", 3600, LONG_S) == Pruned("containers", 1, 5)
    assert removed == [
        "long-gone?v=False&link=False&force=False",
        "busy?v=False&link=False&force=False",
    ]


@pytest.mark.parametrize("what", ["volumes", "", "system"])
def test_volumes_are_never_pruned(what: str) -> None:
    with pytest.raises(HostFault) as caught:
        Engine(Address("unix", path="/nowhere")).prune(what, 0, LONG_S)
    assert caught.value.fault is Fault.BUG


def test_a_prune_under_way_is_said(tmp_path: Path) -> None:
    said = pruning({"message": "a prune operation is already running"}, "409 Conflict")
    with served(tmp_path, routes(said)) as address:
        fault = fault_of(lambda: Engine(address).prune("images", 0, LONG_S))
    assert fault.fault is Fault.REFUSED
    assert fault.sentence == "a prune is already running"


@pytest.mark.parametrize("report", [None, [], {"SpaceReclaimed": -1}, {"ImagesDeleted": 7}, "x"])
def test_a_report_that_makes_no_sense_is_garbled(tmp_path: Path, report: object) -> None:
    with served(tmp_path, routes(pruning(report))) as address:
        fault = fault_of(lambda: Engine(address).prune("images", 0, LONG_S))
    assert fault.fault is Fault.GARBLED


def test_an_action_on_a_daemon_that_is_not_there_says_so() -> None:
    engine = Engine(Address("unix", path="/nowhere/docker.sock"))
    assert fault_of(lambda: engine.start_container("web", LONG_S)).fault is Fault.MISSING
    assert fault_of(lambda: engine.prune("images", 0, LONG_S)).fault is Fault.MISSING


def test_a_start_goes_to_the_container_by_name(tmp_path: Path) -> None:
    said = pruning(None) | {"POST /v1.41/containers/web/start": b"HTTP/1.1 204 No Content\r\n\r\n"}
    with served(tmp_path, routes(said)) as address:
        Engine(address).start_container("web", LONG_S)
        assert fault_of(lambda: Engine(address).start_container("x", LONG_S)).fault is Fault.MISSING


def test_an_action_that_hangs_or_breaks_off_is_a_fault(tmp_path: Path) -> None:
    go_on = threading.Event()

    def hang(connection: socket.socket) -> None:
        method, _ = request(connection)
        if method == "POST":
            go_on.wait(LONG_S)
            return
        connection.sendall(answer(b"OK"))

    with served(tmp_path, hang) as address:
        engine = Engine(address)
        assert fault_of(lambda: engine.start_container("a", 1)).fault is Fault.TIMEOUT
        go_on.set()
        assert fault_of(lambda: engine.start_container("b", LONG_S)).fault is Fault.REFUSED


def test_a_new_daemon_is_met_on_ground_that_both_know_and_asked_anew_when_told(
    tmp_path: Path,
) -> None:
    pings: list[str] = []
    version = "1.99"

    def note(connection: socket.socket) -> None:
        _, target = request(connection)
        pings.append(target)
        if target == "/_ping":
            connection.sendall(answer(b"OK", head=f"Api-Version: {version}\r\n"))
        elif target == "/version":
            connection.sendall(answer(b'{"MinAPIVersion":"1.98"}'))
        else:
            connection.sendall(answer(b'{"SpaceReclaimed":0}'))

    with served(tmp_path, note) as address:
        engine = Engine(address)
        for _ in range(2):
            engine.prune("images", 0, LONG_S)
        assert (pings.count("/_ping"), pings.count("/version")) == (1, 1)
        assert pings[-1].startswith("/v1.98/images/prune")
        engine.forget()
        version = "1.41"
        engine.prune("images", 0, LONG_S)
        assert pings[-1].startswith("/v1.41/")


def test_making_an_engine_does_not_connect() -> None:
    Engine(Address("tcp", host="192.0.2.1", port=1))
