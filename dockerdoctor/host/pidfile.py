"""Keeps a dockerd that has no systemd: a pid file and what we have seen go in, states in systemd's
words come out.

Nobody restarts such a daemon but us. A start that has to wait until the old process is gone waits
for it on its pidfd, in a thread.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host import bare, journal, launch, pids, processes, programs
from dockerdoctor.host.faults import from_os
from dockerdoctor.host.lanes import MACHINE, Lanes
from dockerdoctor.host.layout import flags, layout
from dockerdoctor.host.nouns import Service, ServiceState
from dockerdoctor.model import Fault, Process

STARTING_S = 120.0
"""How long a daemon that has never answered counts as starting. systemd is told by the daemon
itself; here only time can tell a slow start from a hang."""

ENDING_S = 3600.0
"""How long a restart waits for the old process: as long as a shutdown may take."""
JUST_KILLED_S = 5.0
"""A start finds a process alive that we did not ask to end: it may just have been killed."""
ORPHANED_S = 10.0
"""A containerd whose dockerd is gone is on its way out too; after this it is killed."""
READ_S = 2.0
"""Deadline of reading a command line from /proc."""


class PidFileKeeper:
    """One bare dockerd and the containerd it started. State is kept in `state_dir`, so that the
    next process of ours knows how to start the daemon again."""

    def __init__(self, pidfile: Path, state_dir: Path) -> None:
        self.pidfile = pidfile
        self._record = state_dir / "launch.json"
        self._own_log = state_dir / "dockerd.log"
        self._lanes = Lanes(MACHINE)
        self._lock = threading.RLock()
        self._launch = launch.load(self._record)
        self._child: subprocess.Popen[bytes] | None = None
        self._ending: Process | None = None
        self._stopped = False
        self._awaited: Process | None = None
        self._start_failed = False

    def state(self, which: Service) -> ServiceState:
        """HostFault(MISSING) for the socket, and for a containerd nobody knows of."""
        if which is Service.CONTAINERD:
            return self._containerd_state()
        self._only_dockerd(which)
        with self._lock:
            process = self._process()
            if process is None:
                return self._absent()
            active, sub = self._present(process)
            return bare.state("dockerd", active, sub, process, served=self._has_served(process))

    def asleep(self, listens: bool) -> str:  # noqa: ARG002
        """Nobody starts this daemon for whoever connects."""
        return ""

    def main_process(self, which: Service) -> Process | None:
        """From the pid file, or who we know it to be while that file is not (yet) there."""
        if which is Service.CONTAINERD:
            return self._containerd()
        self._only_dockerd(which)
        with self._lock:
            return self._process()

    def dockerd_argv(self) -> Sequence[str]:
        """The command line of the daemon that runs, or ran last."""
        with self._lock:
            self._process()
            return self._launch.argv if self._launch else ()

    def answered(self, well: bool) -> None:
        """Once it has been up, silence is a hang, and no slow start."""
        if not well:
            return
        with self._lock:
            process, known = self._process(), self._launch
            if process is None or known is None or known.answered:
                return
            if self._is_recorded(process):
                self._remember(replace(known, answered=True))

    def look_closely(self, close: bool) -> None:
        """Nothing is kept for long."""

    def forget(self) -> None:
        """Nothing is remembered that a signal could change."""

    def start(self, *which: Service) -> None:
        """Start the recorded command line, once a process that is ending is gone. A containerd of
        the daemon's own comes with it. HostFault when it cannot be started."""
        if Service.DOCKERD not in which:
            return self._only_dockerd(*which)
        with self._lock:
            self._stopped = False
            process = self._process()
            before = process or self._orphan()
            if before is None:
                self._spawn()
            elif before != self._awaited:
                self._awaited = before
                limit_s = ENDING_S if before == self._ending else JUST_KILLED_S
                threading.Thread(
                    target=self._start_after, args=(before, limit_s), name="start", daemon=True
                ).start()
        return None

    def stop(self, *which: Service) -> None:
        """SIGTERM, and SIGCONT as systemd does, so that a stopped process can take it."""
        if Service.CONTAINERD in which:
            bare.terminate(self._containerd())
        if Service.DOCKERD in which:
            with self._lock:
                self._awaited = None
                self._stopped = True
                self._ending = self._process()
                bare.terminate(self._ending)
        elif Service.CONTAINERD not in which:
            self._only_dockerd(*which)

    def restart(self, *which: Service) -> None:
        """SIGTERM and a start once it is gone. A containerd is started again by its dockerd."""
        self.stop(*which)
        if Service.DOCKERD in which:
            self.start(*which)

    def kill(self, which: Service, signum: int) -> None:
        """A signal to the main process. HostFault(MISSING) while there is none."""
        process = self.main_process(which)
        if process is None:
            raise HostFault(Fault.MISSING, f"{which} does not run")
        processes.signal(process, signum)

    def reset_failed(self, *which: Service) -> None:  # noqa: ARG002
        """There is no start limit here; only our own memory of a failed start is dropped."""
        with self._lock:
            self._start_failed = False

    def reboot(self) -> None:
        """Refused: whoever runs a daemon without systemd knows best how to reboot."""
        raise HostFault(Fault.MISSING, "there is no systemd to ask for a reboot", "run `reboot`")

    def journal(self, which: Service, lines: int, timeout_s: float) -> Sequence[str]:
        """The end of the daemon's log file; a containerd of its own writes there too."""
        if which is Service.SOCKET:
            self._only_dockerd(which)
        log = self._log() if self.dockerd_argv() else self._own_log
        return self._lanes.run(f"read {log}", lambda: journal.of_file(log, lines), timeout_s)

    def journal_units(self) -> Sequence[str]:
        """None: it logs to a file."""
        return ()

    def _present(self, process: Process) -> tuple[str, str]:
        if process == self._ending:
            return "deactivating", "stop-sigterm"
        late = processes.age_s(process) > STARTING_S or bare.stands_still(process)
        if late or self._has_served(process):
            return "active", "running"
        return "activating", "start"

    def _absent(self) -> ServiceState:
        if self._awaited is not None:
            return bare.state("dockerd", "activating", "auto-restart")
        if self._stopped:
            return bare.state("dockerd", "inactive", "dead")
        code = self._child.poll() if self._child else None
        if code is not None and code != 0:
            result = "signal" if code < 0 else "exit-code"
            return bare.state("dockerd", "failed", "failed", result=result)
        # dockerd removes its pid file when it ends by itself; only a killed one leaves it.
        if self._start_failed or self.pidfile.exists():
            return bare.state("dockerd", "failed", "failed", result="signal")
        return bare.state("dockerd", "inactive", "dead")

    def _process(self) -> Process | None:
        """Our child, whom the pid file names, or whom we recorded: the first that lives."""
        if self._child is not None:
            self._child.poll()  # reaps it, so that its pid is free
        recorded = self._launch
        known = recorded.argv if recorded else ()
        for pid, started in (
            (self._child.pid if self._child else 0, 0),
            (pids.pid_in(self.pidfile), 0),
            (recorded.pid if recorded else 0, recorded.started if recorded else 0),
        ):
            seen = processes.stat(pid) if pid else None
            if seen is None or seen.ended or not programs.is_dockerd(seen.process, known):
                continue
            if started in (0, seen.process.started) and self._record_new(seen.process):
                return seen.process
        return None

    def _record_new(self, process: Process) -> bool:
        """False for another dockerd that has got the pid in a stale file."""
        if self._is_recorded(process):
            return True
        try:
            seen = self._lanes.run(
                f"read /proc/{process.pid}", lambda: launch.observe(process), READ_S
            )
        except (HostFault, OSError):
            return True  # not permitted, or stuck: what we knew before stays
        said = flags(seen.argv).get("--pidfile")
        if said and (Path(seen.cwd) / said).resolve() != self.pidfile.resolve():
            return False
        self._remember(seen)
        return True

    def _has_served(self, process: Process) -> bool:
        return bool(self._launch and self._launch.answered and self._is_recorded(process))

    def _is_recorded(self, process: Process) -> bool:
        known = self._launch
        return known is not None and (known.pid, known.started) == (process.pid, process.started)

    def _remember(self, seen: launch.Launch) -> None:
        self._launch = seen
        with contextlib.suppress(OSError):  # a full disk; memory will do
            launch.save(self._record, seen)

    def _start_after(self, before: Process, limit_s: float) -> None:
        """In a thread of its own: start the daemon when this process is gone."""
        gone = processes.wait_gone(before, limit_s)
        orphan = self._orphan()
        if gone and orphan is not None and not processes.wait_gone(orphan, ORPHANED_S):
            with contextlib.suppress(HostFault):
                processes.signal(orphan, signal.SIGKILL)
            processes.wait_gone(orphan, JUST_KILLED_S)
        with self._lock:
            if self._awaited != before:
                return  # stopped meanwhile
            self._awaited = None
            if self._process() is None:
                with contextlib.suppress(HostFault):  # its state tells
                    self._spawn()

    def _orphan(self) -> Process | None:
        return bare.orphaned_containerd(self._launch.argv) if self._launch else None

    def _spawn(self) -> None:
        self._ending = None
        try:
            if self._launch is None:
                raise HostFault(Fault.MISSING, "nobody has recorded how this daemon is started")
            pids.remove_stale(self.pidfile, programs.is_dockerd)
            # dockerd waits for ever for a containerd whose pid is only a zombie, or another's.
            pids.remove_stale(pids.of_containerd(self._launch.argv), programs.is_containerd)
            self._child = launch.spawn(self._launch, self._log())
            # Reaped at once: a rung that has killed it waits until even its zombie is gone.
            threading.Thread(target=self._child.wait, name="reap dockerd", daemon=True).start()
        except (HostFault, OSError) as error:
            self._start_failed = True
            raise (
                error
                if isinstance(error, HostFault)
                else from_os(error, f"cannot remove {self.pidfile}")
            ) from error
        self._start_failed = False

    def _log(self) -> Path:
        return Path(self._launch.log) if self._launch and self._launch.log else self._own_log

    def _containerd(self) -> Process | None:
        """The kernel knows who listens on its socket, also while it hangs."""
        from dockerdoctor.host import peers  # seldom needed, and slow to load

        place = layout(self.dockerd_argv(), {}).containerd_socket()
        found = peers.listener(place)
        return found if found is not None and programs.is_containerd(found) else None

    def _containerd_state(self) -> ServiceState:
        process = self._containerd()
        if process is not None:
            return bare.state("containerd", "active", "running", process)
        place = layout(self.dockerd_argv(), {}).containerd_socket()
        if not place.exists():
            raise HostFault(Fault.MISSING, f"there is no containerd at {place}")
        return bare.state("containerd", "failed", "failed", result="signal")

    def _only_dockerd(self, *which: Service) -> None:
        if Service.DOCKERD not in which and Service.CONTAINERD not in which:
            raise HostFault(Fault.MISSING, "a daemon without systemd has no socket unit")
