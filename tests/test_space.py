"""Around a full disk: how soon, what the rungs do, what the commands say."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from msgspec.structs import replace

from dockerdoctor.allowed import ANY, Allowed, Step
from dockerdoctor.declare import Scene
from dockerdoctor.errors import HostFault
from dockerdoctor.host import clock, imagestore
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.nouns import Container, DiskUse, Place
from dockerdoctor.host.storage.door import Door
from dockerdoctor.host.storage.facts import Kind, Removal, Usage
from dockerdoctor.imageuse import KEPT, Uses, begin, recalled
from dockerdoctor.model import Fault, Instant
from dockerdoctor.reclaim import carry_out, plan
from dockerdoctor.rungs import free_space_outside, prune
from dockerdoctor.store import Store
from tests.clirun import dockerdoctor, write_config
from tests.dataroot import DataRoot
from tests.fakehost import FakeHost, disk_use
from tests.sockets import LONG_S, answer, request, served
from tests.stock import DAY, MIB, box, image, survey
from tests.story import Story


def test_a_disk_that_fills_steadily_tells_how_soon() -> None:
    door = Door(None)
    seen = DiskUse(Path("/d"), 100_000, 50_000, 0.5, 0.1)
    for number in range(90):
        free = 50_000 - 10 * number
        seen = door.followed(replace(seen, free_bytes=free, full_in_s=None), number * 10.0)
    assert seen.full_in_s == pytest.approx(seen.free_bytes, rel=0.05)  # a byte each second


def test_a_disk_that_does_not_grow_or_was_emptied_tells_nothing() -> None:
    steps: list[Callable[[int], int]] = [
        lambda _: 50_000,
        lambda number: 10_000 + number,
        lambda number: 99_000 if number > 70 else 90_000 - 10 * number,
    ]
    for step in steps:
        door = Door(None)
        seen = DiskUse(Path("/d"), 100_000, 0, 0.5, 0.1)
        for number in range(90):
            free = step(number)
            seen = door.followed(replace(seen, free_bytes=free, full_in_s=None), number * 10.0)
            if number < 25:
                assert seen.full_in_s is None  # too short a time to tell
        assert seen.full_in_s is None


def full(host: FakeHost, used: float = 0.97) -> None:
    root = host.all_places[Place.DATA_ROOT]
    host.disks[root] = disk_use(root, used)


def test_the_rung_prune_ends_at_the_mark_and_touches_no_volume(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    full(host, 0.97)
    now = host.now().wall
    images = [image(f"i{number}", [f"l{number}"], now - (30 - number) * DAY) for number in range(9)]
    host.stock = survey(images, sizes={f"dir of {each.chains[0]}": 5 << 30 for each in images})
    told = prune.run(host, Scene(allowed=Allowed(anonymous_volumes=True)))
    assert host.disks[host.all_places[Place.DATA_ROOT]].used_ratio <= 0.80
    assert host.ledger == [f"remove image sha256:i{number}" for number in range(4)]
    assert told.says.startswith("4 × image; 20 GiB given back on the data-root")
    assert not told.futile


def test_a_prune_that_finds_nothing_says_so(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    full(host)
    host.stock = survey([image("young", ["l"], host.now().wall)])
    told = prune.run(host, Scene())
    assert told.futile
    assert host.ledger == []


def store_answer(target: str) -> bytes:
    """What engine 28 answers with containerd's image store (fields that are not used left out)."""
    old, new = "2024-05-01T00:00:00Z", "2026-11-01T00:00:00.5Z"
    two = {"Created": 1_700_000_000, "Size": 50 * MIB, "SharedSize": 20 * MIB}
    tags, kept = ["web:1", "web:2"], {"Labels": {"keep": "yes"}}
    answers: dict[str, object] = {
        imagestore.LIST: [
            {"Id": "sha256:1", **two, "Size": 60 * MIB},
            *({"Id": "sha256:2", "RepoTags": [tag], **two} for tag in tags),
            {"Id": "sha256:3", "RepoTags": [], "RepoDigests": [], **two, "SharedSize": -1},
        ],
        imagestore.CACHE: {"BuildCache": [{"Size": MIB}, {"Size": MIB, "InUse": True}]},
        "/images/sha256%3A1/json": {"Metadata": {"LastTagTime": old}, "Config": kept},
        "/images/sha256%3A2/json": {"Metadata": {"LastTagTime": new}, "RepoTags": tags},
        "/images/sha256%3A3/json": {"Metadata": {"LastTagTime": "0001-01-01T00:00:00Z"}},
    }
    return json.dumps(answers[target]).encode()


def test_without_a_layer_database_the_daemon_tells_of_its_images() -> None:
    empty = replace(survey(), driver="overlay2")
    found = imagestore.with_images(empty, store_answer)
    assert found.images["sha256:1"].kept
    assert found.images["sha256:2"].tags == ("web:1", "web:2")
    assert found.images["sha256:2"].touched > found.images["sha256:3"].touched == 1.7e9
    sizes = {name: tree.usage.bytes // MIB for name, tree in found.trees.items()}
    assert sizes == {"sha256:1": 40, "sha256:2": 30, "sha256:3": 0, "build cache": 1}
    use = DiskUse(Path("/d"), 100 * MIB, MIB, 0.99, 0.1, 1000)
    told = plan(found, use, Allowed(grace_s=0.0, orphans=True), {}, 1.9e9)
    assert [step.name for step in told.steps] == ["3", "(oldest first)", "web:1 (and 1 more)"]


def test_the_images_of_the_list_are_told_once_each_the_largest_first() -> None:
    first, second, third = imagestore.stored(store_answer(imagestore.LIST))
    assert (first.id, first.bytes, first.shared) == ("sha256:1", 60 * MIB, 20 * MIB)
    assert (second.tags, third.tags) == (("web:1", "web:2"), ())
    assert third.shared is None


@pytest.mark.parametrize("body", [b"", b"{", b"[{}]", b'[{"Id": 5}]', b'[{"Id":"a","Size":-1}]'])
def test_a_daemon_that_lies_about_its_images_is_a_fault(body: bytes) -> None:
    with pytest.raises(HostFault) as caught:
        imagestore.with_images(survey(), lambda _: body)
    assert caught.value.fault is Fault.GARBLED


def test_logs_are_cut_without_the_daemon_only_where_that_is_allowed(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    full(host)
    one = image("a", ["a"], 0.0)
    long = box("long", one, "running", 0.0, log_driver="json-file")
    bounded = box("bounded", one, "running", 0.0, log_driver="json-file", log_rotates=True)
    host.stock = survey([one], [long, bounded], logs={"long": 50 * MIB, "bounded": 50 * MIB})
    assert "[disk] allows neither" in free_space_outside.useless(Scene())
    scene = Scene(allowed=Allowed(cut_logs=True))
    assert free_space_outside.useless(scene) == ""
    told = free_space_outside.run(host, scene)
    assert host.ledger == ["remove log long"]
    assert "log of long" in told.says


def test_when_images_were_used_is_kept_over_a_restart(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "record.sqlite", Instant(1000.0, 0.0))
    uses = Uses(store)
    uses.see([Container("1", "a", "running", image="web")], 1000.0)
    uses.see([Container("1", "a", "running", image="web")], 1100.0)
    assert Uses(store).last == {"web": 1000.0}  # written each hour
    assert uses.last == {"web": 1100.0}
    uses.see([Container("2", "b", "running", image="db")], 1200.0)
    assert Uses(store).last == {"web": 1100.0, "db": 1200.0}
    many = [Container(str(n), str(n), "running", image=f"i{n}") for n in range(KEPT + 50)]
    uses.see(many, 2000.0)
    assert len(Uses(store).last) == KEPT
    store.shut()


def test_before_the_watch_began_any_image_with_a_name_may_have_been_used(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "record.sqlite", Instant(1000.0, 0.0))
    began = 1_700_000_000.0
    for now in (began, began + DAY):
        begin(store, now)
    uses = Uses(store)
    uses.see([Container(str(n), str(n), "running", image=f"i{n}") for n in range(KEPT)], began)
    named = [image("nightly", ["n"], 0.0), image("a-later", ["l"], 1.0)]
    found = survey([*named, image("", ["d"], 0.0, tagged=False)])
    use = DiskUse(Path("/d"), 100 * MIB, MIB, 0.99, 0.1, 1000)

    def goes(now: float) -> list[str]:
        steps = plan(found, use, Allowed(), Uses(store).last, now).steps
        return [step.what.ident for step in steps]

    assert goes(began + DAY - 1) == ["sha256:"]
    assert goes(began + DAY + 1) == ["sha256:", "sha256:nightly", "sha256:a-later"]
    assert ANY not in recalled(store), "who reclaims by hand sees the plan"
    begin(store, began - DAY)  # the clock was wrong
    assert goes(began + 1) == ["sha256:", "sha256:nightly", "sha256:a-later"]
    store.shut()


def test_images_of_containers_that_nobody_saw_are_known_from_events(tmp_path: Path) -> None:
    story = Story(tmp_path)
    then = story.host.now().wall - 600
    story.host.used_images = {"docker.io/library/cron:1": then, "0123abcd": then}
    story.goes_on_for(60)
    kept = recalled(story.store)
    assert kept == {"cron:1": then, "0123abcd": then}
    cron, short = image("cron", ["c"]), image("0123abcd" * 8, ["s"], tagged=False)
    found = survey([replace(cron, tags=("cron:1",)), short, image("idle", ["i"])])
    use = DiskUse(Path("/d"), 100 * MIB, MIB, 0.99, 0.1, 1000)
    told = plan(found, use, Allowed(), kept, story.host.now().wall)
    assert [step.name for step in told.steps] == ["idle:latest"]


def test_what_is_used_while_a_disk_is_full_is_known_to_be_used(tmp_path: Path) -> None:
    """For days, where nothing could be given back and nobody came."""
    story = Story(tmp_path)
    full(story.host)
    story.goes_on_for(1200)
    assert [each.rule for each in story.incidents] == ["disk-full"]
    then = story.host.now().wall
    story.host.used_images = {"cron:1": then}
    story.goes_on_for(60)
    assert recalled(story.store)["cron:1"] == then
    assert story.watch.scene().image_use["cron:1"] == then


# The daemon's answers when one thing is to be removed.


def asked(
    directory: Path, said: dict[str, object], what: Removal, version: str = "1.43"
) -> tuple[str, list[str]]:
    """Why it stays, and what was removed or pruned, with a daemon that says so."""
    acts: list[str] = []

    def speak(connection: socket.socket) -> None:
        method, target = request(connection)
        path = target.partition(f"/v{version}")[2]
        if method in ("DELETE", "POST"):
            acts.append(unquote(path))
        for part, body in said.items():
            if method == "GET" and part in unquote(target):
                connection.sendall(answer(json.dumps(body).encode()))
                return
        head = f"Api-Version: {version}\r\n"
        gone = method == "GET" and "/_ping" not in target
        status = "404 Not Found" if gone else "200 OK"
        connection.sendall(answer(b'{"message":"none"}' if gone else b"{}", status, head))

    with served(directory, speak) as address:
        return Engine(address).remove(what, LONG_S), acts


def removal(kind: Kind, ident: str, **more: Any) -> Removal:
    """With a grace time that began in 2027."""
    return Removal(kind, ident, 1_800_000_000.0, **more)


LONG_AGO = "2020-01-01T00:00:00Z"
LATELY = "2029-01-01T00:00:00Z"
IMAGE = "sha256:" + "a" * 64
VOLUME = "b" * 64


def about_image(**more: Any) -> dict[str, object]:
    told = {"Id": IMAGE, "RepoTags": ["web:1"], "RepoDigests": [], "Config": {"Labels": None}}
    return {**told, "Metadata": {"LastTagTime": LONG_AGO}, **more}


@pytest.mark.parametrize(
    ("image_now", "users", "why", "acts"),
    [
        (about_image(), [], "", ["/images/web:1?force=False&noprune=False"]),
        (about_image(RepoTags=["web:1", "other:2"]), [], "another name", []),
        (about_image(RepoTags=[]), [], "", [f"/images/{IMAGE}?force=False&noprune=False"]),
        (about_image(Metadata={"LastTagTime": LATELY}), [], "tagged since", []),
        (about_image(Config={"Labels": {"keep": ""}}), [], "label", []),
        (about_image(), [{"Id": "c" * 64}], "used by 1", []),
    ],
)
def test_an_image_goes_only_if_all_is_as_it_was_planned(
    tmp_path: Path, image_now: object, users: object, why: str, acts: list[str]
) -> None:
    said: dict[str, object] = {"/images/": image_now, "/containers/json": users}
    told, done = asked(tmp_path, said, removal(Kind.IMAGE, IMAGE, tags=("web:1",)))
    assert (why in told, bool(told)) == (True, bool(why))
    assert [act.lower() for act in done] == [act.lower() for act in acts]


def test_an_image_that_is_taken_while_it_is_removed_keeps_all_its_names(tmp_path: Path) -> None:
    acts: list[str] = []

    def speak(connection: socket.socket) -> None:
        method, target = request(connection)
        path = unquote(target.partition("/v1.43")[2])
        if method != "GET":
            acts.append(f"{method} {path.partition('&')[0].partition('?force')[0]}")
        if len(acts) == 2 and method == "DELETE":
            message = b'{"message":"conflict: unable to remove repository reference"}'
            connection.sendall(answer(message, "409 Conflict"))
        elif method == "POST":
            connection.sendall(answer(b"", "201 Created"))
        else:
            users = "/containers/json" in target
            told = [] if users else about_image(RepoTags=["host:5000/web:1", "web:2"])
            connection.sendall(answer(json.dumps(told).encode(), head="Api-Version: 1.43\r\n"))

    names = ("host:5000/web:1", "web:2")
    with served(tmp_path, speak) as address:
        told = Engine(address).remove(removal(Kind.IMAGE, IMAGE, tags=names), LONG_S)
    assert "is in use" in told
    assert sorted(acts[:2]) == [f"DELETE /images/{name}" for name in names]
    assert acts[2:] == [f"POST /images/{IMAGE}/tag?tag={acts[0][-1]}"]


def test_a_dangling_image_goes_by_its_id(tmp_path: Path) -> None:
    said: dict[str, object] = {"/images/": about_image(RepoTags=[]), "/containers/json": []}
    told, done = asked(tmp_path, said, removal(Kind.DANGLING, IMAGE))
    assert told == ""
    assert len(done) == 1
    assert done[0].startswith(f"/images/{IMAGE}?")


def test_a_name_that_a_full_disk_keeps_from_being_written_off_is_no_reason_to_stay(
    tmp_path: Path,
) -> None:
    """As 20.10, 26.1 and 28.5 do it: the name is forgotten, the call fails, the image stays."""
    names, acts = ["web:1", "web:2"], []

    def speak(connection: socket.socket) -> None:
        method, target = request(connection)
        name = unquote(target).partition("?")[0].partition("/images/")[2]
        body, status = b"{}", "200 OK"
        if method == "DELETE":
            acts.append(name)
            if name in names:
                names.remove(name)
                body = b'{"message":"write .tmp-repositories.json1: no space left on device"}'
                status = "500 Internal Server Error"
        elif "/containers/json" in target:
            body = b"[]"
        elif name:
            body = json.dumps(about_image(RepoTags=names)).encode()
        connection.sendall(answer(body, status, "Api-Version: 1.43\r\n"))

    with served(tmp_path, speak) as address:
        what = removal(Kind.IMAGE, IMAGE, tags=("web:1", "web:2"))
        assert Engine(address).remove(what, LONG_S) == ""
    assert acts == ["web:1", "web:2", IMAGE]


def test_a_name_that_another_image_has_got_meanwhile_stays_with_that_one(tmp_path: Path) -> None:
    """A build that ends while an old image's names are taken from it, one after the other."""
    ours, theirs = ["web:1", "web:2"], "sha256:" + "d" * 64
    acts: list[str] = []

    def speak(connection: socket.socket) -> None:
        method, target = request(connection)
        name = unquote(target).partition("?")[0].partition("/images/")[2].removesuffix("/json")
        body = b"{}"
        if method == "DELETE":
            acts.append(name)
            ours.clear()
        elif "/containers/json" in target:
            body = b"[]"
        elif name:
            mine = name == IMAGE or name in ours
            body = json.dumps(about_image(Id=IMAGE if mine else theirs, RepoTags=ours)).encode()
        connection.sendall(answer(body, head="Api-Version: 1.43\r\n"))

    with served(tmp_path, speak) as address:
        what = removal(Kind.IMAGE, IMAGE, tags=("web:1", "web:2"))
        assert Engine(address).remove(what, LONG_S) == ""
    assert acts == ["web:1", IMAGE]


@pytest.mark.parametrize(
    ("state", "policy", "labels", "goes"),
    [
        ({"Status": "exited", "FinishedAt": LONG_AGO}, "no", {}, True),
        ({"Status": "running", "FinishedAt": LONG_AGO}, "no", {}, False),
        ({"Status": "exited", "FinishedAt": LATELY}, "no", {}, False),
        ({"Status": "exited", "FinishedAt": "0001-01-01T00:00:00Z"}, "no", {}, False),
        ({"Status": "exited", "FinishedAt": LONG_AGO}, "unless-stopped", {}, False),
        ({"Status": "exited", "FinishedAt": LONG_AGO}, "no", {"dockerdoctor.keep": "1"}, False),
    ],
)
def test_a_container_goes_only_if_it_is_litter_still(
    tmp_path: Path, state: object, policy: str, labels: object, goes: bool
) -> None:
    about = {
        "State": state,
        "HostConfig": {"RestartPolicy": {"Name": policy}},
        "Config": {"Labels": labels},
    }
    told, done = asked(tmp_path, {"/containers/": about}, removal(Kind.CONTAINER, "c" * 64))
    assert bool(told) is not goes
    assert [act.lower() for act in done] == (
        [f"/containers/{'c' * 64}?v=false&link=false&force=false"] if goes else []
    )


@pytest.mark.parametrize(
    ("name", "about", "version", "goes"),
    [
        (VOLUME, {"Labels": {"com.docker.volume.anonymous": ""}}, "1.43", True),
        (VOLUME, {"Labels": None}, "1.43", False),
        (VOLUME, {"Labels": None}, "1.41", True),
        (VOLUME, {"Labels": {"keep": "yes"}}, "1.41", False),
        (VOLUME, {"Labels": {"backup": "yes"}}, "1.41", False),
        (VOLUME, {"Labels": {"com.docker.volume.anonymous": "", "backup": ""}}, "1.43", False),
        (VOLUME, {"Driver": "nfs"}, "1.41", False),
        (VOLUME, {"Options": {"device": "/x"}}, "1.41", False),
        ("precious", {"Labels": {"com.docker.volume.anonymous": ""}}, "1.43", False),
    ],
)
def test_a_volume_goes_only_if_it_has_no_name(
    tmp_path: Path, name: str, about: dict[str, object], version: str, goes: bool
) -> None:
    told = {"Name": name, "Driver": "local", "Labels": None, "Options": None, **about}
    why, done = asked(tmp_path, {"/volumes/": told}, removal(Kind.VOLUME, name), version)
    assert bool(why) is not goes
    assert len(done) == int(goes)


def test_of_the_build_cache_only_the_old_and_no_more_than_needed_goes(tmp_path: Path) -> None:
    told, done = asked(tmp_path, {}, removal(Kind.CACHE, "build cache", keep_bytes=12345))
    assert told == ""
    assert len(done) == 1
    assert "keep-storage=12345" in done[0]
    assert "until" in done[0]


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ("removal of container c1 is already in progress", True),
        ("a prune operation is already running", True),
        ("You cannot remove a running container c1", False),
    ],
)
def test_somebody_elses_removal_is_waited_for_and_what_is_in_use_is_not(
    tmp_path: Path, said: str, waits: bool
) -> None:
    old = {"Status": "exited", "FinishedAt": LONG_AGO}
    about = {"State": old, "HostConfig": {}, "Config": {}}

    def speak(connection: socket.socket) -> None:
        method, target = request(connection)
        if method == "DELETE":
            refusal = json.dumps({"message": said}).encode()
            connection.sendall(answer(refusal, "409 Conflict"))
        else:
            head = "Api-Version: 1.43\r\n"
            body = b"OK" if "/_ping" in target else json.dumps(about).encode()
            connection.sendall(answer(body, "200 OK", head))

    what = removal(Kind.CONTAINER, "c" * 64)
    with served(tmp_path, speak) as address:
        if waits:
            with pytest.raises(HostFault, match=said):
                Engine(address).remove(what, LONG_S)
            host = FakeHost(tmp_path)
            host.faults["remove"] = HostFault(Fault.REFUSED, f"the daemon says (409): {said}")
            steps = [Step(what, name, Usage(), 0.0, "") for name in ("one", "two")]
            began = host.now().mono
            done = carry_out(steps, host, lambda: False)
            assert ["waited for" in each.why for each in done] == [True, True]
            assert host.now().mono - began <= 61  # not a minute for each
        else:
            assert "is in use" in Engine(address).remove(what, LONG_S)


def test_what_is_gone_already_is_no_failure(tmp_path: Path) -> None:
    told, done = asked(tmp_path, {}, removal(Kind.IMAGE, IMAGE, tags=("web:1",)))
    assert (told, done) == ("is gone already", [])


# The commands, as real processes; no daemon answers.


@pytest.fixture
def config(tmp_path: Path) -> Path:
    root = DataRoot(tmp_path / "docker")
    web = root.image("web:1", {"base": MIB, "web": 2 * MIB}, 1.6e9)
    root.container("one", web, "running", wrote=MIB, logged=3 * MIB, volumes=["precious"])
    root.image("old:1", {"old": 4 * MIB}, 1.6e9)
    root.volume("precious", MIB)
    path = write_config(tmp_path)
    text = path.read_text().replace(f'data_root = "{tmp_path}"', f'data_root = "{root.path}"')
    path.write_text(text)
    return path


def test_disk_tells_what_eats_it_while_no_daemon_answers(config: Path) -> None:
    ran = dockerdoctor("disk", config=config)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"data-root {config.parent}/docker: 12 MiB in ")
    assert "image layers" in lines[4]
    assert "old:1  (unused)" in ran.out
    assert "one  (json-file, no rotation)" in ran.out
    told = json.loads(dockerdoctor("disk", "--json", config=config).out)
    assert told["places"][0]["kind"] == "data-root"
    assert told["walked"] > 0


def test_images_of_containerds_store_have_names_while_the_daemon_answers(config: Path) -> None:
    blob = config.parent / "docker/containerd/daemon/content/blob"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"x" * 9 * MIB)

    def speak(connection: socket.socket) -> None:
        _, target = request(connection)
        named = target.startswith("/images/json")
        connection.sendall(answer(store_answer(imagestore.LIST) if named else b"OK"))

    with served(config.parent, speak) as address:
        text = config.read_text().replace(f"unix://{config.parent}/docker.sock", str(address))
        config.write_text(text)
        said = dockerdoctor("disk", config=config).out
        assert said.splitlines()[-4:] == [
            "    UNIQUE     SHARED  IMAGE",
            "    40 MiB     20 MiB  1  (unused)",
            "    30 MiB     20 MiB  web:1 (and 1 more)  (unused)",
            "         ?          ?  3  (unused)",
        ]
        told = json.loads(dockerdoctor("disk", "--json", config=config).out)
        assert [each["bytes"] // MIB for each in told["images"]] == [60, 50, 50]
        assert told["places"][0]["bytes"] < 60 * MIB  # they are in no sum
    ran = dockerdoctor("disk", config=config)
    assert (ran.code, "containerd's store" in ran.out) == (0, True)
    assert "only the daemon knows the names of containerd's images" in ran.out


def test_a_watchdog_puts_down_since_when_it_watches(config: Path) -> None:
    assert dockerdoctor("watch", "--once", config=config).code == 0
    store = Store.open(config.parent / "state/record.sqlite", Instant(1.8e9, 0.0))
    assert Uses(store).last[ANY] == pytest.approx(clock.now().wall, abs=LONG_S)
    store.shut()


def test_a_plan_is_shown_and_nothing_is_done(config: Path) -> None:
    ran = dockerdoctor("disk", "reclaim", "--to", "1%", config=config)
    assert ran.code == 0, ran.err
    assert "image old:1" in ran.out
    assert "web:1" not in ran.out
    assert "Named volumes are never touched" in ran.out
    assert "it has no container" in ran.out
    assert "only what needs no daemon would now be removed" in ran.err
    told = json.loads(dockerdoctor("disk", "reclaim", "--to", "1%", "--json", config=config).out)
    assert [step["name"] for step in told["plan"]["steps"]] == ["old:1"]
    said = dockerdoctor("disk", "reclaim", "--plan", "--to", "1%", "--json", config=config)
    assert json.loads(said.out).keys() == {"schema_version", "plan"}
    assert dockerdoctor("disk", "reclaim", "--plan", "--apply", config=config).code == 64
    assert not (config.parent / "state/record.sqlite").exists()


def test_nothing_is_removed_without_a_yes_nor_without_a_daemon(config: Path) -> None:
    assert dockerdoctor("disk", "reclaim", "--to", "1%", "--apply", config=config).code == 64
    ran = dockerdoctor("disk", "reclaim", "--to", "1%", "--apply", "--yes", config=config)
    assert ran.code == 69
    assert dockerdoctor("disk", "reclaim", "--to", "110%", config=config).code == 64
    assert dockerdoctor("disk", "reclaim", "--to", "much", config=config).code == 64


def test_a_log_is_cut_by_name_and_only_with_a_yes(config: Path) -> None:
    shown = dockerdoctor("disk", "logs", "--for", "0", config=config)
    assert shown.out.splitlines()[1].split()[:3] == ["one", "3", "MiB"]
    assert dockerdoctor("disk", "logs", "--cut", "one", config=config).code == 64
    assert dockerdoctor("disk", "logs", "--cut", "none", "--yes", config=config).code == 64
    told = dockerdoctor("disk", "logs", "--cut", "one", "--yes", "--json", config=config)
    assert (told.code, told.out) == (64, "")
    ran = dockerdoctor("disk", "logs", "--cut", "one", "--keep", "1MiB", "--yes", config=config)
    assert ran.code == 0
    assert ran.out.startswith("log of one: cut, ")  # others write to the same disk meanwhile


def test_no_log_is_cut_by_an_id_that_may_be_several_containers(config: Path) -> None:
    homes = config.parent / "docker/containers"
    (home,) = homes.iterdir()
    alike = home.name[:8] + "0" * 56
    shutil.copytree(home, homes / alike)
    (homes / alike / f"{home.name}-json.log").rename(homes / alike / f"{alike}-json.log")
    told = json.loads((home / "config.v2.json").read_text())
    (homes / alike / "config.v2.json").write_text(json.dumps({**told, "ID": alike, "Name": "/b"}))
    act = ("disk", "logs", "--keep", "1MiB", "--yes", "--cut")
    ran = dockerdoctor(*act, home.name[:4], config=config)
    assert (ran.code, "2 containers have ids" in ran.err) == (64, True)
    assert dockerdoctor(*act, home.name[:9], config=config).code == 0


def test_a_data_root_that_is_none_is_said(tmp_path: Path) -> None:
    ran = dockerdoctor("disk", config=write_config(tmp_path))
    assert ran.code == 69
    assert "does not look like a data-root" in ran.err
