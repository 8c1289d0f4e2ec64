"""What may be wrong with a data-root and its disk: named, skipped, and never followed out of it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from dockerdoctor.cli.surveying import counting, surveyed
from dockerdoctor.config import load
from dockerdoctor.errors import HostFault
from dockerdoctor.host.layout import SYSTEM_CONTAINERD, Layout
from dockerdoctor.host.remote import mounts, remote
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.survey import survey
from dockerdoctor.model import Fault, Outcome
from dockerdoctor.record import Record
from tests.clirun import dockerdoctor, write_config
from tests.dataroot import DataRoot, ident
from tests.test_store_disks import cannot, fill, mounted, small_disk
from tests.test_survey import counted

MIB = 1 << 20
NOBODY = 65534
TABLE = """\
25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
98 25 0:53 / /var/lib/docker rw,relatime shared:9 - nfs4 store.example:/a\\040b rw,vers=4.2
99 25 0:54 / /mnt rw,relatime master:1 propagate_from:2 - overlay overlay rw,lowerdir=/x
garbled
"""


def test_a_data_root_of_another_machine_is_told_by_the_table_of_mounts() -> None:
    assert remote(TABLE, os.makedev(0, 53)) == "nfs4 (store.example:/a b)"
    assert remote(TABLE, os.makedev(254, 0)) == ""
    assert remote(TABLE, os.makedev(0, 54)) == ""
    assert remote(TABLE, os.makedev(9, 9)) == ""
    assert remote(mounts(), Path("/proc").stat().st_dev) == ""


def test_a_data_root_on_nfs_is_named_and_not_walked(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "docker")
    root.image("web:1", {"web": MIB}, 1.6e9)
    root.volume("large", 5 * MIB)
    config = load(_config(tmp_path, root.path), {})
    device = root.path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    found, _ = surveyed(config, mounts=lambda: TABLE.replace("0:53", number))
    assert "nfs4 (store.example:/a b): not walked" in found.skipped[0]
    assert found.walked == 0
    assert MIB <= found.total.bytes < 2 * MIB
    assert not config.watch.sizes.exists()


def test_the_first_look_tells_how_far_it_is() -> None:
    half = "counting [##########          ] 50,000 of at most 100,000 files, 3 s"
    assert counting(50_000, 100_000, 3.2) == half
    assert "[####################] 9 of at most 9 files" in counting(9, 4, 1.0)
    assert counting(7, 0, 1.0) == "counting: 7 files, 1 s"  # btrfs tells no inodes


def test_other_file_systems_in_a_volume_are_named_and_not_counted(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "docker")
    data = root.volume("v", MIB)
    with mounted("-t", "tmpfs", "none", at=data / "inner") as inner:
        (inner / "file").write_bytes(b"x" * MIB)
        found = survey(root.path, Remembered(None))
        assert found.total.bytes == counted(root.path)[0]
        assert len(found.skipped) == 1
        assert "another file system is mounted there" in found.skipped[0]


def test_a_directory_from_elsewhere_on_the_same_disk_is_named_and_not_counted(
    tmp_path: Path,
) -> None:
    root = DataRoot(tmp_path / "a b/docker")
    data = root.volume("bound", 10)
    root.volume("plain", MIB)
    elsewhere = tmp_path / "srv of mine"
    elsewhere.mkdir()
    (elsewhere / "large").write_bytes(b"x" * 4 * MIB)
    before = survey(root.path, Remembered(None)).total.bytes
    with mounted("--bind", str(elsewhere), at=data):
        found = survey(root.path, Remembered(None))
        assert (data / "large").exists()
    assert found.total.bytes <= before < 2 * MIB
    assert len(found.skipped) == 1
    assert "bound/.../_data': a directory from elsewhere is mounted there" in found.skipped[0]
    with mounted("--bind", str(data), at=data):  # of itself: it does lie here
        assert survey(root.path, Remembered(None)).total.bytes == before


def rotated(root: DataRoot, box: str) -> None:
    log = root.path / "containers" / box / f"{box}-json.log"
    if log.exists():
        log.rename(f"{log}.1")


def grown(root: DataRoot, box: str) -> None:
    for path in (root.path / "volumes").rglob("file"):
        with path.open("ab") as file:
            file.write(b"x" * MIB)


def removed(root: DataRoot, box: str) -> None:
    for place in ("containers", "overlay2", "volumes"):
        for path in sorted((root.path / place).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.mark.parametrize("change", [rotated, grown, removed])
@pytest.mark.parametrize("hands", [1, 2])
def test_what_changes_while_it_is_read_does_no_harm(
    tmp_path: Path, change: Callable[[DataRoot, str], None], hands: int
) -> None:
    root = DataRoot(tmp_path / "docker")
    box = root.container("one", root.image("web:1", {"web": 10}, 1.6e9), logged=MIB)
    root.volume("v", MIB)
    for number in range(6):
        root.tree(ident(f"t{number}"), 10)
    before = survey(root.path, Remembered(None)).total.bytes
    found = survey(root.path, Remembered(None), hands=hands, tick=lambda _: change(root, box))
    assert found.total.bytes <= before + 100 * MIB
    assert not any("Traceback" in told for told in found.skipped)


def as_nobody(work: Callable[[], str]) -> str:
    """What it says when it runs as somebody who is not root."""
    if os.geteuid() != 0:
        cannot("only root can become nobody")
    reads, writes = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
            os.write(writes, work().encode())
        finally:
            os._exit(0)
    os.close(writes)
    with open(reads) as file:  # noqa: PTH123 (by descriptor)
        said = file.read()
    os.waitpid(pid, 0)
    return said


def test_without_permission_what_cannot_be_seen_is_named(tmp_path: Path) -> None:
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_mode & stat.S_ISVTX:
            break  # /tmp itself
        place.chmod(0o755)
    root = DataRoot(tmp_path / "docker")
    root.volume("v", MIB)

    def look() -> str:
        try:
            return "\n".join(survey(root.path, Remembered(None)).skipped)
        except HostFault as fault:
            return fault.fault.value

    (root.path / "volumes/v").chmod(0o700)
    assert "Permission denied" in as_nobody(look)
    root.path.chmod(0o700)
    assert as_nobody(look) == Fault.DENIED.value


def test_whoever_asks_where_a_containerd_is_gets_an_answer(tmp_path: Path) -> None:
    hidden = tmp_path / "exec/containerd"
    hidden.mkdir(parents=True)
    hidden.chmod(0)
    layout = Layout(exec_root=tmp_path / "exec")
    assert as_nobody(lambda: str(layout.containerd_socket())) == str(SYSTEM_CONTAINERD)


def strange_names(directory: Path) -> Path:
    """A configuration for a data-root whose names hold line ends, escapes, and what is no text."""
    root = DataRoot(directory / "docker")
    web = root.image("web\n\x1b[2J:1", {"web": MIB}, 1.6e9)
    root.image("old\nred\x1b[31m:1", {"old": MIB}, 1.6e9)
    root.container("runs\n\x1b[31m", web, "running", logged=MIB)
    root.container("dead\nand gone", web, ended=1.6e9)
    root.volume("vol\nume", 10)
    for place in ("volumes", "overlay2", "tmp", "."):
        strange = os.fsencode(root.path / place) + b"/\xff\xfe\n\x1b[31m"
        os.makedirs(strange + b"/diff")  # noqa: PTH103 (a name that is no text)
    return _config(directory, root.path, '[disk]\norphans = true\norphan_age = "0s"\n')


@pytest.mark.parametrize(
    "words", ["disk --all", "disk reclaim --to 1%", "disk logs --all --for 0", "disk logs --for 0"]
)
def test_names_of_others_end_no_line_and_are_told_to_programs_too(
    tmp_path: Path, words: str
) -> None:
    config = strange_names(tmp_path)
    told = dockerdoctor(*words.split(), config=config)
    assert told.code == 0, told.err
    assert "\x1b" not in told.out
    for tail in ("red", "and gone", "ume", "[31m", "[2J"):
        assert not any(line.startswith(tail) for line in told.out.splitlines())
    again = dockerdoctor(*words.replace("--all", "").split(), "--json", config=config)
    assert json.loads(again.out)["schema_version"] == 1


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_disk_that_is_full_to_the_last_byte_with_our_own_record_on_it_is_freed(
    tmp_path: Path, kind: str
) -> None:
    with small_disk(kind, tmp_path) as disk:
        root = DataRoot(disk / "docker")
        root.container("one", root.image("web:1", {"web": 10}, 1.6e9), volumes=["precious"])
        precious = root.volume("precious", 1000) / "file"
        for number in range(3):
            root.tree(ident(f"lost {number}"), 300_000, files=2)
        config = _config(disk, root.path, '[disk]\norphans = true\norphan_age = "0s"\n')
        hog = fill(disk)
        act = ("disk", "reclaim", "--to", "70%", "--apply", "--yes", "--json")
        ran = dockerdoctor(*act, config=config)
        assert ran.code in (0, 1), ran.err
        told = json.loads(ran.out)
        assert [each["why_not"] for each in told["done"]] == [""] * len(told["done"]) != []
        assert precious.read_bytes() == b"x" * 1000
        hog.unlink()
        assert dockerdoctor(*act, config=config).code in (0, 1)
        incident = Record(disk / "state/record.sqlite").incidents()[-1]
        assert incident.rule == "by-hand"
        assert incident.outcome in (Outcome.CURED, Outcome.GAVE_UP)
        assert len(incident.attempts) == len(told["done"])
        assert all(each.note.endswith("gone") for each in incident.attempts)


def test_a_record_that_cannot_be_written_is_said_and_room_is_made_all_the_same(
    tmp_path: Path,
) -> None:
    root = DataRoot(tmp_path / "docker")
    root.image("web:1", {"web": 10}, 1.6e9)
    lost = root.tree(ident("lost"), 10)
    with mounted("-t", "tmpfs", "-o", "ro", "none", at=tmp_path / "state"):
        config = _config(tmp_path, root.path, '[disk]\norphans = true\norphan_age = "0s"\n')
        act = ("disk", "reclaim", "--to", "1%", "--apply", "--yes")
        ran = dockerdoctor(*act, config=config)
    assert "not on record" in ran.out
    assert "carrying on in memory" in ran.err
    assert not lost.exists()


def _config(directory: Path, root: Path, more: str = "") -> Path:
    path = write_config(directory, more)
    text = path.read_text().replace(f'data_root = "{directory}"', f'data_root = "{root}"')
    # /run is a file system of its own everywhere.
    path.write_text(text.replace(f"{directory}/run", f"{directory.parent}/run"))
    return path
