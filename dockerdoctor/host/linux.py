"""One dockerd on one Linux machine: all that probes may see and rungs may do, put together.

In go an address, a keeper (systemd or a pid file) and a directory for evidence; out comes an object
that satisfies HostView and HostControl. What is asked of the machine is in the modules beside this.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.host import (
    clock,
    containerd,
    disks,
    imagestore,
    kernel,
    processes,
    programs,
    progress,
    shims,
    upkeep,
)
from dockerdoctor.host.address import Address
from dockerdoctor.host.asked import Asked
from dockerdoctor.host.canary import Canary
from dockerdoctor.host.clients import connected_to
from dockerdoctor.host.closeup import Closeup
from dockerdoctor.host.engine import Engine
from dockerdoctor.host.events import EventWatch
from dockerdoctor.host.files import Evidence
from dockerdoctor.host.growth import GrowthWatch
from dockerdoctor.host.journalwatch import JournalWatch
from dockerdoctor.host.keeper import Keeper, running
from dockerdoctor.host.lanes import MACHINE, Lanes
from dockerdoctor.host.layout import Layout, read
from dockerdoctor.host.nouns import (
    DiskUse,
    EventTally,
    Place,
    ProcessVitals,
    Service,
    ServiceState,
)
from dockerdoctor.host.peers import Listening
from dockerdoctor.host.pressure import PressureWatch
from dockerdoctor.host.remains import AfterAKill
from dockerdoctor.host.storage.door import Door
from dockerdoctor.host.storage.facts import Removal, Survey
from dockerdoctor.host.traces import Client, Growth, JournalTally, KernelTraces
from dockerdoctor.model import Instant, Process

FILE_S = 2.0
"""Deadline of reading one small file that may hang."""
INFO_S = 10.0
"""Deadline of asking where the images are: a containerd that hangs does not tell."""


class LinuxHost:
    """HostView and HostControl of this machine. Nothing is asked of it until a method is called."""

    def __init__(
        self,
        address: Address,
        keeper: Keeper,
        evidence: Path,
        places: Mapping[Place, Path] | None = None,
        sizes: Path | None = None,
        stranger: bool = False,
        containerd: Path | None = None,
    ) -> None:
        """`places` overrides what is found out (the configuration's `[daemon] data_root`); `sizes`
        is the file where the sizes of layers are remembered; `stranger` is whether the daemon at
        this address is another one than the keeper's; `containerd` is its socket's path, if
        that is configured."""
        self.address = address
        self.keeper = keeper
        self._engine = Engine(address)
        self._evidence = Evidence(evidence)
        self._given = dict(places or {})
        self._containerd = containerd
        self._door = Door(sizes)
        self._lanes = Lanes(MACHINE)
        self.pressure = PressureWatch().look
        self._kernel = kernel.KernelWatch(self._lanes)
        self._growth = GrowthWatch()
        self._progress = progress.Progress()
        self._asked = asked = Asked(
            address, None if stranger else keeper, self._engine, self._growth, self._elsewhere
        )
        self.ping, self.info = asked.ping, asked.info
        self.containers, self.container = asked.containers, asked.container
        self.inspect, self.answered = asked.inspect, asked.answered
        self.roster = asked.roster
        self.builds, self.waiting = asked.builds, asked.waiting
        canary = Canary(self._engine, lambda: self.main_process(Service.DOCKERD))
        self.fly, self.flights = canary.fly, canary.flights
        self._journal = JournalWatch(keeper.journal_units())
        self._lock = threading.Lock()
        self._events: EventWatch | None = None
        self._layout: tuple[Sequence[str], Layout] | None = None
        after = AfterAKill(self._lanes, keeper, self.layout)
        self.remains, self.has_process = after.remains, after.has_process
        self.stale_pid_file, self.firewall = after.stale_pid_file, after.firewall
        self.drop_copy = after.drop_copy

    def close(self) -> None:
        """End the event stream and give the kernel's log back, if they were opened."""
        with self._lock:
            if self._events is not None:
                self._events.stop()
                self._events = None
        self._kernel.close()

    # What is seen.

    def now(self) -> Instant:
        return clock.now()

    def look_closely(self, close: bool) -> None:
        self.keeper.look_closely(close)

    def service(self, which: Service) -> ServiceState:
        return self.keeper.state(which)

    def main_process(self, which: Service) -> Process | None:
        return self.keeper.main_process(which)

    def vitals(self, process: Process) -> ProcessVitals:
        found, now = processes.vitals(process), self.now().mono
        idle_s = self._progress.idle_s(process, found.cpu_s, progress.io_bytes(process.pid), now)
        if programs.is_dockerd(process):
            self._growth.saw_process(process, found.rss_bytes, self.now().mono)
        return replace(found, idle_s=idle_s)

    def places(self) -> Mapping[Place, Path]:
        found = self.layout()
        return {
            Place.DATA_ROOT: self._asked.data_root or found.data_root,
            # The tmpfs above exec-root: what fills it is fifos and sockets.
            Place.RUN: found.exec_root.parent,
            Place.CONTAINERD: found.containerd_root(),
        } | self._given

    def disk(self, path: Path, timeout_s: float) -> DiskUse:
        return self._door.followed(disks.look(self._lanes, path, timeout_s), self.now().mono)

    def events(self) -> EventTally:
        with self._lock:
            if self._events is None:
                self._events = EventWatch(self.address, asleep=self._asked.asleep)
            watch = self._events
        return watch.tally()

    def images_used(self) -> Mapping[str, float]:
        with self._lock:
            return self._events.take_images() if self._events is not None else {}

    def containerd_answers(self, timeout_s: float) -> float:
        return containerd.answers(self.layout().containerd_socket(), timeout_s)

    def journal(self, which: Service, lines: int, timeout_s: float) -> Sequence[str]:
        return self.keeper.journal(which, lines, timeout_s)

    def kernel(self) -> KernelTraces:
        daemons = kernel.daemons(self.keeper.main_process)
        root = self.places()[Place.DATA_ROOT]
        return self._kernel.look(daemons, self.roster(), root, self.now().mono)

    def said(self, timeout_s: float) -> JournalTally:
        return self._journal.look(self.now().wall, timeout_s)

    def growth(self) -> Growth:
        return self._growth.told()

    def clients(self) -> Sequence[Client]:
        return connected_to(Path(self.address.path))

    def installing(self) -> str:
        return upkeep.at_work()

    def dump_dirs(self, which: Service = Service.DOCKERD) -> Sequence[Path]:
        if which is Service.CONTAINERD:
            process = self.main_process(which)
            return (Path(f"/proc/{process.pid}/root/tmp"),) if process else ()
        return (self.layout().exec_root, self.places()[Place.DATA_ROOT])

    def survey(self) -> Survey:
        return self._door.survey(self._lanes, self.places()[Place.DATA_ROOT])

    def with_images(self, found: Survey, timeout_s: float) -> Survey:
        if found.layers and self.info(min(INFO_S, timeout_s)).storage_driver != imagestore.DRIVER:
            return found
        return self._engine.with_images(found, timeout_s)

    def stored_images(self, timeout_s: float) -> Sequence[imagestore.Stored]:
        """HostFault as `ping` raises it, which comes first: a daemon that sleeps is not woken."""
        self.ping(timeout_s)
        return self._engine.stored_images(timeout_s)

    def proc_files(self, process: Process) -> Mapping[str, str]:
        return processes.proc_files(self._lanes, process, FILE_S)

    def lens(self) -> Closeup:
        return Closeup(self.address, self.keeper, self._lanes, self._asked.wake_nobody)

    def layout(self) -> Layout:
        """Where this daemon keeps its things, by its command line and daemon.json: read anew with
        each start, and while it is down."""
        argv = self.keeper.dockerd_argv()
        known = self._layout
        if known is not None and known[0] is argv:
            return known[1]
        found = read(argv, self._lanes)
        found = replace(
            found,
            pidfile=self.keeper.pidfile or found.pidfile,
            containerd=self._containerd or found.containerd,
        )
        self._layout = (argv, found)
        return found

    def _elsewhere(self) -> str:
        """Where dockerd listens, if it runs and was told not to do so at this address: then nobody
        there is no sign of its death."""
        process, path, found = (
            running(self.keeper, Service.DOCKERD),
            self.address.path,
            self.layout(),
        )
        if process is None or not path:
            return ""
        if found.listens_elsewhere(Path(path)):
            return f"dockerd does not listen on {path}, but on {', '.join(found.hosts)}"
        # It has what systemd hands over from its first moment on, also where the file is removed.
        if found.takes_sockets and not Listening(Path(path)).held_by(process):
            return f"dockerd does not listen on {path}, but where its socket unit says"
        return ""

    # What is done.

    def start(self, *which: Service) -> None:
        self._engine.forget()
        self.keeper.start(*which)

    def stop(self, *which: Service) -> None:
        self.keeper.stop(*which)

    def restart(self, *which: Service) -> None:
        self._engine.forget()
        self.keeper.restart(*which)

    def kill_service(self, which: Service, signum: int) -> None:
        self.keeper.kill(which, signum)

    def reset_failed(self, *which: Service) -> None:
        self.keeper.reset_failed(*which)

    def signal(self, process: Process, signum: int) -> None:
        processes.signal(process, signum)
        self.keeper.forget()

    def keep(self, name: str, content: bytes) -> Path:
        return self._evidence.keep(name, content)

    def keep_copy(self, source: Path) -> Path:
        return self._evidence.keep_copy(source)

    def pause(self, seconds: float) -> None:
        clock.pause(seconds)

    def shim_of(self, ident: str) -> Process | None:
        return self._shims().get(ident)

    def shims(self) -> Sequence[Process]:
        return tuple(self._shims().values())

    def _shims(self) -> Mapping[str, Process]:
        dockerd, found = self.main_process(Service.DOCKERD), self.layout()
        return shims.of(self._lanes, found.containerd_socket(), found.namespace, dockerd)

    def remove(self, what: Removal, timeout_s: float) -> str:
        return self._door.remove(self.places()[Place.DATA_ROOT], what, self._engine, timeout_s)

    def start_container(self, ident: str, timeout_s: float) -> None:
        self._engine.start_container(ident, timeout_s)

    def reboot(self) -> None:
        self.keeper.reboot()
