"""The engine's side against a real, private dockerd: what sockets of our own cannot prove."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

from dockerdoctor import aftermath
from dockerdoctor.errors import HostFault
from dockerdoctor.host import goroutines, http, peers
from dockerdoctor.host.address import parse
from dockerdoctor.host.canary import LABEL, Canary
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.events import EventWatch
from dockerdoctor.host.nouns import CANARY
from dockerdoctor.host.storage import orphans
from dockerdoctor.host.storage.facts import Kind, Removal
from dockerdoctor.model import Fault
from dockerdoctor.signatures import client_error
from tests.baredaemon import PATIENCE_S, BareDaemon, bare_daemon, require_engine
from tests.sockets import eventually

IMAGE = "bench:1"
CALLS = 20
INFO = "systemRouter).getInfo+"
WATCHED = "net/http.(*connReader).backgroundRead+"
"""A goroutine of each request under way: it waits for the client to hang up."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareDaemon]:
    require_engine()
    archive = image()
    with bare_daemon(tmp_path_factory.mktemp("e", numbered=True)) as running:
        eventually(lambda: answers(running), PATIENCE_S)
        client(running).import_image_from_data(archive, repository=IMAGE)
        yield running
        for line in client(running).containers(all=True):
            client(running).remove_container(line["Id"], force=True)


def image() -> bytes:
    """An image's only layer, as a tar."""
    if not (busybox := shutil.which("busybox")):
        pytest.skip("busybox (Debian: busybox-static) is needed for an image")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(Path(busybox).resolve(), "bin/busybox")
        for name in ("sleep", "true"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return data.getvalue()


def answers(running: BareDaemon) -> bool:
    try:
        return Engine(parse(f"unix://{running.socket}")).ping(5).status == 200
    except HostFault:
        return False


def client(running: BareDaemon) -> docker.APIClient:
    return docker.APIClient(f"unix://{running.socket}", version="auto", timeout=int(PATIENCE_S))


@pytest.fixture
def engine(daemon: BareDaemon) -> Engine:
    return Engine(parse(f"unix://{daemon.socket}"))


@pytest.fixture
def make(daemon: BareDaemon) -> Iterator[Callable[..., str]]:
    """Creates containers, and removes them after the test."""
    made: list[str] = []
    api = client(daemon)

    def create(name: str, *command: str, network: str = "none", restart: str = "no") -> str:
        host = api.create_host_config(network_mode=network, restart_policy={"Name": restart})
        made.append(name)
        ident = api.create_container(IMAGE, list(command), name=name, host_config=host)["Id"]
        return str(ident)

    yield create
    for name in made:
        with contextlib.suppress(docker.errors.NotFound):
            api.remove_container(name, force=True)


def test_a_real_daemon_is_seen_as_it_is(engine: Engine, make: Callable[..., str]) -> None:
    ident = make("web", "sleep", "1000", restart="always")
    engine.start_container("web", PATIENCE_S)
    engine.start_container("web", PATIENCE_S)  # nothing happens to one that runs
    info = engine.info(PATIENCE_S)
    assert info.data_root.is_absolute()
    assert (info.running, info.containers) == (1, 1)
    assert info.goroutines > 0
    (listed,) = engine.containers(PATIENCE_S)
    assert (listed.id, listed.name, listed.state) == (ident, "web", "running")
    web = engine.container("web", PATIENCE_S)
    assert (web.restart_policy, web.state) == ("always", "running")
    assert Path(f"/proc/{web.pid}").exists()
    with pytest.raises(HostFault) as caught:
        engine.start_container("nobody", PATIENCE_S)
    assert caught.value.fault is Fault.MISSING


def test_many_are_inspected_over_one_connection_and_nobody_waits_in_a_daemon_at_rest(
    engine: Engine, make: Callable[..., str]
) -> None:
    idents = [make(f"one-{number}", "true") for number in range(3)]
    told = engine.inspects([idents[0], "nobody", *idents[1:]], PATIENCE_S)
    assert [each and each.name for each in told] == ["one-0", None, "one-1", "one-2"]
    eventually(lambda: engine.waiting(PATIENCE_S) == 0, PATIENCE_S)


def test_a_copy_that_nobody_reads_holds_its_containers_lock_and_is_counted(
    daemon: BareDaemon, engine: Engine, make: Callable[..., str]
) -> None:
    make("copied", "sleep", "1000")
    engine.start_container("copied", PATIENCE_S)
    with socket.socket(socket.AF_UNIX) as client_of_cp:
        client_of_cp.connect(str(daemon.socket))
        target = "/containers/copied/archive?path=/bin/busybox"
        client_of_cp.sendall(http.request_bytes("GET", target))
        eventually(lambda: engine.builds(PATIENCE_S).copies == 1)
        eventually(lambda: is_late(engine, "copied"))
        assert engine.builds(PATIENCE_S).copies == 1
    eventually(lambda: engine.builds(PATIENCE_S).copies == 0)
    eventually(lambda: not is_late(engine, "copied"))


def is_late(engine: Engine, name: str) -> bool:
    try:
        engine.container(name, 1.0)
    except HostFault as fault:
        return fault.fault is Fault.TIMEOUT
    return False


@pytest.fixture
def hung_containerd(daemon: BareDaemon, engine: Engine) -> Iterator[None]:
    containerd = peers.listener(daemon.containerd_socket)
    assert containerd is not None
    os.kill(containerd.pid, signal.SIGSTOP)
    try:
        eventually(lambda: stands_still(containerd.pid))
        yield
    finally:
        os.kill(containerd.pid, signal.SIGCONT)
    eventually(lambda: under_way(engine, INFO) == 0)


def stands_still(pid: int) -> bool:
    """Whether it has stopped: each thread does when its turn comes, and answers until then."""
    with contextlib.suppress(OSError):  # one of them has ended meanwhile
        threads = Path(f"/proc/{pid}/task").iterdir()
        return all(") T " in (each / "stat").read_text() for each in threads)
    return False


@pytest.mark.usefixtures("hung_containerd")
@pytest.mark.parametrize("lasts", [False, True])
def test_the_daemon_notices_who_hangs_up_whatever_he_said_of_his_connection(
    daemon: BareDaemon, engine: Engine, lasts: bool
) -> None:
    with contextlib.ExitStack() as links:
        for _ in range(CALLS):
            link = links.enter_context(socket.socket(socket.AF_UNIX))
            link.connect(str(daemon.socket))
            link.sendall(http.request_bytes("GET", "/info", lasts=lasts))
        eventually(lambda: under_way(engine, WATCHED) >= CALLS)
        eventually(lambda: under_way(engine, INFO) == CALLS)
    eventually(lambda: under_way(engine, WATCHED) < CALLS)
    # 20.10 notices too, and goes on: there /info asks containerd whether or not anybody waits.
    server = engine.ask("ping", "GET", "/_ping", PATIENCE_S).head.headers["server"]
    goes_on = server.startswith("Docker/20.10.")
    eventually(lambda: under_way(engine, INFO) == (CALLS if goes_on else 0))


@pytest.mark.usefixtures("hung_containerd")
def test_a_call_that_was_given_up_on_stays_the_only_one_of_its_kind_in_the_daemon(
    engine: Engine,
) -> None:
    for _ in range(CALLS):
        with pytest.raises(HostFault) as caught:
            engine.info(0.1)
        assert caught.value.fault is Fault.TIMEOUT
    eventually(lambda: under_way(engine, INFO) == 1)


def under_way(engine: Engine, mark: str) -> int:
    """How many goroutines of the daemon have this on their stacks."""
    profile = engine.ask("goroutines", "GET", goroutines.TARGET, PATIENCE_S).body.decode()
    blocks = (each for each in profile.split("\n\n") if mark in each)
    return sum(int(found[1]) for each in blocks if (found := re.search(r"^(\d+) @ ", each, re.M)))


def test_who_shares_a_network_needs_the_other_by_its_id(
    engine: Engine, make: Callable[..., str]
) -> None:
    owner = make("owner", "sleep", "1000")
    make("guest", "sleep", "1000", network="container:owner")
    guest = engine.container("guest", PATIENCE_S)
    ran = [guest, engine.container("owner", PATIENCE_S)]
    assert guest.links == (owner,)
    assert [each.name for each in aftermath.in_order(ran)] == ["owner", "guest"]


def test_a_daemon_that_finds_a_client_too_old_is_known_to_live(engine: Engine) -> None:
    answer = http.ask(engine.address, "GET", "/v1.0/_ping", PATIENCE_S)
    assert answer.head.status == 400
    assert http.is_docker(answer)
    found = client_error(answer.body.decode())
    assert found is not None
    assert found.name == "client-too-old"


def test_a_name_that_is_taken_is_told_to_the_client_in_words_that_are_known(
    daemon: BareDaemon, make: Callable[..., str]
) -> None:
    make("twice", "true")
    with pytest.raises(docker.errors.APIError) as caught:
        client(daemon).create_container(IMAGE, ["true"], name="twice")
    found = client_error(str(caught.value.explanation))
    assert found is not None
    assert found.name == "name-taken"


def test_a_container_that_ended_just_now_is_kept_and_an_old_one_is_not(
    engine: Engine, daemon: BareDaemon, make: Callable[..., str]
) -> None:
    for name, restart in (("done", "no"), ("wanted", "always")):
        make(name, "sleep", "1000", restart=restart)
        engine.start_container(name, PATIENCE_S)
        client(daemon).stop(name, timeout=0)

    def remove(name: str, ago_s: float) -> str:
        return engine.remove(Removal(Kind.CONTAINER, name, time.time() - ago_s), PATIENCE_S)

    assert remove("done", 3600)
    eventually(lambda: remove("done", 1) == "")
    assert remove("wanted", 1)
    assert [left.name for left in engine.containers(PATIENCE_S)] == ["wanted"]


def test_an_orphan_goes_and_all_that_a_real_engine_has_stays(
    daemon: BareDaemon, engine: Engine, make: Callable[..., str], tmp_path: Path
) -> None:
    if engine.info(PATIENCE_S).storage_driver != "overlay2":
        pytest.skip("another storage driver than overlay2 here")
    ident = make("web", "sleep", "1000")
    make("idle", "true")
    engine.start_container("web", PATIENCE_S)
    root, ahead = daemon.data_root, time.time() + 3600
    trees = root / "overlay2"
    before = {each.name for each in trees.iterdir()}
    data = client(daemon).inspect_container("web")["GraphDriver"]["Data"]
    lost = "0" * 64
    subprocess.run(["cp", "-a", str(Path(data["UpperDir"]).parent), str(trees / lost)], check=True)
    for name in before:
        assert orphans.remove(root, name, ahead, PATIENCE_S)
    assert orphans.remove(root, lost, ahead, PATIENCE_S) == ""
    assert {each.name for each in trees.iterdir()} == before
    # Its databases have lost the container that runs: its mount has not.
    places = [root / "containers" / ident, root / "image/overlay2/layerdb/mounts" / ident]
    for number, place in enumerate(places):
        shutil.move(place, tmp_path / str(number))
    try:
        own = Path(data["UpperDir"]).parent.name
        assert orphans.remove(root, own, ahead, PATIENCE_S) == "is mounted"
        shutil.move(tmp_path / "0", places[0])
        assert "is not known" in orphans.remove(root, own, ahead, PATIENCE_S)
    finally:
        for number, place in enumerate(places):
            if not place.exists():
                shutil.move(tmp_path / str(number), place)
    assert engine.container("web", PATIENCE_S).state == "running"


def test_starts_and_failures_of_a_real_daemon_are_told_across_its_death(
    daemon: BareDaemon, engine: Engine, make: Callable[..., str]
) -> None:
    api = client(daemon)
    watch = EventWatch(engine.address)
    tally = watch.tally
    try:
        eventually(lambda: tally().alive, PATIENCE_S)
        make("good", "sleep", "1000")
        api.start("good")
        make("bad", "no-such-command")
        make("shares", "no-such-command", network="container:good")
        for name in ("bad", "shares"):
            with pytest.raises(docker.errors.APIError):
                api.start(name)
        # `shares` leaves no event at all: only asking shows it.
        eventually(lambda: tally().failed_starts_total == 2, PATIENCE_S)
        assert [start.container for start in tally().starts] == ["good"]
        assert 0 < tally().starts[0].took_s < PATIENCE_S
        api.remove_container("good", force=True)  # else its stop would take 10 s
        process = daemon.process()
        assert process is not None
        os.kill(process.pid, signal.SIGTERM)
        eventually(lambda: not tally().alive and daemon.process() is None, PATIENCE_S)
        assert tally().fault
        daemon.start()
        eventually(lambda: tally().alive and tally().gaps_total >= 1, PATIENCE_S)
        make("later", "sleep", "1000")
        api.start("later")
        eventually(lambda: "later" in [start.container for start in tally().starts], PATIENCE_S)
        assert (tally().failed_starts_total, watch.garbled_total()) == (2, 0)
        assert set(watch.take_images()) == {IMAGE}
    finally:
        watch.stop()


def test_a_canary_comes_back_leaves_nothing_and_counts_for_nothing(
    daemon: BareDaemon, engine: Engine, make: Callable[..., str]
) -> None:
    api = client(daemon)
    watch = EventWatch(engine.address)
    canary = Canary(engine, daemon.process)
    try:
        eventually(lambda: watch.tally().alive, PATIENCE_S)
        for flown in (1, 2):  # the second one finds its image there
            canary.fly(PATIENCE_S)
            told = canary.flights()
            assert (told.why, told.total, told.failed) == ("", flown, 0)
            assert told.took_s is not None
            assert 0 < told.took_s < PATIENCE_S
        assert api.containers(all=True, filters={"name": CANARY}) == []
        make("good", "sleep", "1000")
        api.start("good")
        eventually(lambda: watch.tally().starts_total == 1, PATIENCE_S)
        assert [start.container for start in watch.tally().starts] == ["good"]
        assert watch.tally().failed_starts_total == 0
    finally:
        watch.stop()


def test_a_canary_removes_what_one_before_it_left_and_nobody_elses(
    daemon: BareDaemon, engine: Engine, make: Callable[..., str]
) -> None:
    api = client(daemon)
    canary = Canary(engine, daemon.process)
    canary.fly(PATIENCE_S)
    left = api.create_container(IMAGE, ["sleep", "1000"], name=CANARY, labels={LABEL: "1"})["Id"]
    api.start(left)
    canary.fly(PATIENCE_S)
    assert (canary.flights().total, canary.flights().failed) == (2, 0)
    make(CANARY, "sleep", "1000")
    canary.fly(PATIENCE_S)
    assert canary.flights().failed_in_a_row == 1
    assert "not ours" in canary.flights().why
    assert len(api.containers(all=True, filters={"name": CANARY})) == 1


def test_a_canary_that_a_restart_broke_off_says_nothing(daemon: BareDaemon, engine: Engine) -> None:
    processes = iter([daemon.process(), None])  # as seen before, and after
    canary = Canary(engine, lambda: next(processes))
    with contextlib.suppress(docker.errors.ImageNotFound):  # where this test runs alone
        client(daemon).remove_image(f"{CANARY}:1", force=True)
    canary.fly(0.0)
    assert (canary.flights().total, canary.flights().why) == (0, "")
