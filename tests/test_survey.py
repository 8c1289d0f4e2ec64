"""What eats a data-root: counted as `du` counts, named by what it is, whatever lies in it."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.account import (
    Part,
    account,
    by_files,
    cache_names,
    orphans,
    store_account,
    topped,
)
from dockerdoctor.cli.disktext import disk_text, inodes_first
from dockerdoctor.errors import HostFault
from dockerdoctor.host import clock
from dockerdoctor.host.address import parse
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.nouns import DiskUse
from dockerdoctor.host.storage import volumes
from dockerdoctor.host.storage.door import Door
from dockerdoctor.host.storage.facts import Kind, Removal, Survey
from dockerdoctor.host.storage.hands import measured
from dockerdoctor.host.storage.opened import Directory
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.survey import survey
from dockerdoctor.host.storage.walk import MAX_DEPTH, Walk
from dockerdoctor.model import Fault
from tests.clirun import environment
from tests.dataroot import DataRoot, ident

MIB = 1 << 20
CACHE = "0123456789abcdefghijklmno"
OLD = 1_600_000_000.0


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "docker")


def look(root: DataRoot, remembered: Remembered | None = None) -> Survey:
    return survey(root.path, remembered or Remembered(None))


def counted(path: Path) -> tuple[int, int]:
    """What `du -x` says: bytes on disk, inodes."""

    def du(*options: str) -> int:
        told = subprocess.run(
            ["du", "-sx", *options, str(path)], capture_output=True, text=True, check=True
        )
        return int(told.stdout.split()[0])

    return du("-B1"), du("--inodes")


def leaves(part: Part) -> Iterator[Part]:
    if not part.parts:
        yield part
    for inner in part.parts:
        yield from leaves(inner)


def find(whole: Part, kind: str, name: str = "") -> Part:
    found = [each for each in _all(whole) if each.kind == kind and name in ("", each.name)]
    assert len(found) == 1, found
    return found[0]


def _all(part: Part) -> Iterator[Part]:
    yield part
    for inner in part.parts:
        yield from _all(inner)


def fill(root: DataRoot) -> None:
    web = root.image("web:1", {"base": MIB, "web": 2 * MIB}, OLD)
    root.image("db:1", {"base": MIB, "db": 3 * MIB}, OLD)
    root.container("one", web, "running", wrote=MIB, logged=5 * MIB, volumes=["precious"])
    root.container("two", web, "exited", ended=OLD, logged=MIB, log="local")
    root.volume("precious", 4 * MIB)
    root.volume("", 100)
    root.cache(CACHE, 2 * MIB)
    (root.path / "tmp/GetImageBlob1").write_bytes(b"x" * MIB)
    (root.path / "tmp/hard").hardlink_to(root.path / "tmp/GetImageBlob1")
    (root.path / "tmp/link").symlink_to("/")


def test_all_of_it_is_counted_as_du_counts(root: DataRoot) -> None:
    fill(root)
    found = look(root)
    assert (found.total.bytes, found.total.inodes) == counted(root.path)
    assert found.skipped == ()
    whole = account(found)
    assert whole.usage == found.total
    assert sum(leaf.usage.bytes for leaf in leaves(whole)) == found.total.bytes
    assert [each.usage.bytes for each in whole.parts] == sorted(
        (each.usage.bytes for each in whole.parts), reverse=True
    )


def test_parts_are_named_by_what_they_are(root: DataRoot) -> None:
    fill(root)
    whole = account(look(root))
    assert find(whole, "image", "db:1").note == "unused"
    assert find(whole, "image", "web:1").note == "used by one, two"
    assert 2 * MIB <= find(whole, "image", "web:1").usage.bytes < 2.1 * MIB
    assert MIB <= find(whole, "shared").usage.bytes < 1.1 * MIB
    assert find(whole, "log", "one").note == "json-file, no rotation"
    assert find(whole, "log", "two").note == "local"
    assert find(whole, "volume", "precious").note == "used by one"
    assert find(whole, "volume", ident("volume 100")[:12]).note == "anonymous, unused"
    assert find(whole, "container", "one").note == "running"
    assert find(whole, "cache", "layers that only it needs").usage.bytes >= 2 * MIB
    assert whole.parts[0].kind == "images"


def test_the_second_look_walks_no_layer_again(root: DataRoot, tmp_path: Path) -> None:
    web = root.image("web:1", {f"l{number}": 10 for number in range(5)}, OLD, files=200)
    root.container("one", web, "running")
    sizes = tmp_path / "state/sizes"
    first_memory = Remembered(sizes)
    first = look(root, first_memory)
    first_memory.save()
    second_memory = Remembered(sizes)
    second = look(root, second_memory)
    second_memory.save()
    assert second.total == first.total
    assert first.walked > 1000 > 100 > second.walked
    assert sizes.stat().st_mode & 0o077 == 0
    assert Remembered(sizes).of(f"overlay2/{ident('mount one')}", (0,)) is None


def test_databases_and_containers_are_read_again_only_when_something_was_added(
    root: DataRoot, tmp_path: Path
) -> None:
    fill(root)
    sizes = tmp_path / "state/sizes"
    later = clock.now().wall + 3600

    def again() -> Survey:
        memory = Remembered(sizes)
        found = survey(root.path, memory, recall=True, now=lambda: later)
        memory.save()
        return found

    first, second = again(), again()
    assert replace(second, walked=0) == replace(first, walked=0)
    assert second.walked < first.walked
    log = root.path / "containers" / next(iter(first.logs))
    (log / f"{log.name}-json.log").write_bytes(b"x" * 9 * MIB)
    root.container("three", next(iter(first.images)), "exited", ended=OLD, logged=MIB)
    third = again()
    assert third.total.bytes == counted(root.path)[0]
    assert {box.name for box in third.boxes.values()} == {"one", "two", "three"}


def test_what_is_acted_on_is_read_anew(root: DataRoot, tmp_path: Path) -> None:
    fill(root)
    memory = Remembered(tmp_path / "sizes")
    later = clock.now().wall + 3600
    survey(root.path, memory, recall=True, now=lambda: later)
    memory.save()
    entry = next((root.database / "layerdb/mounts").iterdir())
    (entry / "mount-id").write_text("changed")  # in place: no directory's time tells of it
    known = survey(root.path, Remembered(tmp_path / "sizes"), recall=True, now=lambda: later)
    assert known.mounts[entry.name].mount_id != "changed"
    assert look(root, Remembered(tmp_path / "sizes")).mounts[entry.name].mount_id == "changed"


def test_what_has_just_changed_is_not_remembered(root: DataRoot, tmp_path: Path) -> None:
    fill(root)
    memory = Remembered(tmp_path / "sizes")
    survey(root.path, memory, recall=True)
    memory.save()
    entry = next((root.database / "layerdb/mounts").iterdir())
    (entry / "mount-id").write_text("changed")
    found = survey(root.path, Remembered(tmp_path / "sizes"), recall=True)
    assert found.mounts[entry.name].mount_id == "changed"


def test_a_layer_that_was_mounted_to_be_written_is_walked_again(
    root: DataRoot, tmp_path: Path
) -> None:
    box = root.container("one", root.image("web:1", {"web": 10}, OLD))
    memory = Remembered(tmp_path / "sizes")
    before = look(root, memory)
    memory.save()
    mount = root.path / "overlay2" / ident("mount one")
    (mount / "diff/d0/f0").write_bytes(b"x" * MIB)
    (mount / "work").rmdir()
    (mount / "work").mkdir()  # as the kernel does when it mounts
    after = look(root, Remembered(tmp_path / "sizes"))
    assert after.total.bytes >= before.total.bytes + MIB - 4096
    assert (after.total.bytes, after.total.inodes) == counted(root.path)
    assert box in after.boxes


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\x94\x04\x80\x80\x81\xa5image\x92\x90\x01", b"\x92\x04\x05", b"\xff\xfe", b"[1]"],
)
def test_a_garbled_memory_is_as_good_as_none(
    root: DataRoot, tmp_path: Path, content: bytes
) -> None:
    fill(root)
    (tmp_path / "sizes").write_bytes(content)
    assert look(root, Remembered(tmp_path / "sizes")).total.bytes == counted(root.path)[0]


def test_what_no_database_knows_is_an_orphan_once_it_is_old(root: DataRoot) -> None:
    fill(root)
    lost = root.tree(ident("lost"), MIB)
    found = look(root)
    assert cache_names(found) == {CACHE}
    assert orphans(found) == frozenset()
    assert find(account(found), "layers", "layers not yet known").usage.bytes >= MIB
    later = replace(found, taken=found.taken + 7200)
    assert orphans(later) == {lost.name}
    assert find(account(later), "orphan").name == lost.name


def test_holes_in_the_layer_database_are_named_and_skipped(root: DataRoot) -> None:
    fill(root)
    layers = sorted((root.database / "layerdb/sha256").iterdir())
    (layers[0] / "cache-id").unlink()
    (layers[1] / "size").write_text("many")
    (layers[2] / "parent").write_text("../../etc")
    (root.database / "layerdb/sha256/not a hash").mkdir()
    found = look(root)
    assert len(found.skipped) == 4
    assert found.total.bytes == counted(root.path)[0]


def test_names_and_texts_of_others_harm_nothing(root: DataRoot) -> None:
    box = root.container("one", root.image("web:1", {"web": 10}, OLD))
    (root.path / "overlay2" / ident("mount one") / "diff" / "new\nline\x1b[2J").write_text("x")
    os.mkfifo(root.path / "overlay2" / ident("mount one") / "diff" / "pipe")
    raw = os.fsencode(root.path / "volumes") + b"/\xff\xfe"
    os.mkdir(raw)  # noqa: PTH102 (a name that is no text)
    for name in ("config.v2.json", "hostconfig.json"):
        (root.path / "containers" / box / name).write_bytes(b'{"State": [')
    (root.database / "repositories.json").write_text('{"Repositories": 5}')
    found = look(root)
    assert (found.total.bytes, found.total.inodes) == counted(root.path)
    assert found.boxes[box].state == "unknown"
    assert len(found.skipped) == 2


def test_a_link_in_the_place_of_a_log_is_not_followed(root: DataRoot, tmp_path: Path) -> None:
    box = root.container("one", root.image("web:1", {"web": 10}, OLD), logged=10)
    log = root.path / "containers" / box / f"{box}-json.log"
    (tmp_path / "large").write_bytes(b"x" * 5 * MIB)
    log.unlink()
    log.symlink_to(tmp_path / "large")
    found = look(root)
    assert any("is no plain file" in told for told in found.skipped)
    assert found.total.bytes == counted(root.path)[0]


def test_directories_that_are_links_are_not_entered(root: DataRoot, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_bytes(b"x" * MIB)
    for place in ("containers", "overlay2", "volumes"):
        os.rename(root.path / place, tmp_path / f"was-{place}")  # noqa: PTH104
        (root.path / place).symlink_to(tmp_path / "elsewhere")
    found = look(root)
    assert found.total.bytes == counted(root.path)[0] < MIB


def test_what_is_deeper_than_descriptors_reach_is_named(root: DataRoot) -> None:
    place = root.volume("deep")
    here = os.getcwd()  # noqa: PTH109
    try:
        os.chdir(place)
        for _ in range(600):
            os.mkdir("d")  # noqa: PTH102
            os.chdir("d")
    finally:
        os.chdir(here)
    found = look(root)
    assert any("levels deep" in told for told in found.skipped)
    subprocess.run(["rm", "-rf", str(place)], check=True)


def test_a_directory_that_is_not_dockers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "containers").mkdir()
    with pytest.raises(HostFault) as caught:
        survey(tmp_path, Remembered(None))
    assert caught.value.fault is Fault.GARBLED
    with pytest.raises(HostFault) as gone:
        survey(tmp_path / "gone", Remembered(None))
    assert gone.value.fault is Fault.MISSING


@pytest.mark.parametrize("driver", ["btrfs", "zfs", "devicemapper"])
def test_a_driver_without_plain_directories_is_counted_as_a_whole(
    root: DataRoot, driver: str
) -> None:
    fill(root)
    (root.path / "overlay2").rename(root.path / driver)
    root.database.rename(root.path / "image" / driver)
    found = look(root)
    assert found.driver == driver
    assert found.total.bytes == counted(root.path)[0]
    assert orphans(replace(found, taken=found.taken + 7200)) == frozenset()


def test_the_image_store_of_containerd_is_told_beside_it(root: DataRoot, tmp_path: Path) -> None:
    shutil.rmtree(root.path / "image")
    shutil.rmtree(root.path / "overlay2")
    (root.path / "rootfs/overlayfs").mkdir(parents=True)
    content = tmp_path / "containerd/io.containerd.content.v1.content"
    content.mkdir(parents=True)
    (content / "blob").write_bytes(b"x" * MIB)
    found = survey(root.path, Remembered(None), tmp_path / "containerd")
    assert found.total.bytes == counted(root.path)[0]
    beside = store_account(found)
    assert beside is not None
    assert beside.parts[0].name == "content: compressed image layers"
    assert beside.usage.bytes >= MIB


def test_the_tree_is_cut_to_its_largest_parts_and_still_adds_up(root: DataRoot) -> None:
    for number in range(20):
        root.image(f"i:{number}", {f"l{number}": MIB + number * 8192}, OLD)
    whole = topped(account(look(root)), 5)
    images = find(whole, "images")
    assert [each.name for each in images.parts[:1]] == ["i:19"]
    assert len(images.parts) == 6
    assert images.parts[-1].name == "15 more"
    assert sum(each.usage.bytes for each in images.parts) == images.usage.bytes


def test_where_inodes_run_out_first_files_are_told_and_most_come_first(root: DataRoot) -> None:
    root.image("large:1", {"large": 5 * MIB}, OLD)
    root.image("many:1", {"many": 1}, OLD, files=300)
    whole = account(look(root))
    use = DiskUse(root.path, 1 << 30, 1 << 29, 0.5, 0.9, 1000)
    assert not inodes_first(replace(use, inodes_used_ratio=0.4))
    assert inodes_first(use)
    lines = disk_text([by_files(whole)], use, [], 80).splitlines()
    assert "     FILES         WHAT" in lines
    assert [line.split()[-2] for line in lines if ":1" in line] == ["many:1", "large:1"]
    assert find(by_files(whole), "image", "many:1").usage.inodes > 300
    in_bytes = disk_text([whole], replace(use, used_ratio=0.95), [], 80)
    assert "SIZE" in in_bytes
    assert in_bytes.index("large:1") < in_bytes.index("many:1")


def test_several_hands_count_what_one_counts(root: DataRoot) -> None:
    for number in range(12):
        root.tree(f"t{number:02}", 10, files=30)
    once = root.path / "overlay2/t00/diff/d0/f0"
    for number in range(1, 12):
        (root.path / f"overlay2/t{number:02}/diff/again").hardlink_to(once)
    (root.path / "overlay2/link").symlink_to("t00")
    names = sorted(each.name for each in (root.path / "overlay2").iterdir())
    alone, together = (sizes(root, names, hands) for hands in (1, 3))
    assert together == alone
    assert together[0] == counted(root.path / "overlay2")[1] - 1  # without the directory itself


def sizes(root: DataRoot, names: list[str], hands: int) -> tuple[int, int, int]:
    """Inodes, those walked, and trees, measured with so many hands from the first tree on."""
    with Directory.root(root.path / "overlay2") as directory:
        walk = Walk(directory.stat(".").st_dev)
        told = dict(measured(walk, directory, names, "overlay2", hands, patience_s=0.0))
    assert sorted(told) == names
    return sum(usage.inodes for usage in told.values()), walk.walked, len(told)


def test_helpers_help_also_beside_a_thread_that_waits(root: DataRoot, tmp_path: Path) -> None:
    class Signed(str):
        """A name that writes down who handles it."""

        def __format__(self, spec: str) -> str:
            with (tmp_path / "pids").open("a") as file:
                file.write(f"{os.getpid()}\n")
            return str(self)

    ended = threading.Event()
    waiting = threading.Thread(target=ended.wait)
    waiting.start()
    try:
        for number in range(12):
            root.tree(f"t{number:02}", 10)
        names: list[str] = [Signed(f"t{number:02}") for number in range(12)]
        assert sizes(root, names, 2) == sizes(root, names, 1)
    finally:
        ended.set()
        waiting.join()
    assert set((tmp_path / "pids").read_text().split()) - {str(os.getpid())}


def test_what_is_too_long_for_a_helper_to_tell_is_measured_here(root: DataRoot) -> None:
    deep = root.tree("deep", 10).joinpath("diff", *["d"] * (MAX_DEPTH - 2))
    for number in range(40):
        (deep / f"x{number}").mkdir(parents=True)
    root.tree("other", 10)
    told = []
    for hands in (1, 2):
        with Directory.root(root.path / "overlay2") as directory:
            walk = Walk(directory.stat(".").st_dev)
            names, place = ["deep", "other"], "p" * 4000
            found = dict(measured(walk, directory, names, place, hands, patience_s=0.0))
        told.append((found, walk.skipped, walk.walked))
    assert told[0] == told[1]
    assert len(told[0][1]) == 40


def test_of_links_within_one_tree_nothing_is_remembered(root: DataRoot) -> None:
    tree = root.tree("t", 10)
    (tree / "diff/again").hardlink_to(tree / "diff/d0/f0")
    root.tree("other", 10)
    outside = root.path / "overlay2/other/diff/d0/f0"
    (tree / "diff/outside").hardlink_to(outside)
    with Directory.root(root.path / "overlay2") as directory:
        walk = Walk(directory.stat(".").st_dev)
        walk.tree(directory, "t")
        assert list(walk.links) == [outside.stat().st_ino]
        walk.tree(directory, "other")
        assert not walk.links


def test_a_helper_that_dies_is_no_loss(root: DataRoot) -> None:
    class Mortal(str):
        """A name that kills whoever handles it, but for this process."""

        def __format__(self, spec: str) -> str:
            if os.getpid() != ours:
                os.kill(os.getpid(), signal.SIGKILL)
            return str(self)

    ours = os.getpid()
    for number in range(12):
        root.tree(f"t{number:02}", 10)
    names: list[str] = [Mortal(f"t{number:02}") for number in range(12)]
    assert sizes(root, names, 3) == sizes(root, names, 1)


def test_who_surveys_by_a_command_is_the_last_in_every_queue() -> None:
    if not shutil.which("ionice"):
        pytest.skip("ionice is not installed")
    code = (
        "import os, subprocess; from dockerdoctor.host.storage import idle; idle.give_way();"
        "print(os.nice(0), flush=True); subprocess.run(['ionice', '-p', str(os.getpid())])"
    )
    told = subprocess.run([sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE)
    assert told.stdout.split() == [str(min(19, os.nice(0) + 10)).encode(), b"idle"]


def test_an_image_is_as_young_as_its_coming_here_even_if_it_was_built_long_ago(
    root: DataRoot,
) -> None:
    built = root.image("pulled:1", {"a": MIB}, OLD)
    name, came = built.removeprefix("sha256:"), OLD + 86400.0
    # A pull writes down no time of its own, nor does `docker load` of an image without a name.
    (root.database / "imagedb/metadata/sha256" / name / "lastUpdated").unlink()
    os.utime(root.database / "imagedb/content/sha256" / name, (came, came))
    assert look(root).images[built].touched == came


def test_a_write_deep_in_a_volume_without_a_name_keeps_it_young(root: DataRoot) -> None:
    data = root.volume("", MIB)
    lately = clock.now().wall + 3600
    (data / "db").mkdir()
    (data / "db/log").write_text("a line")
    os.utime(data / "db/log", (lately, lately))  # its directories tell nothing of that
    (data / "elsewhere").symlink_to("/")
    assert look(root).volumes[data.parent.name].touched == pytest.approx(lately)
    asked_nobody = Engine(parse(f"unix://{root.path}/none"))
    what = Removal(Kind.VOLUME, data.parent.name, lately - 1)
    assert Door(None).remove(root.path, what, asked_nobody, 60.0) == "has changed since"


def test_a_volume_that_is_deeper_than_anybody_can_look_is_young(root: DataRoot) -> None:
    data = root.volume("", MIB)
    with Directory.root(data) as top:
        fd = os.dup(top.fd)
        for _ in range(3000):  # more than descriptors or calls of one process
            os.mkdir("d", dir_fd=fd)
            inner = os.open("d", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = inner
        os.close(fd)
    assert volumes.changed(root.path, data.parent.name) == math.inf
    assert look(root).volumes[data.parent.name].touched == math.inf
    subprocess.run(["rm", "-rf", str(data)], check=True)
