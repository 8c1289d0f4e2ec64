"""The demo on a real engine: it ends in a cure, and however it ends nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockerdoctor import demo
from dockerdoctor.errors import DoctorError, HostFault, NotPermitted
from dockerdoctor.host import sealed
from dockerdoctor.host.cgroups import v2_mount
from dockerdoctor.model import Fault, Outcome
from dockerdoctor.store import Store

CHECKOUT = Path(__file__).parents[1]
PATIENCE_S = 400.0
GONE_S = 60.0
MARK = "DOCKER_DEMO_TEST"
"""In the environment of the demo and of all it starts: variables of docker's are handed down."""


@pytest.fixture(scope="module")
def engine() -> None:
    """Skips, with the reason, where the demo cannot run; fails where it must."""
    reason = ""
    try:
        sealed.require_root()
        demo.find_dockerd(None)
        sealed.sealed(lambda: None)
    except (NotPermitted, HostFault) as why:
        reason = f"{why.sentence}: {why.hint}"
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"the demo must run here: {reason}")
    if reason:
        pytest.skip(reason)


class Run:
    """One demo in a process of its own, and what it may leave behind."""

    def __init__(self, *words: str) -> None:
        self.mark = uuid.uuid4().hex
        self._etc = listing("/etc/docker")
        self._opt = listing("/opt")
        self.child = subprocess.Popen(
            [sys.executable, "-m", "dockerdoctor", "demo", *words],
            cwd=CHECKOUT,
            env={**os.environ, MARK: self.mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def lines(self) -> Iterator[str]:
        """What it prints, as it comes."""
        assert self.child.stdout is not None
        for line in self.child.stdout:
            yield line.rstrip("\n")

    def until(self, words: str) -> None:
        """Reads until a line holds these words."""
        seen = []
        for line in self.lines():
            seen.append(line)
            if words in line:
                return
        pytest.fail("\n".join(seen))

    def processes(self) -> list[int]:
        """Who lives with its mark in the environment, our child included."""
        found = []
        for place in Path("/proc").iterdir():
            if place.name.isdigit():
                with contextlib.suppress(OSError):
                    if self.mark.encode() in (place / "environ").read_bytes():
                        found.append(int(place.name))
        return found

    def assert_nothing_is_left(self) -> None:
        """No process, mount, cgroup or file; who is killed may take a moment to die."""
        deadline = time.monotonic() + GONE_S
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not self.processes()
        mounts = Path("/proc/self/mountinfo").read_text()
        assert "/run/demo" not in mounts
        assert not demo.ROOM.exists()
        mount = v2_mount(mounts)
        if mount is not None and self.child.returncode != -signal.SIGKILL:
            assert not (mount[0] / f"dockerdoctor-demo-{self.child.pid}").exists()
        assert listing("/etc/docker") == self._etc
        assert listing("/opt") == self._opt


def listing(place: str) -> list[tuple[str, int]]:
    """Names and times of what is in a directory."""
    path = Path(place)
    if not path.is_dir():
        return []
    return sorted((each.name, each.lstat().st_mtime_ns) for each in path.iterdir())


@pytest.mark.parametrize("fault", demo.FAULTS)
def test_the_demo_ends_in_a_cure_and_leaves_nothing(
    engine: None, fault: str, tmp_path: Path
) -> None:
    run = Run("--fault", fault, "--keep", str(tmp_path))
    try:
        lines = list(run.lines())
        code = run.child.wait(PATIENCE_S)
    finally:
        run.child.kill()
    told = "\n".join(lines)
    assert code == 0, told
    assert "CURED" in told
    assert "ON RECORD" in told
    assert max(len(line) for line in lines if str(tmp_path) not in line) < 80
    assert "\x1b" not in told
    incident = Store.read(tmp_path / "record.sqlite").incidents()[0]
    assert incident.outcome is Outcome.CURED
    assert incident.attempts[0].rung == "dump-stacks"
    assert incident.attempts[-1].cured
    if fault == "deaf":
        assert incident.attempts[-1].rung == "sigkill"
        assert [each.rung for each in incident.attempts if each.skipped] == ["systemd-kill"]
    assert list((tmp_path / "evidence").iterdir())
    assert (tmp_path / "dockerd.log").stat().st_size > 0
    run.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("number", "words", "code"),
    [
        (signal.SIGTERM, "A WELL DAEMON", 143),
        (signal.SIGHUP, "well: answered", 129),
        (signal.SIGINT, "THE FAULT", 130),
        (signal.SIGKILL, "THE FAULT", -9),
    ],
)
def test_a_demo_that_is_stopped_leaves_nothing(
    engine: None, number: signal.Signals, words: str, code: int
) -> None:
    run = Run("--fault", "frozen")
    try:
        run.until(words)
        os.kill(run.child.pid, number)
        rest = list(run.lines())
        assert run.child.wait(PATIENCE_S) == code
    finally:
        run.child.kill()
    if number != signal.SIGKILL:
        assert rest[-1].startswith("stopped")
    run.assert_nothing_is_left()


def test_an_engine_that_does_not_start_is_told_with_its_last_words(
    engine: None, tmp_path: Path
) -> None:
    program = tmp_path / "dockerd"
    program.write_text("#!/bin/sh\necho 'failed to start daemon: no reason'\nexit 1\n")
    program.chmod(0o755)
    run = Run("--engine", str(tmp_path))
    told = "\n".join(run.lines())
    assert run.child.wait(PATIENCE_S) == 1
    assert "does not start" in told
    assert "failed to start daemon: no reason" in told
    assert "Traceback" not in told
    run.assert_nothing_is_left()


def test_without_root_the_demo_says_so() -> None:
    # The first run loads what nobody but root may be able to read here.
    code = (
        "import os, sys\n"
        "from dockerdoctor.cli.main import run\n"
        "assert run(['demo', '--fault', 'none']) == 64\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "sys.exit(run(['demo']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 77
    assert "needs root" in done.stderr


def test_without_an_engine_the_demo_tells_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(HostFault) as told:
        demo.find_dockerd(tmp_path)
    assert told.value.fault is Fault.MISSING
    assert told.value.exit == 69
    assert "make setup" in told.value.hint


def test_a_sealed_room_keeps_what_is_written_in_it(engine: None) -> None:
    there = Path("/etc/dockerdoctor-was-here"), Path("/run/dockerdoctor-was-here")

    def write() -> None:
        for path in there:
            path.write_text("x")
        if not all(path.exists() for path in there) or Path("/run/docker.sock").exists():
            raise DoctorError("this is no room of our own")

    sealed.sealed(write)
    assert not any(path.exists() for path in there)


def test_an_error_comes_out_of_a_sealed_room(engine: None) -> None:
    def fail() -> None:
        raise HostFault(Fault.DENIED, "it is forbidden", "ask somebody")

    with pytest.raises(DoctorError, match="it is forbidden") as told:
        sealed.sealed(fail)
    assert (told.value.exit, told.value.hint) == (77, "ask somebody")


def test_a_bug_in_a_sealed_room_is_told_with_its_place(engine: None) -> None:
    with pytest.raises(DoctorError, match=r"ZeroDivisionError: .* \(test_demo\.py:\d+\)") as told:
        sealed.sealed(lambda: exit(1 // 0))
    assert told.value.exit == 70


def test_later_children_are_not_in_the_room(engine: None) -> None:
    sealed.sealed(lambda: None)
    done = subprocess.run(["readlink", "/proc/self/ns/pid"], capture_output=True, text=True)
    assert done.stdout.strip() == str(Path("/proc/self/ns/pid").readlink())
