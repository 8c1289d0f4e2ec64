"""What the kernel shows of a daemon: its log, threads in state D, the data-root's mount."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.host import cgroups, processes
from dockerdoctor.host.held import PER_TURN, HeldThreads
from dockerdoctor.host.kernelsigns import HOUR_S, NETDEV_S, KernelSigns
from dockerdoctor.host.kmsg import KernelLog, Record, parse
from dockerdoctor.host.mounts import Mount, Mounts
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.traces import HeldThread, KernelTraces, Whose
from dockerdoctor.model import Process
from dockerdoctor.probes import kernel
from tests.fakehost import FakeHost

OURS = {4711, 4712}


def folded(*texts: str, at: float = 100.0, device: str = "sda1") -> KernelSigns:
    signs = KernelSigns()
    signs.fold([Record(at, text) for text in texts], OURS, device)
    return signs


def test_a_record_is_its_time_and_its_first_line() -> None:
    raw = b"4,1234,5140900,-;nfs: server a not responding\n SUBSYSTEM=x\n DEVICE=+y\n"
    assert parse(raw) == Record(5.1409, "nfs: server a not responding")


def test_what_a_program_writes_into_the_kernels_log_is_not_the_kernels_word() -> None:
    assert parse(b"12,1234,5140900,-;Killed process 4711 (dockerd), anon-rss:1kB\n") is None


@pytest.mark.parametrize("raw", [b"", b"garbage", b"4,1", b"x,y,z;w", b"\xff\xfe;"])
def test_a_garbled_record_is_none(raw: bytes) -> None:
    assert parse(raw) is None


def test_a_pipe_in_the_logs_place_is_no_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "kmsg")
    assert KernelLog(tmp_path / "kmsg").news() is None
    assert KernelLog(tmp_path / "none").news() is None
    assert KernelLog(Path("/dev/null")).news() is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("INFO: task dockerd:4712 blocked for more than 120 seconds.", "hung"),
        ("INFO: task dockerd:4712 blocked in I/O wait for more than 241 seconds.", "hung"),
        ("unregister_netdevice: waiting for lo to become free. Usage count = 1", "netdev"),
        ("unregister_netdevice: waiting for veth1 to become free. Usage count = 2", "netdev"),
        (
            "Out of memory: Killed process 4711 (dockerd) total-vm:1kB, anon-rss:2kB",
            "oom",
        ),
        ("Memory cgroup out of memory: Killed process 4711 (dockerd), UID 0, total-vm:1kB", "oom"),
        (  # Linux 6.18, word for word, of a process named dockerd
            "Memory cgroup out of memory: Killed process 4711 (dockerd) total-vm:217524kB, "
            "anon-rss:16256kB, file-rss:5296kB, shmem-rss:0kB, UID:0 pgtables:84kB oom_score_adj:0",
            "oom",
        ),
        ("Killed process 4711 (dockerd) total-vm:1kB, anon-rss:2kB, file-rss:0kB", "oom"),
        ("EXT4-fs (sda1): Remounting filesystem read-only", "fs"),
        (
            "XFS (sda1): Corruption of in-memory data detected. Shutting down filesystem",
            "fs",
        ),
        ("BTRFS error (device sda1 state EA): forced readonly", "fs"),
    ],
)
def test_a_message_about_this_daemon_is_counted(text: str, kind: str) -> None:
    assert folded(text).count(kind, HOUR_S, 130.0) == 1


@pytest.mark.parametrize(
    "text",
    [
        "INFO: task dockerd:99 blocked for more than 120 seconds.",
        "Out of memory: Killed process 99 (dockerd) total-vm:1kB, anon-rss:2kB",
        "EXT4-fs (sdb1): Remounting filesystem read-only",
        "audit: name=INFO: task dockerd:4712 blocked for more than 120 seconds.",
    ],
)
def test_the_log_of_the_whole_machine_tells_of_others_too(text: str) -> None:
    signs = folded(text)
    assert [signs.count(kind, HOUR_S, 130.0) for kind in ("hung", "oom", "fs", "netdev")] == [0] * 4


def test_old_messages_do_not_count() -> None:
    signs = folded("unregister_netdevice: waiting for lo to become free. Usage count = 1")
    assert signs.count("netdev", NETDEV_S, 100.0 + NETDEV_S) == 1
    assert signs.count("netdev", NETDEV_S, 101.0 + NETDEV_S) == 0


@pytest.mark.parametrize("waits", ["still trying", "timed out"])  # net/sunrpc/clnt.c says no more
def test_a_file_server_is_silent_until_it_says_ok(waits: str) -> None:
    silent = f"nfs: server nas not responding, {waits}"
    assert folded(silent).silent_nfs(200.0) == "nas"
    assert folded(silent.replace("nas", "fd00::1")).silent_nfs(200.0) == "fd00::1"
    assert folded(silent, "nfs: server nas OK").silent_nfs(200.0) == ""
    assert folded(silent).silent_nfs(100.0 + HOUR_S + 1) == ""


MOUNTS = """\
24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 24 8:17 / /var/lib/docker {vfs} - ext4 /dev/sdb1 {fs}
31 30 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw,lowerdir=/a:/b
32 24 0:51 / /var/lib/docker\\040two ro - tmpfs tmpfs ro
garbled line
"""


def mount_of(path: str, table: str, directory: Path) -> Mount:
    """The mount of a path by a table of mounts; `directory` stands for /sys/dev/block too."""
    (directory / "mountinfo").write_text(table)
    with contextlib.closing(Mounts(directory / "mountinfo", directory)) as mounts:
        seen = mounts.look(Path(path))
    assert seen is not None
    return seen


@pytest.mark.parametrize(
    ("vfs", "fs", "read_only"),
    [
        ("rw,relatime", "rw,errors=remount-ro", False),
        ("rw,relatime", "ro", True),
        ("ro,relatime", "rw", True),
        ("rw", "rw,emergency_ro", True),
    ],
)
def test_a_mount_is_read_only_by_its_own_options_or_by_its_file_systems(
    tmp_path: Path, vfs: str, fs: str, read_only: bool
) -> None:
    (tmp_path / "8:17").symlink_to("../../block/sdb/sdb1")
    seen = mount_of("/var/lib/docker", MOUNTS.format(vfs=vfs, fs=fs), tmp_path)
    assert (seen.point, seen.read_only, seen.device) == ("/var/lib/docker", read_only, "sdb1")


def test_a_directory_without_a_mount_of_its_own_is_on_the_one_above(tmp_path: Path) -> None:
    text = MOUNTS.format(vfs="rw", fs="ro")
    for path, point in (("/var/lib", "/"), ("/var/lib/docker two/x", "/var/lib/docker two")):
        assert mount_of(path, text, tmp_path).point == point


def test_a_mount_is_read_each_time_and_the_others_only_after_a_change(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    path = Path("/var/lib/docker")
    with contextlib.closing(Mounts(table)) as mounts:
        table.write_text(MOUNTS.format(vfs="rw", fs="rw"))
        writable = mounts.look(path)
        table.write_text(MOUNTS.format(vfs="rw", fs="ro"))  # an error of its file system
        read_only = mounts.look(path)
        table.write_text(MOUNTS.format(vfs="rw", fs="rw").splitlines()[0] + "\n")
        gone = mounts.look(path)
    assert writable is not None
    assert read_only is not None
    assert gone is not None
    assert (writable.read_only, read_only.read_only) == (False, True)
    assert (read_only.point, gone.point) == ("/var/lib/docker", "/")


def test_the_kernels_own_table_tells_of_the_root() -> None:
    with contextlib.closing(Mounts()) as mounts:
        first, again = mounts.look(Path("/")), mounts.look(Path("/"))
    assert first is not None
    assert first == again
    assert first.point == "/"


def test_of_many_containers_all_have_their_turn() -> None:
    mine = Path("/proc/self/cgroup").read_text()
    many = [Container(mine[:4], f"c{number}", "running", pid=os.getpid()) for number in range(300)]
    threads = HeldThreads()
    seen = [{each.container for each in threads.turn(many)} for _ in range(40)]  # mine may be many
    assert all(len(each) <= PER_TURN for each in seen)
    assert set.union(*seen) == {each.name for each in many}


def test_a_container_that_hangs_is_looked_at_each_time() -> None:
    mine = Path("/proc/self/cgroup").read_text()
    many = [Container(mine[:4], f"c{number}", "running", pid=os.getpid()) for number in range(300)]
    many[-1] = replace(many[-1], hangs_since=5.0)
    threads = HeldThreads()
    assert all("c299" in {each.container for each in threads.turn(many)} for _ in range(3))


def test_a_process_that_runs_or_sleeps_is_held_by_nobody() -> None:
    me = Process(os.getpid(), 0, "python")
    assert HeldThreads().look([(Whose.DOCKERD, me)], [], 100.0) == ()


def test_a_process_has_threads_and_none_once_it_is_gone() -> None:
    assert os.getpid() in processes.threads(os.getpid())
    assert processes.threads(2**22 + 1) == []


def thread(wchan: str = "percpu_rwsem_wait", held_s: float = 40.0) -> HeldThread:
    return HeldThread(Whose.DOCKERD, Process(12, 1, "dockerd"), 15, wchan, held_s)


def test_what_is_held_is_said_with_its_place_and_what_that_means() -> None:
    said = kernel.said_of([thread(), thread(held_s=5.0)], kernel.DAEMONS)
    assert said == (
        "dockerd (pid 12, thread 15) and 1 more in percpu_rwsem_wait "
        "(a frozen file system: `fsfreeze -u` thaws it)"
    )
    assert kernel.said_of([], kernel.DAEMONS) == ""
    assert kernel.meaning("rpc_wait_bit_killable").startswith(" (an NFS server")
    assert kernel.meaning("do_something_else") == ""


def test_without_a_log_the_log_is_unknown_and_counts_are_left_out(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.kernel_log = KernelTraces()
    seen = kernel.run(host)
    assert seen["log_known"] is False
    assert "oom_kills_1h" not in seen
    assert "data_root_read_only" not in seen


def test_a_cgroups_members_are_read_and_a_missing_one_has_none() -> None:
    text = Path("/proc/self/cgroup").read_text()
    members = cgroups.members(text)
    assert not members or os.getpid() in members
    assert cgroups.members("0::/there/is/no/such") == []
    assert cgroups.members("4:cpu:/x") == []
