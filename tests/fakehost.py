"""A machine with one dockerd that is not there: a HostControl for stories without a daemon.

Set its attributes to break it (`host.dockerd_process.frozen = True`), let time pass (`advance`),
read in `ledger` what was done to it. Time passes by `pause` and `advance` only: a call that times
out takes no fake time.
"""

from __future__ import annotations

import dataclasses
import math
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import (
    Container,
    DiskUse,
    EngineInfo,
    EventTally,
    Place,
    Pong,
    Pressure,
    ProcessVitals,
    Pruned,
    Service,
    ServiceState,
)
from dockerdoctor.model import Fault, Instant, Process
from tests.fakeworld import FakeProcess, FakeUnit, World, deliver

BEGAN = Instant(wall=1_800_000_000.0, mono=5_000.0)


def disk_use(path: Path, used_ratio: float = 0.5, inodes_used_ratio: float = 0.1) -> DiskUse:
    """A file system of 100 GB."""
    total = 100_000_000_000
    return DiskUse(path, total, int(total * (1 - used_ratio)), used_ratio, inodes_used_ratio)


class FakeHost:
    """Well at first: dockerd and containerd run and answer, no container exists.

    `directory` is a real one: evidence and goroutine dumps are written there. `bare` is a daemon
    without systemd: no socket unit, nobody restarts it, nobody sends SIGKILL."""

    def __init__(self, directory: Path, bare: bool = False) -> None:
        self.world = World(BEGAN)
        self.ledger: list[str] = []
        self.faults: dict[str, HostFault] = {}
        """By method name: what this look or act raises instead of working."""
        self.latency_s = 0.002
        self.status = 200
        self.engine = EngineInfo(
            "26.1.5", False, False, Path("/var/lib/docker"), "overlay2", 0, 0, 0, 60, 30, 1
        )
        self.all_containers: list[Container] = []
        self.tally = EventTally(True, 0, 0, 0, 0, 0)
        self.journals: dict[Service, list[str]] = {}
        self.prunable: dict[str, Pruned] = {}
        self.all_shims: list[FakeProcess] = []
        self.dumps = True
        """Whether SIGUSR1 makes it write its goroutines."""
        self.rebooted = False
        self.stuck: dict[str, Process] = {}
        """Containers whose lock is held, with the shim that holds it."""
        self.starved = Pressure(known=True)
        self.installer = ""
        self._evidence = directory / "evidence"
        self._exec_root = directory / "run" / "docker"
        self._exec_root.mkdir(parents=True, exist_ok=True)
        self.all_places = {
            Place.DATA_ROOT: Path("/var/lib/docker"),
            Place.RUN: Path("/run"),
            Place.CONTAINERD: Path("/var/lib/containerd"),
        }
        self.disks = {path: disk_use(path) for path in self.all_places.values()}
        self.units = _units(self.world, bare)
        self.dockerd.blocked = lambda: not self.containerd_serves()
        self.dockerd.on_start = self._came_up
        self.dockerd.on_end = self._went_down
        self.dockerd.on_start_limit = self._socket_fails
        for unit in self.units.values():
            unit.start()
        self.world.advance(10)

    # Breaking it.

    @property
    def dockerd(self) -> FakeUnit:
        return self.units[Service.DOCKERD]

    @property
    def dockerd_process(self) -> FakeProcess:
        """The one that runs now; the test fails when there is none."""
        assert self.dockerd.process is not None, "dockerd does not run"
        return self.dockerd.process

    @property
    def containerd_process(self) -> FakeProcess:
        process = self.units[Service.CONTAINERD].process
        assert process is not None, "containerd does not run"
        return process

    def advance(self, seconds: float) -> None:
        """Time passes, without anybody of ours waiting for it."""
        self.world.advance(seconds)

    def crash(self, which: Service = Service.DOCKERD) -> None:
        """Somebody else kills it with SIGKILL."""
        self.units[which].signal(signal.SIGKILL)

    def release(self, which: Service = Service.DOCKERD) -> None:
        """Thaw its process, detach its debugger, mend the disk it hangs on."""
        self.units[which].release()

    def operator_stops(self) -> None:
        """`systemctl stop docker.socket docker.service`, by hand."""
        for which in (Service.SOCKET, Service.DOCKERD):
            if which in self.units:
                self.units[which].stop()
        self.world.advance(1)

    def serves(self) -> bool:
        """Whether dockerd would answer now."""
        live = self.dockerd.process
        up = self.dockerd.active in ("active", "deactivating")
        return live is not None and up and not (live.still or live.hung or live.ending)

    def containerd_serves(self) -> bool:
        live = self.units[Service.CONTAINERD].process
        return live is not None and not (live.still or live.hung)

    # HostView.

    def now(self) -> Instant:
        return self.world.now()

    def ping(self, timeout_s: float) -> Pong:
        self._fail("ping")
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
        return dataclasses.replace(self.tally, alive=self.tally.alive and self.serves())

    def info(self, timeout_s: float) -> EngineInfo:
        self._fail("info")
        self._must_serve(timeout_s, containerd=True)
        running = sum(each.state == "running" for each in self.all_containers)
        return dataclasses.replace(
            self.engine, running=running, containers=len(self.all_containers)
        )

    def roster(self) -> Sequence[Container]:
        return tuple(self.all_containers)

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
            self.all_containers[index] = dataclasses.replace(known, hangs_since=since)
            raise HostFault(Fault.TIMEOUT, f"inspect of {ident} hangs")
        found = dataclasses.replace(known, inspected=True, hangs_since=None)
        self.all_containers[index] = found
        return found

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

    def pressure(self) -> Pressure:
        self._fail("pressure")
        return self.starved

    def installing(self) -> str:
        return self.installer

    def dump_dirs(self) -> Sequence[Path]:
        return (self._exec_root,)

    def proc_files(self, process: Process) -> Mapping[str, str]:
        self._fail("proc_files")
        live = self._find(process)
        return {"status": f"Name:\t{live.identity.name}\nState:\t{live.state}\n", "wchan": "0"}

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

    def restart(self, which: Service) -> None:
        self._did("restart", which)
        self._unit(which).stop(job="restart")

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
        return kept

    def pause(self, seconds: float) -> None:
        self.world.advance(seconds)

    def shim_of(self, ident: str) -> Process | None:
        return self.stuck.get(ident)

    def shims(self) -> Sequence[Process]:
        self._fail("shims")
        return tuple(shim.identity for shim in self.all_shims)

    def prune(self, what: str, older_than_s: float, timeout_s: float) -> Pruned:
        self._did("prune", what)
        self._must_serve(timeout_s)
        pruned = self.prunable.pop(what, Pruned(what, 0, 0))
        root = self.all_places[Place.DATA_ROOT]
        self.disks[root] = _freed(self.disks[root], pruned.bytes)
        return pruned

    def start_container(self, ident: str, timeout_s: float) -> None:
        self._did("start_container", ident)
        self._must_serve(timeout_s, containerd=True)
        index = self._index(ident)
        self.all_containers[index] = dataclasses.replace(
            self.all_containers[index], state="running"
        )

    def reboot(self) -> None:
        self._did("reboot")
        self.rebooted = True

    # How it works inside.

    def _did(self, verb: str, *words: str) -> None:
        self.ledger.append(" ".join((verb, *words)))
        self._fail(verb)

    def _fail(self, name: str) -> None:
        if name in self.faults:
            raise self.faults[name]

    def _unit(self, which: Service) -> FakeUnit:
        unit = self.units.get(which)
        if unit is None or not unit.exists:
            raise HostFault(Fault.MISSING, f"there is no unit {which}")
        return unit

    def _find(self, process: Process) -> FakeProcess:
        live = [unit.process for unit in self.units.values() if unit.process]
        for each in (*live, *self.all_shims):
            if each.identity == process and not each.gone:
                return each
        raise HostFault(Fault.MISSING, f"{process.name} ({process.pid}) is gone")

    def _must_serve(self, timeout_s: float, containerd: bool = False) -> None:
        self.ping(timeout_s)
        if containerd and not self.containerd_serves():
            raise HostFault(Fault.TIMEOUT, f"no answer within {timeout_s:g} s")

    def _send(self, unit: FakeUnit, signum: int) -> None:
        taken = unit.signal(signum)
        if signum == signal.SIGUSR1 and taken and self.dumps:
            name = f"goroutine-stacks-{self.now().mono:.0f}.log"
            self.world.after(0.5, lambda: self._dump(name))

    def _dump(self, name: str) -> None:
        (self._exec_root / name).write_text("goroutine 1 [semacquire, 5 minutes]:\n")

    def _write(self, name: str, content: bytes) -> Path:
        self._evidence.mkdir(parents=True, exist_ok=True)
        path = self._evidence / f"{len(self.ledger):04}-{Path(name).name}"
        path.write_bytes(content)
        return path

    def _index(self, ident: str) -> int:
        for index, each in enumerate(self.all_containers):
            if ident in (each.id, each.name):
                return index
        raise HostFault(Fault.MISSING, f"no such container: {ident}")

    def _went_down(self, _: int) -> None:
        """Also a killed dockerd costs the containers: the next one stops those that survived."""
        if self.engine.live_restore:
            return
        self.all_containers = [
            dataclasses.replace(each, state="exited", pid=0) if each.state == "running" else each
            for each in self.all_containers
        ]
        self.all_shims.clear()

    def _came_up(self) -> None:
        self.all_containers = [
            dataclasses.replace(each, state="running")
            if each.state == "exited" and each.restart_policy in ("always", "unless-stopped")
            else each
            for each in self.all_containers
        ]

    def _socket_fails(self) -> None:
        if Service.SOCKET in self.units:
            socket = self.units[Service.SOCKET]
            socket.active, socket.sub, socket.result = "failed", "failed", "service-start-limit-hit"

    def _shim_ended(self, shim: FakeProcess) -> None:
        self.all_shims.remove(shim)
        self.stuck = {ident: each for ident, each in self.stuck.items() if each != shim.identity}


def _units(world: World, bare: bool) -> dict[Service, FakeUnit]:
    units = {
        Service.CONTAINERD: FakeUnit(world, "containerd.service", "containerd"),
        Service.SOCKET: FakeUnit(world, "docker.socket", ""),
        Service.DOCKERD: FakeUnit(world, "docker.service", "dockerd"),
    }
    if bare:
        del units[Service.SOCKET]
        for unit in units.values():
            unit.restart, unit.stop_timeout_s = "no", math.inf
            unit.unit_file = unit.load = ""
    return units


def _freed(disk: DiskUse, count: int) -> DiskUse:
    free = min(disk.total_bytes, disk.free_bytes + count)
    return dataclasses.replace(disk, free_bytes=free, used_ratio=1 - free / disk.total_bytes)
