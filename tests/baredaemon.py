"""A real, private dockerd without systemd, in a directory of its own: for tests on what is real.

The engine is found as the demo finds it: `$DOCKERDOCTOR_ENGINE`, PATH, or the cache. Root is
needed. Nothing of a daemon of the host is touched, and nothing is left behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockerdoctor.demo import find_dockerd
from dockerdoctor.errors import HostFault
from dockerdoctor.host import peers, processes, shims
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.model import Process

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


class BareDaemon:
    """One dockerd and what it left behind, whoever started it again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "docker.sock"
        self.pidfile = directory / "pid"
        self.exec_root = directory / "exec"
        self.data_root = directory / "data"
        self.cgroup: Path | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._new = [place for place in OUTSIDE if not place.exists()]

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
        if self.cgroup is None:
            self.cgroup = _cgroup_root() / f"dockerdoctor-test-{os.getpid()}"
            self.cgroup.mkdir(exist_ok=True)
        (self.cgroup / "cgroup.procs").write_text(str(process.pid))
        (self.cgroup / "cgroup.freeze").write_text("1")

    def thaw(self) -> None:
        if self.cgroup is not None:
            (self.cgroup / "cgroup.freeze").write_text("0")

    def destroy(self) -> None:
        """End it, its containerd and the shims, unmount what they mounted, remove the directory."""
        self.thaw()
        for process in (
            *shims.of(Lanes(), self.containerd_socket, "moby", None).values(),
            self.process(),
            peers.listener(self.containerd_socket),
        ):
            if process is not None and process.name in ("dockerd", "containerd", shims.NAME):
                _end(process)
        if self._child is not None:
            self._child.wait(PATIENCE_S)
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            place = line.split()[4]
            if place.startswith(f"{self.directory}/"):
                subprocess.run(["umount", "-l", place], check=False, timeout=30)
        if self.cgroup is not None:
            _remove_cgroup(self.cgroup)
        for ours in (self.directory, *self._new):
            shutil.rmtree(ours, ignore_errors=True)

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


def _end(process: Process) -> None:
    for signum in (signal.SIGCONT, signal.SIGKILL):
        with contextlib.suppress(Exception):
            processes.signal(process, signum)
    deadline = time.monotonic() + PATIENCE_S
    while processes.alive(process) and time.monotonic() < deadline:
        time.sleep(0.05)


def _cgroup_root() -> Path:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, more = line.partition(" - ")
        if more.startswith("cgroup2 "):
            return Path(fields.split()[4])
    pytest.skip("cgroup v2 is not mounted")


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
