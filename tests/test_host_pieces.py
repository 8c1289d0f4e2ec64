"""The small pieces of the machine's side: commands, deadlines, notices, logs, a dry run."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from dockerdoctor.errors import HostFault
from dockerdoctor.host import command, disks, journal, launch, layout, pids, programs
from dockerdoctor.host.dryrun import DryRun
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.host.notify import notify
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Fault, Process
from tests.fakehost import FakeHost


def fault_of(caught: pytest.ExceptionInfo[HostFault]) -> Fault:
    return caught.value.fault


# Commands.


def test_a_command_says_what_it_has_to_say_in_english() -> None:
    assert command.run(["sh", "-c", "echo $LC_ALL"], 60) == "C\n"


def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"sleep 1000 & echo $! > {note}.new; mv {note}.new {note}; sleep 1000"
    for timeout_s in (0.5, 5, 60):  # until a loaded machine gets as far as the note
        with pytest.raises(HostFault) as caught:
            command.run(["sh", "-c", script], timeout_s)
        assert fault_of(caught) is Fault.TIMEOUT
        if note.exists():
            break
    grandchild = int(note.read_text())
    deadline = time.monotonic() + 60
    while Path(f"/proc/{grandchild}").exists() and time.monotonic() < deadline:
        if " Z " in Path(f"/proc/{grandchild}/stat").read_text():
            return  # killed, and nobody reaps it here
        time.sleep(0.05)
    assert not Path(f"/proc/{grandchild}").exists()


def test_a_command_that_fails_is_refused_with_the_last_line_it_said() -> None:
    with pytest.raises(HostFault) as caught:
        command.run(["sh", "-c", "echo first >&2; echo Unit x not found. >&2; exit 5"], 60)
    assert fault_of(caught) is Fault.REFUSED
    assert caught.value.sentence == "Unit x not found."


def test_a_command_that_does_not_exist_is_missing() -> None:
    with pytest.raises(HostFault) as caught:
        command.run(["there-is-no-such-command"], 60)
    assert fault_of(caught) is Fault.MISSING


def test_a_command_that_talks_without_end_is_cut_off() -> None:
    assert command.run(["yes"], 60, max_bytes=1000) == "y\n" * 500


def test_a_command_does_not_inherit_the_watchdogs_own_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    assert command.run(["sh", "-c", "echo [$NOTIFY_SOCKET]"], 60) == "[]\n"


# Disks.


def test_a_full_disk_is_counted_as_df_does(tmp_path: Path) -> None:
    #            bsize frsize blocks bfree bavail files ffree favail flag namemax
    counted = os.statvfs_result((4096, 4096, 1000, 100, 50, 200, 20, 20, 0, 255))
    use = disks.use(tmp_path, counted)
    assert (use.total_bytes, use.free_bytes) == (4_096_000, 204_800)
    assert use.used_ratio == 900 / 950
    assert use.inodes_used_ratio == 0.9
    btrfs = os.statvfs_result((4096, 4096, 1000, 100, 100, 0, 0, 0, 0, 255))
    assert disks.use(tmp_path, btrfs).inodes_used_ratio == 0


# Telling systemd.


def listen(path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    link.bind(str(path) if name.startswith("/") else "\0" + name[1:])
    link.settimeout(60)
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    return link


def test_a_status_in_any_script_arrives_with_the_watchdogs_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (str(tmp_path / "n"), f"@dockerdoctor-test-{os.getpid()}"):
        with listen(tmp_path / "n", monkeypatch, name) as link:
            assert notify(WATCHDOG=1, STATUS="well → ✓\nREADY=1")
            assert link.recv(4096).decode() == "WATCHDOG=1\nSTATUS=well → ✓ READY=1"


def test_a_systemd_that_does_not_read_blocks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listen(tmp_path / "n", monkeypatch, str(tmp_path / "n")):
        told = [notify(STATUS="x" * 10000) for _ in range(1000)]
    assert not all(told)


def test_nobody_is_told_where_there_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify(READY=1)
    monkeypatch.setenv("NOTIFY_SOCKET", "/there/is/nobody")
    assert not notify(READY=1)


# What dockerd and journald say.


def test_messages_of_the_journal_in_all_their_forms() -> None:
    text = (
        '{"MESSAGE":"plain","PRIORITY":"6"}\n'
        '{"MESSAGE":[98,105,110,255]}\n'
        '{"MESSAGE":null}\n'
        '{"_PID":"1"}\n'
        '{"MESSAGE":"cut'
    )
    assert journal.parse(text) == ["plain", "bin\ufffd"]
    assert journal.parse("") == []
    with pytest.raises(HostFault) as caught:
        journal.parse("Failed to open journal\n")
    assert fault_of(caught) is Fault.GARBLED


def test_the_end_of_a_log_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert journal.of_file(log, 2) == ["line 99998", "line 99999"]
    assert len(journal.of_file(log, 1_000_000)) < 100_000
    assert journal.of_file(log, 0) == []
    with pytest.raises(HostFault):
        journal.of_file(tmp_path / "none", 5)


def test_where_a_daemon_keeps_its_things() -> None:
    usual = layout.layout([], {})
    assert (str(usual.data_root), str(usual.exec_root)) == ("/var/lib/docker", "/run/docker")
    flagged = layout.layout(
        ["dockerd", "-g", "/old", "--data-root=/d", "--exec-root", "/e", "-H", "fd://"], {}
    )
    assert (str(flagged.data_root), str(flagged.exec_root)) == ("/d", "/e")
    assert str(flagged.own_containerd) == "/e/containerd/containerd.sock"
    config = layout.parse_config('{"data-root": "/c", "debug": true, "containerd": "/x.sock"}')
    filed = layout.layout(["dockerd"], config)
    assert (str(filed.data_root), str(filed.containerd_socket())) == ("/c", "/x.sock")
    assert filed.hosts == ()
    assert layout.parse_config("{,}") == {}
    assert layout.parse_config("[1]") == {}
    moved = layout.containerd_home('version = 2\nroot = "/big/containerd"\n[plugins]\n')
    assert str(moved) == "/big/containerd"
    assert layout.layout(["dockerd"], {"userns-remap": "default"}).maps_users
    for text in ("", "version = 3", "root = 7", "root ="):
        assert layout.containerd_home(text) == usual.containerd_root()


def test_a_daemon_that_maps_users_keeps_its_things_one_directory_deeper(tmp_path: Path) -> None:
    argv = ["dockerd", f"--data-root={tmp_path}", "--userns-remap=default"]
    assert layout.read(argv, Lanes()).data_root == tmp_path
    for name, changed in (("100000.100000", 1), ("200000.200000", 2), ("overlay2", 3)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (changed, changed))
    assert layout.read(argv, Lanes()).data_root == tmp_path / "200000.200000"
    assert layout.read(argv[:2], Lanes()).data_root == tmp_path


@pytest.mark.parametrize(
    ("argv", "config", "elsewhere"),
    [
        ("dockerd", "{}", False),
        ("dockerd -H fd://", "{}", False),
        ("dockerd -H fd:// -H tcp://127.0.0.1:2375", "{}", False),
        ("dockerd -H tcp://127.0.0.1:2375 --host=unix:///run/docker.sock", "{}", False),
        ("dockerd -H unix://", "{}", False),
        ("dockerd -Hunix:///run/other.sock", "{}", True),
        ("dockerd --host tcp://0.0.0.0:2376", "{}", True),
        ("dockerd", '{"hosts": ["unix:///var/run/docker.sock", "tcp://0.0.0.0:2376"]}', False),
        ("dockerd", '{"hosts": ["unix:///run/other.sock", 7]}', True),
        ("dockerd", '{"hosts": "unix:///var/run/docker.sock"}', False),
        ("dockerd", '{"hosts": []}', False),
    ],
)
def test_a_daemon_that_was_told_to_listen_elsewhere_is_known(
    argv: str, config: str, elsewhere: bool
) -> None:
    found = layout.layout(argv.split(), layout.parse_config(config))
    assert found.listens_elsewhere(Path("/var/run/docker.sock")) is elsewhere
    assert found.takes_sockets is ("fd://" in argv)


def test_a_launch_survives_being_written_down(tmp_path: Path) -> None:
    me = Process(os.getpid(), 1, "python")
    seen = launch.observe(me)
    assert seen.argv
    assert Path(seen.exe).name.startswith("python")
    assert "PATH" in seen.env
    assert set(seen.env) < set(os.environ)
    path = tmp_path / "state" / "launch.json"
    launch.save(path, seen)
    assert path.stat().st_mode & 0o777 == 0o600
    assert launch.load(path) == seen
    path.write_text('{"pid": "x"}')
    assert launch.load(path) is None
    assert launch.load(tmp_path / "none") is None


def test_only_a_stale_pid_file_is_removed(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    pidfile.write_text(f"{os.getpid()}\n")
    pids.remove_stale(pidfile, lambda process: process.pid == os.getpid())
    assert pidfile.exists()
    pids.remove_stale(pidfile, programs.is_dockerd)
    assert not pidfile.exists()
    pids.remove_stale(pidfile, programs.is_dockerd)
    pidfile.write_text("nonsense")
    assert pids.pid_in(pidfile) == 0
    pids.remove_stale(pidfile, programs.is_dockerd)
    assert not pidfile.exists()


# Dry run.


def test_a_dry_run_looks_for_real_and_touches_nothing(tmp_path: Path) -> None:
    real = FakeHost(tmp_path)
    told: list[str] = []
    dry: HostControl = DryRun(real, told.append)
    process = dry.main_process(Service.DOCKERD)
    assert process is not None
    assert dry.ping(1).status == 200
    dry.stop(Service.SOCKET, Service.DOCKERD)
    dry.signal(process, 9)
    dry.restart(Service.DOCKERD)
    dry.keep("x", b"y")
    dry.reboot()
    assert told[0] == "would stop socket, dockerd"
    assert len(told) == 5
    assert real.ledger == []
    assert real.ping(1).status == 200
