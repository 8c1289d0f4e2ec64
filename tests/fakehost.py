"""A machine with one dockerd that is not there: a HostControl for stories without a daemon.

Set its attributes to break it (`host.dockerd_process.frozen = True`), let time pass (`advance`),
read in `ledger` what was done to it. Time passes by `pause` and `advance` only: a call that times
out takes no fake time.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host import imagestore
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
from dockerdoctor.model import Fault, Instant, Process
from dockerdoctor.reclaim import IN_THE_STORE
from tests.fakelens import FakeLens
from tests.fakemachine import BEGAN, FakeMachine, disk_use, freed
from tests.fakeworld import deliver

__all__ = ["BEGAN", "FakeHost", "disk_use"]


class FakeHost(FakeMachine):
    """HostView and HostControl of a FakeMachine: see there for what can be set."""

    # HostView.

    def now(self) -> Instant:
        return self.world.now()

    def look_closely(self, close: bool) -> None:
        """Nothing is kept here."""

    def ping(self, timeout_s: float) -> Pong:
        self._fail("ping")
        if self.socket_removed:
            raise HostFault(Fault.MISSING, "there is no socket")
        if self.serves():
            return Pong(self.status, self.latency_s, "1.45")
        if self.dockerd.process is not None:
            raise HostFault(Fault.TIMEOUT, f"no answer within {timeout_s:g} s")
        socket = self.units.get(Service.SOCKET)
        if socket is not None and socket.active == "active":
            if self.dockerd.active in ("inactive", "failed"):
                raise HostFault(Fault.REFUSED, "docker.service is down: to connect would start it")
            raise HostFault(Fault.TIMEOUT, f"no answer within {timeout_s:g} s")
        raise HostFault(Fault.MISSING, "there is no socket")

    def service(self, which: Service) -> ServiceState:
        self._fail("service")
        return self._unit(which).state()

    def main_process(self, which: Service) -> Process | None:
        self._fail("main_process")
        live = self._unit(which).process
        return live.identity if live else None

    def vitals(self, process: Process) -> ProcessVitals:
        self._fail("vitals")
        live = self._find(process)
        age_s = self.now().mono - live.born
        if live is self.dockerd.process:
            self.grown.saw_process(process, live.rss_bytes, self.now().mono)
        return ProcessVitals(
            rss_bytes=live.rss_bytes,
            swap_bytes=0,
            threads=20,
            fds=40,
            fd_limit=1 << 20,
            state="t" if live.tracer and live.state == "S" else live.state,
            pending=frozenset(live.pending),
            tracer=live.tracer,
            frozen=live.frozen,
            cpu_s=age_s * 0.01,
            stuck_threads=1 if live.held else 0,
            idle_s=live.idle_s,
        )

    def places(self) -> Mapping[Place, Path]:
        return self.all_places

    def disk(self, path: Path, timeout_s: float) -> DiskUse:
        self._fail("disk")
        if path not in self.disks:
            raise HostFault(Fault.MISSING, f"cannot look at {path}: No such file or directory")
        return self.disks[path]

    def events(self) -> EventTally:
        self._fail("events")
        return replace(self.tally, alive=self.tally.alive and self.serves())

    def images_used(self) -> Mapping[str, float]:
        told, self.used_images = self.used_images, {}
        return told

    def info(self, timeout_s: float) -> EngineInfo:
        self._fail("info")
        self._must_serve(timeout_s, containerd=True)
        running = sum(each.state == "running" for each in self.all_containers)
        seen = self.engine
        counters = {"goroutines": seen.goroutines, "listeners": seen.listeners, "fds": seen.fds}
        self.grown.saw_info(seen.version, counters, self.now().mono)
        return replace(self.engine, running=running, containers=len(self.all_containers))

    def roster(self) -> Sequence[Container]:
        if self.serves():  # as the last answer told
            self.last_answer = tuple(self.all_containers)
        return self.last_answer

    def containers(self, timeout_s: float) -> Sequence[Container]:
        self._fail("containers")
        self._must_serve(timeout_s)
        return tuple(self.all_containers)

    def container(self, ident: str, timeout_s: float) -> Container:
        self._fail("container")
        self._must_serve(timeout_s)
        index = self._index(ident)
        known = self.all_containers[index]
        if ident in self.stuck:
            since = known.hangs_since or self.now().mono
            self.all_containers[index] = replace(known, hangs_since=since)
            raise HostFault(Fault.TIMEOUT, f"inspect of {ident} hangs")
        found = replace(known, inspected=True, hangs_since=None)
        self.all_containers[index] = found
        self.answers[ident] = self.now().mono
        return found

    def inspect(self, idents: Sequence[str], timeout_s: float, within_s: float) -> None:
        self.asked_for.append(list(idents))
        for ident in idents:
            try:
                self.container(ident, timeout_s)
            except HostFault as fault:
                if fault.fault is Fault.TIMEOUT:
                    return
                raise

    def answered(self) -> Mapping[str, float]:
        return self.answers

    def containerd_answers(self, timeout_s: float) -> float:
        self._fail("containerd_answers")
        if not self.containerd_serves():
            gone = self.units[Service.CONTAINERD].process is None
            fault = Fault.REFUSED if gone else Fault.TIMEOUT
            raise HostFault(fault, f"containerd did not answer within {timeout_s:g} s")
        return self.latency_s

    def journal(self, which: Service, lines: int, timeout_s: float) -> Sequence[str]:
        self._fail("journal")
        return self.journals.get(which, [])[-lines:]

    def kernel(self) -> KernelTraces:
        self._fail("kernel")
        return replace(self.kernel_log, held=self._held())

    def said(self, timeout_s: float) -> JournalTally:
        self._fail("said")
        return self.tidings

    def growth(self) -> Growth:
        return self.grown.told()

    def builds(self, timeout_s: float) -> Builds:
        self._fail("builds")
        self._must_serve(timeout_s)
        seen = Builds(
            self.live_builds,
            copies=self.live_copies,
            prunes=self.live_prunes,
            pruning_s=self.prune_stood_s if self.grown.saw_no_builds_yet else 0.0,
        )
        return self.grown.saw_builds(seen, self.now().mono)

    def waiting(self, timeout_s: float) -> int:
        self._fail("waiting")
        self._must_serve(timeout_s)
        return self.waiters

    def flights(self) -> Flights:
        return self.flown

    def clients(self) -> Sequence[Client]:
        self._fail("clients")
        return self.all_clients

    def pressure(self) -> Pressure:
        self._fail("pressure")
        return self.starved

    def installing(self) -> str:
        return self.installer

    def dump_dirs(self, which: Service = Service.DOCKERD) -> Sequence[Path]:
        return (self._exec_root,) if which is Service.DOCKERD else ()

    def with_images(self, found: Survey, timeout_s: float) -> Survey:
        self._must_serve(timeout_s)
        return found

    def survey(self) -> Survey:
        self._fail("survey")
        return replace(self.stock, taken=self.now().wall)

    def proc_files(self, process: Process) -> Mapping[str, str]:
        self._fail("proc_files")
        live = self._find(process)
        return {"status": f"Name:\t{live.identity.name}\nState:\t{live.state}\n", "wchan": "0"}

    def remains(self) -> Remains:
        self._fail("remains")
        proxies = [each for each in self.left.proxies if self._lives(each.process)]
        return Remains(tuple(proxies), self.left.shims)

    def stale_pid_file(self) -> PidFile | None:
        if self.stale_pid is None or not self.stale_pid.path.exists():
            return None
        return self.stale_pid

    def has_process(self, container: Container) -> bool:
        return container.id not in self.dead

    def firewall(self, timeout_s: float) -> Firewall:
        self._fail("firewall")
        return self.rules

    def lens(self) -> FakeLens:
        return self.closeup

    # HostControl.

    def start(self, *which: Service) -> None:
        self._did("start", *which)
        for each in which:
            if each in self.units:
                self.units[each].start()

    def stop(self, *which: Service) -> None:
        self._did("stop", *which)
        for each in which:
            if each in self.units:
                self.units[each].stop()

    def restart(self, *which: Service) -> None:
        self._did("restart", *which)
        self.socket_removed &= Service.SOCKET not in which
        for each in which:
            self._unit(each).stop(job="restart")

    def kill_service(self, which: Service, signum: int) -> None:
        self._did("kill_service", which, signal.Signals(signum).name)
        if not self._unit(which).process:
            raise HostFault(Fault.REFUSED, f"{which} has no main process")
        self._send(self._unit(which), signum)

    def reset_failed(self, *which: Service) -> None:
        self._did("reset_failed", *which)
        for each in which:
            if each in self.units:
                self.units[each].reset_failed()

    def signal(self, process: Process, signum: int) -> None:
        self._did("signal", process.name, signal.Signals(signum).name)
        live = self._find(process)
        for unit in self.units.values():
            if unit.process is live:
                self._send(unit, signum)
                return
        deliver(self.world, live, signum, lambda _: self._shim_ended(live))

    def keep(self, name: str, content: bytes) -> Path:
        self._did("keep", name)
        return self._write(name, content)

    def keep_copy(self, source: Path) -> Path:
        self._did("keep_copy", source.name)
        if not source.exists():
            raise HostFault(Fault.MISSING, f"cannot keep {source.name}: No such file")
        kept = self._write(source.name, source.read_bytes())
        source.unlink()
        if self.stale_pid is not None and source == self.stale_pid.path:
            self.dockerd.start_fails = ""
        return kept

    def pause(self, seconds: float) -> None:
        self._live_on()
        self.world.advance(seconds)

    def shim_of(self, ident: str) -> Process | None:
        return self.stuck.get(ident)

    def shims(self) -> Sequence[Process]:
        self._fail("shims")
        return tuple(shim.identity for shim in self.all_shims)

    def remove(self, what: Removal, timeout_s: float) -> str:
        self._did("remove", what.kind.value, what.ident)
        self._must_serve(timeout_s)
        size = self._take_out(what)
        root, store = (self.all_places[each] for each in (Place.DATA_ROOT, Place.CONTAINERD))
        stored = self.stock.driver == imagestore.DRIVER and what.kind in IN_THE_STORE
        where = store if stored and self.disks[store].device != self.disks[root].device else root
        self.disks[where] = freed(self.disks[where], size)
        return ""

    def drop_copy(self, doubled: Doubled, timeout_s: float) -> None:
        self._did("drop_copy", doubled.rule)
        fewer = (
            replace(each, copies=each.copies - (each.rule == doubled.rule))
            for each in self.rules.doubled
        )
        left = tuple(each for each in fewer if each.copies > 1)
        self.rules = Firewall(self.rules.rules - 1, left)

    def start_container(self, ident: str, timeout_s: float) -> None:
        self._did("start_container", ident)
        self._must_serve(timeout_s, containerd=True)
        index = self._index(ident)
        self.all_containers[index] = replace(self.all_containers[index], state="running")

    def fly(self, timeout_s: float) -> None:
        self._did("fly")
        self.flown = replace(self.flown, total=self.flown.total + 1, took_s=0.4)

    def reboot(self) -> None:
        self._did("reboot")
        self.rebooted = True

    def _must_serve(self, timeout_s: float, containerd: bool = False) -> None:
        self.ping(timeout_s)
        if containerd and not self.containerd_serves():
            raise HostFault(Fault.TIMEOUT, f"no answer within {timeout_s:g} s")
