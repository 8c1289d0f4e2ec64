"""Writing files whole, keeping evidence, and being the only one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dockerdoctor.errors import Busy, Exit, HostFault
from dockerdoctor.host import files, lock
from dockerdoctor.model import Fault


def fault_of(caught: pytest.ExceptionInfo[HostFault]) -> Fault:
    return caught.value.fault


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    files.write_atomic(path, b"{}", mode=0o640)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o600)
    files.write_atomic(path, b'{"debug": true}')
    assert path.read_bytes() == b'{"debug": true}'
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["daemon.json"]


def test_evidence_is_private_and_its_oldest_files_go_first(tmp_path: Path) -> None:
    evidence = files.Evidence(tmp_path / "evidence", kept_files=3)
    kept = [evidence.keep(f"../{number}/x y.txt", b"x") for number in range(5)]
    assert evidence.directory.stat().st_mode & 0o777 == 0o700
    assert [path.exists() for path in kept] == [False, False, True, True, True]
    assert all(path.parent == evidence.directory for path in kept)
    assert kept[-1].stat().st_mode & 0o777 == 0o600


def test_only_plain_files_are_taken_as_evidence(tmp_path: Path) -> None:
    evidence = files.Evidence(tmp_path / "evidence")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo"):
        with pytest.raises(HostFault) as caught:
            evidence.keep_copy(tmp_path / name)
        assert fault_of(caught) is Fault.REFUSED
    with pytest.raises(HostFault) as caught:
        evidence.keep_copy(tmp_path / "not-there")
    assert fault_of(caught) is Fault.MISSING
    assert list(evidence.directory.iterdir()) == []
    assert evidence.keep_copy(tmp_path / "secret").read_text() == "x"
    assert not (tmp_path / "secret").exists()


def test_evidence_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HostFault):
        files.Evidence(tmp_path / "file").keep("x", b"x")


def test_a_second_holder_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    path = tmp_path / "run" / "watch.lock"
    with lock.held(path, "watch"):
        with pytest.raises(Busy) as caught, lock.held(path, "heal"):
            pytest.fail("two at once")
        assert f"watch (pid {os.getpid()})" in caught.value.sentence
        assert caught.value.exit is Exit.BUSY
    with lock.held(path, "heal"):
        pass


def test_a_dead_holder_leaves_no_lock_behind(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = (
        "import sys; from pathlib import Path; from dockerdoctor.host import lock\n"
        "with lock.held(Path(sys.argv[1]), 'watch'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    with pytest.raises(Busy) as caught, lock.held(path, "heal"):
        pytest.fail("two at once")
    assert str(child.pid) in caught.value.sentence
    child.kill()
    child.communicate()
    with lock.held(path, "heal"):
        pass
