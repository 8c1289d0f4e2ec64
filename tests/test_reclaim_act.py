"""Between the plan and the act the world goes on: whatever appears, changes or is taken into use by
then stays, over random daemons and random changes. The daemon's answers come over a real socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockerdoctor.allowed import Allowed
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.nouns import COMES_BACK, DiskUse
from dockerdoctor.host.storage.facts import Box, Image, Removal, Survey, Usage, Volume
from dockerdoctor.reclaim import carry_out, plan
from tests.fakehost import FakeHost
from tests.sockets import LONG_S, answer, request, served
from tests.stock import DAY, MIB, NOW, OLD, box, image, survey

ALLOWED = Allowed(start_ratio=0.0, stop_ratio=0.01, grace_s=DAY, anonymous_volumes=True)
BEFORE = NOW - DAY
API = "/v1.43"


@dataclass
class Thing:
    """An image, a container or a volume of the daemon, and whether it is protected by now."""

    about: dict[str, object]
    uses: str = ""
    """Of a container: its image."""
    volumes: tuple[str, ...] = ()
    runs: bool = False
    protected: str = ""


@dataclass
class Played:
    """A daemon's part, as far as removals ask: it refuses what is in use, as the real one does."""

    images: dict[str, Thing] = field(default_factory=dict)
    containers: dict[str, Thing] = field(default_factory=dict)
    volumes: dict[str, Thing] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def __call__(self, connection: socket.socket) -> None:
        method, target = request(connection)
        url = urlsplit(target)
        words = unquote(url.path.removeprefix(API)).strip("/").removesuffix("/json").split("/", 1)
        if url.path == "/_ping":
            body = b"OK"
        elif words == ["containers"]:
            asked = json.loads(parse_qs(url.query)["filters"][0])["ancestor"][0]
            using = [name for name, each in self.containers.items() if each.uses == asked]
            body = json.dumps([{"Id": name} for name in using]).encode()
        else:
            status, told = self._one(method, *words)
            connection.sendall(answer(json.dumps(told).encode(), status, HEAD))
            return
        connection.sendall(answer(body, head=HEAD))

    def _one(self, method: str, kind: str, name: str) -> tuple[str, object]:
        things: dict[str, Thing] = getattr(self, kind)
        found = self._named(things, name)
        if found is None:
            return "404 Not Found", {"message": "no such thing"}
        if method == "GET":
            return "200 OK", things[found].about
        if self._in_use(kind, found):
            return "409 Conflict", {"message": "conflict: it is in use"}
        tags = things[found].about.get("RepoTags")
        if isinstance(tags, list) and name in tags:
            tags.remove(name)
        if not tags:
            self.removed.append(found)
            del things[found]
        return "200 OK", []

    def _named(self, things: dict[str, Thing], name: str) -> str | None:
        tagged = (key for key, each in things.items() if name in each.about.get("RepoTags", ()))  # type: ignore[operator]
        return name if name in things else next(tagged, None)

    def _in_use(self, kind: str, name: str) -> bool:
        return any(
            (kind == "images" and each.uses == name)
            or (kind == "volumes" and name in each.volumes)
            or (kind == "containers" and key == name and each.runs)
            for key, each in self.containers.items()
        )


HEAD = "Api-Version: 1.43\r\nDocker-Experimental: false\r\n"


def stamp(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat().replace("+00:00", "Z")


def played(found: Survey) -> Played:
    """The daemon that this survey was taken of."""
    daemon = Played()
    for each in found.images.values():
        daemon.images[each.id] = Thing(
            {
                "Id": each.id,
                "RepoTags": list(each.tags),
                "RepoDigests": [],
                "Metadata": {"LastTagTime": stamp(each.touched)},
                "Config": {"Labels": {}},
            }
        )
    for one in found.boxes.values():
        state = {"Status": one.state, "FinishedAt": stamp(one.ended)}
        about: dict[str, object] = {"State": state, "Config": {"Labels": {}}}
        about["Name"] = f"/{one.name}"
        about["HostConfig"] = {"RestartPolicy": {"Name": one.restart_policy}}
        daemon.containers[one.id] = Thing(about, one.image, one.volumes, one.state == "running")
    for volume in found.volumes.values():
        labels = {"com.docker.volume.anonymous": ""} if volume.anonymous else {}
        about = {"Name": volume.name, "Driver": "local", "Labels": labels, "Options": None}
        daemon.volumes[volume.name] = Thing(about)
    return daemon


# What may happen in between: each protects something.


def container_starts(daemon: Played, name: str) -> None:
    thing = daemon.containers[name]
    thing.about["State"] = {"Status": "running", "FinishedAt": stamp(OLD)}
    thing.runs, thing.protected = True, "it runs"


def container_has_run(daemon: Played, name: str) -> None:
    thing = daemon.containers[name]
    thing.about["State"] = {"Status": "exited", "FinishedAt": stamp(NOW - 60)}
    thing.protected = "it has run since"


def container_is_wanted_back(daemon: Played, name: str) -> None:
    thing = daemon.containers[name]
    thing.about["HostConfig"] = {"RestartPolicy": {"Name": "unless-stopped"}}
    thing.protected = "it has a restart policy"


def container_is_renamed(daemon: Played, name: str) -> None:
    daemon.containers[name].about["Name"] = "/precious"
    daemon.containers[name].protected = "somebody gave it another name"


def image_is_used(daemon: Played, name: str) -> None:
    daemon.containers[f"new of {name}"] = Thing(
        {"State": {"Status": "created"}}, uses=name, protected="new"
    )
    daemon.images[name].protected = "a container has it"


def image_gets_a_name(daemon: Played, name: str) -> None:
    tags = daemon.images[name].about["RepoTags"]
    assert isinstance(tags, list)
    tags.append("precious:1")
    daemon.images[name].protected = "it has another name"


def image_is_pulled_again(daemon: Played, name: str) -> None:
    daemon.images[name].about["Metadata"] = {"LastTagTime": stamp(NOW - 60)}
    daemon.images[name].protected = "it was pulled since"


def volume_is_used(daemon: Played, name: str) -> None:
    daemon.containers[f"new with {name}"] = Thing({}, volumes=(name,), runs=True, protected="new")
    daemon.volumes[name].protected = "a container has it"


Change = Callable[[Played, str], None]
CHANGES: dict[str, tuple[Change, ...]] = {
    "containers": (
        *(container_starts, container_has_run),
        *(container_is_wanted_back, container_is_renamed),
    ),
    "images": (image_is_used, image_gets_a_name, image_is_pulled_again),
    "volumes": (volume_is_used,),
}


@st.composite
def worlds(draw: st.DrawFn) -> Survey:
    times = st.sampled_from([OLD, OLD + DAY, BEFORE - 1, NOW - 60])
    images: list[Image] = []
    for number in range(draw(st.integers(1, 4))):
        layers = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=2, unique=True))
        images.append(image(f"i{number}", layers, draw(times), draw(st.booleans())))
    boxes: list[Box] = [
        box(
            f"b{number}",
            draw(st.sampled_from(images)),
            draw(st.sampled_from(["running", "exited", "exited", "dead"])),
            draw(times),
            restart_policy=draw(st.sampled_from(["no", "no", "always"])),
        )
        for number in range(draw(st.integers(0, 3)))
    ]
    volumes = [
        Volume(name, Usage(MIB, 2), len(name) == 64, draw(times)) for name in ("a" * 64, "named")
    ]
    return survey(images, boxes, volumes)


@contextmanager
def acting(daemon: Played, directory: Path) -> Iterator[FakeHost]:
    """A host whose removals go to this daemon."""
    with served(directory, daemon) as address:
        engine = Engine(address)

        class Host(FakeHost):
            def remove(self, what: Removal, timeout_s: float) -> str:
                return engine.remove(what, LONG_S)

        yield Host(directory)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(found=worlds(), data=st.data())
def test_nothing_that_is_protected_by_the_time_of_the_act_is_removed(
    found: Survey, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    daemon = played(found)
    told = plan(found, DiskUse(Path("/d"), 1 << 30, 0, 1.0, 0.1, 1000), ALLOWED, {}, NOW)
    for kind, changes in CHANGES.items():
        for name in list(getattr(daemon, kind)):
            change = data.draw(st.sampled_from([None, *changes]), label=f"{kind} {name[:8]}")
            if change:
                change(daemon, name)
    protected = {
        name for kind in CHANGES for name, each in getattr(daemon, kind).items() if each.protected
    }
    with acting(daemon, tmp_path_factory.mktemp("d")) as host:
        done = carry_out(told.steps, host, lambda: False)
    gone = {each.step.what.ident for each in done if not each.why}
    assert gone == set(daemon.removed)
    assert not gone & protected
    assert gone | protected >= {step.what.ident for step in told.steps}, "a step without a reason"
    assert "named" in daemon.volumes
    for name in gone & found.boxes.keys():
        assert found.boxes[name].restart_policy not in COMES_BACK
    for name in gone & found.images.keys():
        assert name not in {each.uses for each in daemon.containers.values()}
