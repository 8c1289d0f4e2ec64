"""What dockerdoctor asks of a machine, as types: `HostView` looks, `HostControl` also acts.

Every call has a deadline of its own and either returns a value or raises `HostFault` with the
Fault that says why not; none waits for ever. Two implementations answer them: a dockerd under
systemd and one with only a pid file (`host/linux.py`); a third, `host/dryrun.py`, looks for real
and acts in the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from dockerdoctor.host.lens import Lens
from dockerdoctor.host.nouns import (
    Container,
    DiskUse,
    EngineInfo,
    EventTally,
    Place,
    Pong,
    Pressure,
    ProcessVitals,
    Service,
    ServiceState,
)
from dockerdoctor.host.storage.facts import Removal, Survey
from dockerdoctor.host.traces import (
    Builds,
    Client,
    Doubled,
    Firewall,
    Flights,
    Growth,
    JournalTally,
    KernelTraces,
    PidFile,
    Remains,
)
from dockerdoctor.model import Instant, Process


class HostView(Protocol):
    """What may be looked at. Nothing here changes anything on the machine."""

    def now(self) -> Instant:
        """Both clocks."""
        ...

    def look_closely(self, close: bool) -> None:
        """Told before each look: whether something seems wrong, so that what was answered earlier
        and is kept holds for less long."""
        ...

    def ping(self, timeout_s: float) -> Pong:
        """`GET /_ping` with one deadline for the whole answer, however slowly it drips."""
        ...

    def service(self, which: Service) -> ServiceState:
        """The state of a service; HostFault(MISSING) where there is none of that name."""
        ...

    def main_process(self, which: Service) -> Process | None:
        """Its main process by identity, from MainPID or the pid file; None while it has none."""
        ...

    def vitals(self, process: Process) -> ProcessVitals:
        """HostFault(MISSING) once this very process (pid and start time) is gone."""
        ...

    def places(self) -> Mapping[Place, Path]:
        """Where this daemon keeps its things, from its configuration or its last answer."""
        ...

    def disk(self, path: Path, timeout_s: float) -> DiskUse:
        """statvfs that cannot block its caller for longer than `timeout_s` (a dead NFS server)."""
        ...

    def events(self) -> EventTally:
        """The tally of the event stream; the first call opens it."""
        ...

    def images_used(self) -> Mapping[str, float]:
        """When containers of an image were last made, started or ended (wall clock, s), by what
        their maker called it: what the event stream told since the last call. Asks nobody."""
        ...

    def info(self, timeout_s: float) -> EngineInfo:
        """`GET /info`."""
        ...

    def containers(self, timeout_s: float) -> Sequence[Container]:
        """All containers by one list call: ids, names, states; no inspect."""
        ...

    def container(self, ident: str, timeout_s: float) -> Container:
        """One container by inspect, with its policy and time-outs; takes that container's lock."""
        ...

    def inspect(self, idents: Sequence[str], timeout_s: float, within_s: float) -> None:
        """These containers by inspect, one after the other; the roster then tells what they said.
        Ends after `within_s`, or at the first that does not answer in `timeout_s`: it hangs."""
        ...

    def answered(self) -> Mapping[str, float]:
        """When each container has last answered an inspect, be it with a refusal (monotonic clock,
        s). Asks nobody."""
        ...

    def roster(self) -> Sequence[Container]:
        """The containers as the last good `containers` and `container` calls told them; asks
        nobody, so it also works while the daemon hangs. Empty before the first answer; the same
        object while nothing new was told."""
        ...

    def containerd_answers(self, timeout_s: float) -> float:
        """Seconds that containerd's own version call took."""
        ...

    def journal(self, which: Service, lines: int, timeout_s: float) -> Sequence[str]:
        """The last messages of a service, oldest first."""
        ...

    def kernel(self) -> KernelTraces:
        """Threads of this daemon that the kernel holds, and what its log tells; remembers between
        calls, so that how long a thread has been held is known from the second on."""
        ...

    def said(self, timeout_s: float) -> JournalTally:
        """The known signs in the messages of docker and containerd, read forward since the last
        call; the first one reads the last hour."""
        ...

    def growth(self) -> Growth:
        """How the daemon's memory and counters have grown, from what `vitals` and `info` told
        since it was started; asks nobody."""
        ...

    def builds(self, timeout_s: float) -> Builds:
        """The image builds, copies, diffs and prunes that run now, by the daemon's goroutines."""
        ...

    def waiting(self, timeout_s: float) -> int:
        """How many requests wait inside the daemon for a lock, or for what containerd is to do."""
        ...

    def flights(self) -> Flights:
        """What has come of the canary so far. Asks nobody, and starts none: see `fly`."""
        ...

    def clients(self) -> Sequence[Client]:
        """Who is connected to the daemon's socket, most connections first. Asks the kernel, and
        reads all of /proc: for a finding that wants a name, not for each look."""
        ...

    def pressure(self) -> Pressure:
        """PSI, load and swap traffic of the host."""
        ...

    def installing(self) -> str:
        """Who holds the package manager's lock, `apt-get (pid 12)`; empty when nobody does."""
        ...

    def dump_dirs(self, which: Service = Service.DOCKERD) -> Sequence[Path]:
        """Where goroutine dumps are written: dockerd's exec-root, else its data-root; the /tmp of
        containerd, as that sees it. Empty where it is not known."""
        ...

    def survey(self) -> Survey:
        """What is in the data-root, from its databases: without walking it, so sizes are those that
        are remembered or that the layer database tells. HostFault when it cannot be read."""
        ...

    def remains(self) -> Remains:
        """What a killed daemon may have left on the machine; the daemon is not asked."""
        ...

    def stale_pid_file(self) -> PidFile | None:
        """dockerd's pid file, if who has the pid in it is no dockerd: then dockerd does not start,
        and says `process with PID N is still running` (moby #46988). None while all is well."""
        ...

    def has_process(self, container: Container) -> bool:
        """Whether the process that an inspect told of is there, and is that container's. True where
        it cannot be told."""
        ...

    def firewall(self, timeout_s: float) -> Firewall:
        """The packet filter's rules. HostFault where there are none to be seen."""
        ...

    def with_images(self, found: Survey, timeout_s: float) -> Survey:
        """The same with the images and the build cache as the daemon tells them, where they are in
        containerd's store and the files do not tell; unchanged elsewhere."""
        ...

    def proc_files(self, process: Process) -> Mapping[str, str]:
        """/proc/PID/{status,stack,wchan,limits,cgroup} as far as they can be read."""
        ...

    def lens(self) -> Lens:
        """A closer look, for examinations on demand."""
        ...


class HostControl(HostView, Protocol):
    """What a rung may do. Every call returns soon: it asks, and never waits for the end."""

    def start(self, *which: Service) -> None:
        """Ask for a start (`systemctl --no-block`); without systemd, the recorded command line."""
        ...

    def stop(self, *which: Service) -> None:
        """Ask for a stop."""
        ...

    def restart(self, *which: Service) -> None:
        """Ask for a restart; without systemd SIGTERM, and a start once it is gone."""
        ...

    def kill_service(self, which: Service, signum: int) -> None:
        """`systemctl kill --kill-whom=main`; without systemd a signal to the main process."""
        ...

    def reset_failed(self, *which: Service) -> None:
        """Forget failed states and the start limit's count."""
        ...

    def signal(self, process: Process, signum: int) -> None:
        """Send a signal by pidfd to this very process; HostFault(MISSING) if it is gone."""
        ...

    def keep(self, name: str, content: bytes) -> Path:
        """Write evidence under the evidence directory, bounded in size; returns where."""
        ...

    def keep_copy(self, source: Path) -> Path:
        """Move a file (a goroutine dump) out of a place that a reboot empties."""
        ...

    def pause(self, seconds: float) -> None:
        """Let time pass in a rung that must wait for a file or a death (it bounds this)."""
        ...

    def shim_of(self, ident: str) -> Process | None:
        """The shim of one container, by its full id; None when there is none."""
        ...

    def shims(self) -> Sequence[Process]:
        """The shims of this daemon's containers."""
        ...

    def drop_copy(self, doubled: Doubled, timeout_s: float) -> None:
        """Delete one copy of a doubled rule, of the kind of which that makes no difference."""
        ...

    def start_container(self, ident: str, timeout_s: float) -> None:
        """Start a container that ran before."""
        ...

    def remove(self, what: Removal, timeout_s: float) -> str:
        """Remove one thing, if all that was true of it still is: empty when it is gone, else why it
        stays. Never a named volume, never what is in use."""
        ...

    def fly(self, timeout_s: float) -> None:
        """One flight of the canary: create, start and remove a tiny container of our own. The one
        call that waits for its end, so it is made from a thread; `flights` tells how it ended."""
        ...

    def reboot(self) -> None:
        """Ask for a reboot of the host."""
        ...
