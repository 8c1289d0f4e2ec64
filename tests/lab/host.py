"""A lab host: a Debian tree booted by systemd-nspawn, with systemd, containerd and dockerd as
Debian ships them.

In: a suite and a few wishes (size of the data-root, files to put before boot, dockerdoctor itself).
Out: commands run in it, files read and written, process ids as seen inside and outside. `stop()`,
or the end of the `with` block, takes everything away; nothing survives the process that booted it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import boot, leftovers, outer, sources, tree
from tests.lab import product as product_files
from tests.lab.commands import ENVIRONMENT, TIMED_OUT, bounded
from tests.lab.leftovers import LabError, until

IMAGE = "busybox"
OBEDIENT = ("sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait")
COMMAND_TIMEOUT_S = 60.0
BOOT_TIMEOUT_S = 180.0
PING_TIMEOUT_S = 2.0


class LabHost:
    """One booted host. Pids are the outer machine's unless a name says `inside`."""

    def __init__(
        self,
        suite: str,
        *,
        product: bool = False,
        data_root_mb: int | None = None,
        inodes: int | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        """Boot and wait for a serving dockerd.

        `product` installs the checkout's wheel; the rest is told at `boot.Wishes`. Raises
        LabUnavailableError when this machine cannot run a lab, LabError when a host does not boot.
        """
        sources.require()
        leftovers.sweep()
        layers = [tree.tree(suite)]
        if product:
            layers.insert(0, product_files.dependencies(suite))
        image = tree.busybox_image()
        self.suite = suite
        self.name = leftovers.new_name(suite)
        self.dir = leftovers.RUNS / self.name
        self.cgroup = leftovers.cgroup_of(self.name)
        self.own_disk = data_root_mb is not None
        self.leader = 0
        self._nspawn: subprocess.Popen[bytes] | None = None
        # All that we started and must wait for at the end.
        self._children: list[subprocess.Popen[bytes]] = []
        try:
            boot.prepare(self.dir, image, boot.Wishes(data_root_mb, inodes, files or {}))
            for group in (self.cgroup, self.cgroup / "commands"):
                group.mkdir()
            self._children.append(boot.keep(self.cgroup))
            self._nspawn = boot.boot(self.name, self.dir, self.cgroup, layers)
            self._children.append(self._nspawn)
            self.wait(self._find_leader, BOOT_TIMEOUT_S, "systemd to be PID 1")
            if product:
                self._install()
            self.wait(self.serving, BOOT_TIMEOUT_S, "dockerd to serve")
        except BaseException as error:
            error.add_note(self.console())
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<LabHost {self.name}>"

    # Boot and end

    def _find_leader(self) -> bool:
        """Find PID 1 of the host: the child of nspawn that is number 1 in its own namespace."""
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise LabError(f"systemd-nspawn ended with {self._nspawn.returncode}")
        for child in outer.children(self._nspawn.pid):
            if outer.pid_inside(child) == 1 and outer.program(child).endswith("/systemd"):
                self.leader = child
                return True
        return False

    def _install(self) -> None:
        wheel = product_files.wheel(self.dir / "share")
        pip = [f"{product_files.VENV}/bin/pip", "install", "--quiet", "--no-index", "--no-deps"]
        self.run(*pip, f"{boot.SHARE}/{wheel.name}", timeout=120)

    def stop(self) -> None:
        """End the host and leave nothing of it; may be called twice."""
        leftovers.kill(self.name)
        for process in self._children:
            with contextlib.suppress(OSError), process:
                process.wait(leftovers.GONE_TIMEOUT_S)
        self._children.clear()
        leftovers.clean(self.name)

    def console(self) -> str:
        """Return the last lines that nspawn and systemd printed."""
        with contextlib.suppress(OSError):
            text = (self.dir / "console.log").read_text(errors="replace")
            return "\n".join(text.splitlines()[-25:])
        return ""

    # Commands

    def inside(self, *argv: str) -> list[str]:
        """Return the command line that runs argv in the host's namespaces and its cgroup tree."""
        enter = ["nsenter", "-t", str(self.leader), "-a", "--"]
        return boot.in_cgroup(self.cgroup / "commands", [*enter, *argv])

    def run(
        self,
        *argv: str,
        timeout: float = COMMAND_TIMEOUT_S,
        check: bool = True,
        input: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the host and return its output.

        A command that had to be stopped after `timeout` seconds returns TIMED_OUT. Raises LabError
        on any other code than 0 when `check`.
        """
        limited = self.inside("timeout", "-k", "2", f"{timeout:g}", *argv)
        done = bounded(limited, timeout, input or "")
        if check and done.returncode:
            said = (done.stderr or done.stdout)[-2000:]
            raise LabError(f"{shlex.join(argv)} ended with {done.returncode}: {said}")
        return done

    def hangs(self, *argv: str, timeout: float = 5.0) -> bool:
        """Tell whether a command has no end after `timeout` seconds."""
        return self.run(*argv, timeout=timeout, check=False).returncode == TIMED_OUT

    def spawn(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a command in the host that goes on in the background; stdin and stdout are pipes.

        Its pid is that of nsenter, whose child is the command; it ends with the host at the latest.
        """
        process = subprocess.Popen(
            self.inside(*argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        self._children.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill what `spawn` started: the command first, then nsenter."""
        for child in outer.children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, 9)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait(leftovers.GONE_TIMEOUT_S)

    def docker(
        self, *argv: str, timeout: float = COMMAND_TIMEOUT_S, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run the docker CLI in the host."""
        return self.run("docker", *argv, timeout=timeout, check=check)

    def systemctl(
        self, *argv: str, timeout: float = COMMAND_TIMEOUT_S, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run systemctl in the host."""
        return self.run("systemctl", *argv, timeout=timeout, check=check)

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Return properties of a unit, as `systemctl show` prints them."""
        told = self.systemctl("show", unit, f"--property={','.join(properties)}").stdout
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

    def journal(self, unit: str, lines: int = 1000) -> str:
        """Return the last journal lines of a unit."""
        asked = ("--no-pager", "-o", "short-iso-precise", "-n", str(lines), "-u", unit)
        return self.run("journalctl", *asked, check=False).stdout

    # Files

    def outside(self, path: str) -> Path:
        """Return the outer path of an inside one (without absolute symlinks on the way)."""
        return Path(f"/proc/{self.leader}/root") / path.lstrip("/")

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside, with its parent directories."""
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
        self.run("sh", "-ec", script, "sh", path, f"{mode:o}", input=text)

    def read(self, path: str) -> str:
        """Return the text of a file inside. Raises LabError when it cannot be read."""
        return self.run("cat", path).stdout

    # Processes

    def unit_cgroup(self, unit: str) -> Path:
        """Return a system unit's cgroup on the outer machine (its cgroup.freeze, cgroup.procs)."""
        return self.cgroup / "payload" / "system.slice" / unit

    def main_pid_inside(self, unit: str = "docker.service") -> int:
        """Return MainPID as systemd inside tells it; 0 when the unit does not run."""
        return int(self.show(unit, "MainPID")["MainPID"])

    def main_pid(self, unit: str = "docker.service") -> int:
        """Return a unit's MainPID as the outer machine numbers it; 0 when the unit does not run, or
        its process ended while it was looked for."""
        inside = self.main_pid_inside(unit)
        try:
            return self.pid_outside(inside) if inside else 0
        except LabError:
            return 0

    pid_of = main_pid

    def pid_outside(self, inside: int) -> int:
        """Return the outer number of a process of this host. Raises LabError when there is none."""
        for pid in self.processes():
            if outer.pid_inside(pid) == inside:
                return pid
        raise LabError(f"no process {inside} on {self.name}")

    def processes(self) -> list[int]:
        """Return the outer pids of all processes of this host."""
        pids: list[int] = []
        for file in self.cgroup.glob("**/cgroup.procs"):
            with contextlib.suppress(OSError):
                pids += map(int, file.read_text().split())
        return pids

    def shim(self, container: str) -> int:
        """Return the outer pid of a running container's containerd-shim."""
        told = self.docker("inspect", "--format", "{{.State.Pid}}", container).stdout
        return outer.parent(self.pid_outside(int(told)))

    # The engine

    def serving(self) -> bool:
        """Tell whether dockerd answers GET /_ping within 2 s; never starts it by its socket."""
        if not leftovers.populated(self.unit_cgroup("docker.service")):
            return False
        try:
            return outer.ping(self.outside("/run/docker.sock"), PING_TIMEOUT_S)
        except OSError:
            return False

    def wait(self, condition: Callable[[], object], timeout: float, what: str) -> None:
        """Wait until the condition holds; raise LabError, naming what was waited for."""
        until(condition, f"{what} on {self.name}", timeout)

    def settle(self) -> None:
        """Make sure that docker.service serves, starting it where a test left it down.

        The start limit counts from nought again: three starts a minute are few for a shared host.
        """
        self.systemctl("reset-failed", check=False)
        if not self.serving():
            self.systemctl("unmask", "docker.service", "docker.socket", check=False)
            for unit in ("containerd.service", "docker.socket", "docker.service"):
                self.systemctl("start", "--no-block", unit, check=False)
        self.wait(self.serving, BOOT_TIMEOUT_S, "dockerd to serve again")

    def import_busybox(self, tag: str = IMAGE) -> str:
        """Import a small image with a shell and a web server; return its tag."""
        self.docker("import", f"{boot.SHARE}/busybox.tar", tag)
        return tag

    def start_container(self, name: str, *options: str, cmd: Sequence[str] = OBEDIENT) -> str:
        """Run a container in the background and return its id; imports the image when missing.

        Its command obeys SIGTERM; `cmd=("sleep", "1d")` is one that does not (10 s to stop).
        """
        if not self.docker("images", "--quiet", IMAGE).stdout:
            self.import_busybox()
        run = ("run", "--detach", "--name", name, *options, IMAGE, *cmd)
        return self.docker(*run, timeout=120).stdout.strip()
