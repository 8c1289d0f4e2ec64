"""The inside of `FakeHost`: what its machine is made of, how it is broken, how it reacts."""

from __future__ import annotations

import math
import signal
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host.growth import GrowthWatch
from dockerdoctor.host.nouns import (
    Container,
    DiskUse,
    EngineInfo,
    EventTally,
    Place,
    Pressure,
    Service,
)
from dockerdoctor.host.storage.facts import Removal, Survey
from dockerdoctor.host.traces import (
    Client,
    Firewall,
    Flights,
    HeldThread,
    JournalTally,
    KernelTraces,
    PidFile,
    Proxy,
    Remains,
    Whose,
)
from dockerdoctor.model import Fault, Instant, Process
from tests.fakelens import FakeLens
from tests.fakeworld import FakeProcess, FakeUnit, World

BEGAN = Instant(wall=1_800_000_000.0, mono=5_000.0)


def disk_use(path: Path, used_ratio: float = 0.5, inodes_used_ratio: float = 0.1) -> DiskUse:
    """A file system of 100 GB."""
    total = 100_000_000_000
    return DiskUse(path, total, int(total * (1 - used_ratio)), used_ratio, inodes_used_ratio)


class Killed(BaseException):
    """The watchdog is killed (kill -9) in the middle of what it does."""


class FakeMachine:
    """Well at first: dockerd and containerd run and answer, no container exists.

    `directory` is a real one: evidence and goroutine dumps are written there. `bare` is a daemon
    without systemd: no socket unit, nobody restarts it, nobody sends SIGKILL."""

    def __init__(self, directory: Path, bare: bool = False) -> None:
        self.world = World(BEGAN)
        self.ledger: list[str] = []
        self.faults: dict[str, HostFault] = {}
        """By method name: what this look or act raises instead of working."""
        self.acts_to_live: int | None = None
        """After so many acts and waits the watchdog is killed; None: never."""
        self.latency_s = 0.002
        self.status = 200
        self.socket_removed = False
        """Somebody has removed /run/docker.sock; only docker.socket makes it anew."""
        self.engine = EngineInfo(
            "26.1.5", False, False, Path("/var/lib/docker"), "overlay2", 0, 0, 0, 60, 30, 1
        )
        self.all_containers: list[Container] = []
        self.last_answer: tuple[Container, ...] = ()
        self.tally = EventTally(True, 0, 0, 0, 0, 0)
        self.used_images: dict[str, float] = {}
        """What the events tell next of images that were used."""
        self.journals: dict[Service, list[str]] = {}
        self.stock = Survey(Path("/var/lib/docker"))
        """What lies in the data-root; `remove` takes images and containers out of it."""
        self.all_shims: list[FakeProcess] = []
        self.live_builds = 0
        self.live_copies = 0
        self.live_prunes = 0
        self.prune_stood_s = 0.0
        """How long one has stood still, as far as its stacks tell."""
        self.flown = Flights()
        self.all_clients: tuple[Client, ...] = ()
        self.dumps = True
        self.stacks = "goroutine 1 [semacquire, 5 minutes]:\n"
        """Whether SIGUSR1 makes it write its goroutines."""
        self.rebooted = False
        self.stuck: dict[str, Process] = {}
        """Containers whose lock is held, with the shim that holds it."""
        self.waiters = 0
        """Requests that wait inside the daemon: for such a lock, or for containerd."""
        self.answers: dict[str, float] = {}
        """When each container has answered its last inspect."""
        self.asked_for: list[list[str]] = []
        """The rounds of inspects, each with whom it was to ask."""
        self.starved = Pressure(known=True)
        self.installer = ""
        self.kernel_log = KernelTraces(log_known=True, data_root_read_only=False)
        """All that the kernel shows but the threads that it holds."""
        self.tidings = JournalTally()
        """What the messages of docker and containerd amount to."""
        self.left = Remains()
        """What a killed daemon left; `strays` are its proxies' processes."""
        self.strays: list[FakeProcess] = []
        self.stale_pid: PidFile | None = None
        """The pid file and who has its pid; dockerd refuses to start while it is there."""
        self.dead: set[str] = set()
        """Ids of containers whose process is gone."""
        self.rules = Firewall(20)
        self.grown = GrowthWatch()
        self.closeup = FakeLens()
        """What a closer look sees."""
        self.held_container: HeldThread | None = None
        self._held_since: dict[int, float] = {}
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

    def leaves_a_proxy(self, port: int) -> FakeProcess:
        """A docker-proxy that has outlived its dockerd."""
        stray = self.world.spawn("docker-proxy")
        self.strays.append(stray)
        proxy = Proxy(stray.identity, port, "tcp")
        self.left = replace(self.left, proxies=(*self.left.proxies, proxy))
        return stray

    def has_its_pid_taken(self) -> Path:
        """dockerd is killed, and somebody else gets its pid before it is started again."""
        path = self._exec_root.parent / "docker.pid"
        path.write_text("4711")
        self.stale_pid = PidFile(path, Process(4711, 1, "sleep"))
        self.dockerd.start_fails = "exit-code"
        self.crash()
        return path

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
        unit = self.units[Service.CONTAINERD]
        live, up = unit.process, unit.active in ("active", "deactivating")
        return live is not None and up and not (live.still or live.hung)

    # How it works inside.

    def _did(self, verb: str, *words: str) -> None:
        self._live_on()
        self.ledger.append(" ".join((verb, *words)))
        self._fail(verb)

    def _live_on(self) -> None:
        if self.acts_to_live == 0:
            self.acts_to_live = None
            raise Killed
        if self.acts_to_live is not None:
            self.acts_to_live -= 1

    def _fail(self, name: str) -> None:
        if name in self.faults:
            raise self.faults[name]

    def _unit(self, which: Service) -> FakeUnit:
        unit = self.units.get(which)
        if unit is None or not unit.exists:
            raise HostFault(Fault.MISSING, f"there is no unit {which}")
        return unit

    def _held(self) -> tuple[HeldThread, ...]:
        """Threads of the daemons that the kernel holds, with how long they have been seen so."""
        now = self.world.now().mono
        held = [self.held_container] if self.held_container else []
        for whose, which in (
            (Whose.DOCKERD, Service.DOCKERD),
            (Whose.CONTAINERD, Service.CONTAINERD),
        ):
            live = self.units[which].process
            if live is None or not live.held:
                continue
            since = self._held_since.setdefault(live.identity.pid, now)
            wchan = "percpu_rwsem_wait"
            held.append(HeldThread(whose, live.identity, live.identity.pid, wchan, now - since))
        return tuple(held)

    def _find(self, process: Process) -> FakeProcess:
        live = [unit.process for unit in self.units.values() if unit.process]
        for each in (*live, *self.all_shims, *self.strays):
            if each.identity == process and not each.gone:
                return each
        raise HostFault(Fault.MISSING, f"{process.name} ({process.pid}) is gone")

    def _lives(self, process: Process) -> bool:
        return any(each.identity == process and not each.gone for each in self.strays)

    def _send(self, unit: FakeUnit, signum: int) -> None:
        taken = unit.signal(signum)
        if signum == signal.SIGUSR1 and taken and self.dumps:
            name = f"goroutine-stacks-{self.world.now().mono:.0f}.log"
            self.world.after(0.5, lambda: self._dump(name))

    def _dump(self, name: str) -> None:
        (self._exec_root / name).write_text(self.stacks)

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
            replace(each, state="exited", pid=0) if each.state == "running" else each
            for each in self.all_containers
        ]
        self.all_shims.clear()

    def _came_up(self) -> None:
        self.all_containers = [
            replace(each, state="running")
            if each.state == "exited" and each.restart_policy in ("always", "unless-stopped")
            else each
            for each in self.all_containers
        ]

    def _socket_fails(self) -> None:
        if Service.SOCKET in self.units:
            socket = self.units[Service.SOCKET]
            socket.active, socket.sub, socket.result = "failed", "failed", "service-start-limit-hit"

    def _shim_ended(self, shim: FakeProcess) -> None:
        if shim in self.strays:
            return
        self.all_shims.remove(shim)
        self.stuck = {ident: each for ident, each in self.stuck.items() if each != shim.identity}

    def _take_out(self, what: Removal) -> int:
        """The bytes of an image or a container of the stock that goes; no layer is shared."""
        images, boxes = dict(self.stock.images), dict(self.stock.boxes)
        trees = self.stock.trees
        names: list[str] = []
        if what.ident in images:
            layers = [self.stock.layers[chain] for chain in images.pop(what.ident).chains]
            names = [layer.cache_id for layer in layers]
        elif boxes.pop(what.ident, None):
            mount = self.stock.mounts[what.ident]
            names = [mount.mount_id, mount.init_id]
        self.stock = replace(self.stock, images=images, boxes=boxes)
        return sum(trees[name].usage.bytes for name in names if name in trees)


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
            unit.name = unit.name.partition(".")[0].replace("docker", "dockerd")
            unit.load = ""
    return units


def freed(disk: DiskUse, count: int) -> DiskUse:
    free = min(disk.total_bytes, disk.free_bytes + count)
    return replace(disk, free_bytes=free, used_ratio=1 - free / disk.total_bytes)
