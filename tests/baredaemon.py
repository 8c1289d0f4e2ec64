"""A real, private dockerd without systemd, in a directory of its own: for tests on what is real.

The engine is found as the demo finds it: `$DOCKERDOCTOR_ENGINE`, PATH, or the cache. Root is
needed. Nothing of a daemon of the host is touched, and nothing is left behind: what the daemons of
a killed test run left is swept when the next one starts, and by `python -m tests.lab sweep`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from dockerdoctor.demo import find_dockerd
from dockerdoctor.errors import HostFault
from dockerdoctor.host import cgroups, processes
from dockerdoctor.model import Process
from tests.lab import outer
from tests.lab.leftovers import proc

PATIENCE_S = 120.0
"""For anything a loaded machine may take its time with."""


def engine_path() -> str:
    """PATH with the engine's directories first: dockerd looks there for containerd and runc."""
    place = find_dockerd(None).parent
    return os.pathsep.join([str(place), str(place.parent / "bin"), os.environ.get("PATH", "")])


def require_engine() -> None:
    """Skips the test where no engine can run; on a CI machine that is a failure."""
    reason = ""
    if os.geteuid() != 0:
        reason = "a real dockerd needs root"
    else:
        try:
            find_dockerd(None)
        except HostFault as fault:
            reason = fault.sentence
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


OUTSIDE = tuple(
    Path(place)
    for place in ("/etc/docker", "/opt/containerd", "/run/docker", "/run/containerd", "/run/runc")
)
"""What a bare engine writes outside its directories: a key, plug-in places, the shims' sockets."""
PROGRAMS = ("dockerd", "containerd", "python", "dockerdoctor")
"""Who ends with a daemon: whoever reads its log in a shell does not."""
NOTES = Path("/var/tmp/dockerdoctor-bare")
"""A link to each daemon's directory, named `PID-STARTED-N` for the process that made it; and `new`:
those of OUTSIDE that were not there before the first of them. The last one takes them away."""


class BareDaemon:
    """One dockerd and what it left behind, whoever started it again."""

    def __init__(self, directory: Path, note: Path | None = None) -> None:
        """`note` is for `sweep`: a daemon is noted when it is first started."""
        self.directory = directory
        self.socket = directory / "docker.sock"
        self.pidfile = directory / "pid"
        self.exec_root = directory / "exec"
        self.data_root = directory / "data"
        self._note = note
        self._child: subprocess.Popen[bytes] | None = None

    def argv(self) -> list[str]:
        return [
            "dockerd",
            f"--data-root={self.data_root}",
            f"--exec-root={self.exec_root}",
            "--host",
            f"unix://{self.socket}",
            "--pidfile",
            str(self.pidfile),
            f"--config-file={self.directory / 'daemon.json'}",
            "--bridge=none",
            "--iptables=false",
        ]

    def start(self) -> None:
        if self._note is None:
            sweep()
            self._note = _noted(self.directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "daemon.json").write_text("{}\n")
        environment = os.environ | {"PATH": engine_path()}
        program = find_dockerd(None)
        with (self.directory / "dockerd.log").open("ab") as log:
            self._child = subprocess.Popen(
                self.argv(),
                executable=program,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def process(self) -> Process | None:
        """Whom the pid file names now."""
        if self._child is not None:
            self._child.poll()
        with contextlib.suppress(OSError, ValueError):
            return processes.identify(int(self.pidfile.read_text()))
        return None

    def freeze(self, process: Process) -> None:
        """In a cgroup of its own: SIGTERM stays pending then."""
        cage = self._cage()
        if cage is None:
            pytest.skip("cgroup v2 is not mounted")
        cage.mkdir(exist_ok=True)
        (cage / "cgroup.procs").write_text(str(process.pid))
        (cage / "cgroup.freeze").write_text("1")

    def thaw(self) -> None:
        cage = self._cage()
        if cage is not None and cage.exists():
            (cage / "cgroup.freeze").write_text("0")

    def destroy(self) -> None:
        """End all that names its directory, and its containers; unmount and remove what is left."""
        idents = {place.name for place in self.data_root.glob("containers/*")}
        _end_all(f"{self.directory}/")
        if self._child is not None:
            self._child.wait(PATIENCE_S)
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            place = line.split()[4]
            if place.startswith(f"{self.directory}/"):
                # One that lies below one before it is gone with that already.
                subprocess.run(["umount", "-l", place], capture_output=True, check=False)
        for cgroup in (*cgroups_of(idents), self._cage()):
            if cgroup is not None:
                _remove_cgroup(cgroup)
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._note is not None:
            _forget(self._note)

    def _cage(self) -> Path | None:
        mount = cgroups.v2_mount(Path("/proc/self/mountinfo").read_text())
        if mount is None or self._note is None:
            return None
        return mount[0] / f"dockerdoctor-bare-{self._note.name}"

    @property
    def containerd_socket(self) -> Path:
        return self.exec_root / "containerd/containerd.sock"


@contextlib.contextmanager
def bare_daemon(directory: Path) -> Iterator[BareDaemon]:
    """One that runs; it is gone afterwards, whatever happened."""
    daemon = BareDaemon(directory)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.destroy()


def sweep() -> list[str]:
    """Destroy the daemons of dead test runs, and return their directories. Others stay."""
    swept = []
    for note in _notes():
        pid, started, _ = note.name.split("-")
        if not processes.alive(Process(int(pid), int(started), "")):
            with contextlib.suppress(FileNotFoundError):  # another one sweeps too
                swept.append(str(note.readlink()))
                BareDaemon(Path(swept[-1]), note).destroy()
    return swept


def _notes() -> list[Path]:
    return sorted(NOTES.glob("*-*-*"))


@contextlib.contextmanager
def _nobody_else() -> Iterator[None]:
    NOTES.mkdir(exist_ok=True)
    with (NOTES / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _noted(directory: Path) -> Path:
    us = processes.identify(os.getpid())
    assert us is not None
    with _nobody_else():
        if not _notes():
            new = [str(place) for place in OUTSIDE if not place.exists()]
            (NOTES / "new").write_text("\n".join(new))
        note = NOTES / f"{us.pid}-{us.started}-{time.monotonic_ns()}"
        note.symlink_to(directory)
    return note


def _forget(note: Path) -> None:
    with _nobody_else():
        note.unlink(missing_ok=True)
        if not _notes():
            for place in (NOTES / "new").read_text().split():
                shutil.rmtree(place, ignore_errors=True)


def cgroups_of(idents: Collection[str]) -> list[Path]:
    """Of these containers: one in each hierarchy, as `ID` or `docker-ID.scope`."""
    every = (Path(each) for each, _, _ in os.walk("/sys/fs/cgroup"))
    return [each for each in every if any(ident in each.name for ident in idents)]


def _end_all(mark: str) -> None:
    """SIGKILL to all of PROGRAMS whose command line has the mark, and to their children, until
    there are none: a daemon, its containerd, its containers, a `heal` about to start it again."""
    deadline = time.monotonic() + PATIENCE_S
    while (doomed := _marked(mark)) and time.monotonic() < deadline:
        for process in doomed:
            with contextlib.suppress(HostFault):
                processes.signal(process, signal.SIGKILL)
        for process in doomed:
            processes.wait_gone(process, PATIENCE_S)


def _marked(mark: str) -> list[Process]:
    found = set()
    for pid, words in proc("cmdline"):
        process = processes.identify(pid)
        if mark in words and process and process.name.startswith(PROGRAMS) and pid != os.getpid():
            found |= {process, *map(processes.identify, outer.children(pid))}
    return [each for each in found if each is not None and processes.alive(each)]


def _remove_cgroup(cgroup: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            cgroup.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            for pid in (cgroup / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    (cgroup.parent / "cgroup.procs").write_text(pid)
            time.sleep(0.1)
