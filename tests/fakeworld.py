"""Processes and units of a machine that is not there: the physics under `FakeHost`.

Fake time goes in by `World.advance`; processes take signals, end, and are started again as seen on
a real systemd and a real dockerd. Durations are seconds.
"""

from __future__ import annotations

import heapq
import itertools
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from dockerdoctor.host.nouns import ServiceState
from dockerdoctor.model import Instant, Process

RESTART_DELAY_S = 2.0
"""RestartSec= of docker.service."""
START_LIMIT = 3
START_LIMIT_S = 60.0


@dataclass
class FakeProcess:
    """A process. Set `state`, `frozen`, `tracer`, `held` and so on to break it."""

    identity: Process
    born: float
    state: str = "S"
    frozen: bool = False
    tracer: Process | None = None
    held: bool = False
    """By the kernel, in state D: not even SIGKILL removes it."""
    hung: bool = False
    """Takes signals, and answers nobody."""
    end_takes_s: float = 0.5
    """From taking SIGTERM to its end; `inf` when its shutdown hangs too."""
    rss_bytes: int = 90 << 20
    idle_s: float = 0.0
    pending: set[int] = field(default_factory=set)
    blocked: Callable[[], bool] = lambda: False
    """While this holds, its shutdown does not end (dockerd waits for a hung containerd)."""
    ending: bool = False
    gone: bool = False

    @property
    def still(self) -> bool:
        """Runs no instruction: SIGTERM stays pending, nobody is answered."""
        return self.frozen or self.tracer is not None or self.state in "TtDZ"


class World:
    """Time, and what is due at which time."""

    def __init__(self, began: Instant) -> None:
        self.began = began
        self.passed_s = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._pids = itertools.count(1000)

    def now(self) -> Instant:
        return Instant(self.began.wall + self.passed_s, self.began.mono + self.passed_s)

    def advance(self, seconds: float) -> None:
        """Time passes, and what is due happens in its order."""
        until = self.passed_s + max(0.0, seconds)
        while self._due and self._due[0][0] <= until:
            at, _, act = heapq.heappop(self._due)
            self.passed_s = max(self.passed_s, at)
            act()
        self.passed_s = until

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """`inf` is never."""
        if seconds < math.inf:
            heapq.heappush(self._due, (self.passed_s + seconds, next(self._order), act))

    def spawn(self, name: str) -> FakeProcess:
        pid = next(self._pids)
        return FakeProcess(Process(pid, 100 * pid, name), born=self.now().mono)


def deliver(world: World, process: FakeProcess, signum: int, ended: Callable[[int], None]) -> bool:
    """What a signal does; `ended(signum)` is called when the process is gone, with the signal that
    ended it, 0 for an end of its own. Whether it was taken at once."""
    if process.gone:
        return False
    if signum == signal.SIGCONT:
        if process.state != "T":
            return True  # nobody waits for it: it is never pending
        process.state = "S"
        for waiting in sorted(process.pending):
            process.pending.discard(waiting)
            deliver(world, process, waiting, ended)
        return True
    if signum == signal.SIGKILL:
        if process.held or process.tracer is not None:
            process.state = "Z"  # a zombie: its tracer, or threads in state D, still hold it
            return True
        process.gone = True
        ended(signum)
        return True
    if signum == signal.SIGSTOP:
        process.state = "T"
        return True
    if process.still:
        process.pending.add(signum)
        return False
    if signum == signal.SIGTERM and not process.ending:
        process.ending = True
        world.after(process.end_takes_s, lambda: _finish(world, process, ended))
    return True


def release(world: World, process: FakeProcess, ended: Callable[[int], None]) -> None:
    """Thaw it, free it from its tracer and from the kernel: what waited for it happens now."""
    killed = process.state == "Z"
    process.state, process.frozen, process.tracer, process.held = "S", False, None, False
    if killed:
        deliver(world, process, signal.SIGKILL, ended)
    for waiting in sorted(process.pending):
        process.pending.discard(waiting)
        deliver(world, process, waiting, ended)


def _finish(world: World, process: FakeProcess, ended: Callable[[int], None]) -> None:
    """The end of a shutdown, as soon as nothing holds it up."""
    if process.gone:
        return
    if process.still or process.blocked():
        world.after(1.0, lambda: _finish(world, process, ended))
        return
    process.gone = True
    ended(0)


class FakeUnit:
    """A service under systemd: Restart=, start limit, SIGKILL after TimeoutStopSec. Without a
    program it is a socket."""

    def __init__(self, world: World, name: str, program: str) -> None:
        self.world = world
        self.name = name
        self.program = program
        self.exists = True
        self.active = "inactive"
        self.sub = "dead"
        self.result = "success"
        self.job = ""
        self.restart = "always"
        self.load = "loaded"
        self.stop_timeout_s = 90.0
        self.watchdog_s = 0.0
        self.served = True
        self.kill_mode = "process"
        self.along: frozenset[str] = frozenset()
        self.start_takes_s = 1.0
        self.start_fails = ""
        """A result ("exit-code") that every start ends with; empty when it works."""
        self.tells_limit = True
        """Whether Result becomes `start-limit-hit` where it is none already (not up to 257)."""
        self.restarts = 0
        self.left_inactive: float | None = None
        self.main_exited: float | None = None
        self.process: FakeProcess | None = None
        self.blocked: Callable[[], bool] = lambda: False
        self.on_start: Callable[[], None] = lambda: None
        self.on_end: Callable[[int], None] = lambda _: None
        self.on_start_limit: Callable[[], None] = lambda: None
        self._starts: list[float] = []
        self._stopping = 0

    def state(self) -> ServiceState:
        live = self.process
        return ServiceState(
            name=self.name,
            active=self.active,
            sub=self.sub,
            result=self.result,
            main_pid=live.identity.pid if live else 0,
            restarts=self.restarts,
            load=self.load,
            left_inactive_mono_s=self.left_inactive,
            main_exited_mono_s=self.main_exited,
            stop_timeout_s=self.stop_timeout_s,
            restart=self.restart,
            watchdog_s=self.watchdog_s,
            job=self.job,
            served=self.served,
            kill_mode=self.kill_mode,
            along=self.along,
        )

    def start(self) -> None:
        if not self.program:
            self._set("active", "listening", "success")
            return
        if self.process is not None:
            if self.active == "deactivating":
                self.job = "start"
            return
        now = self.world.now().mono
        self._starts = [at for at in self._starts if now - at < START_LIMIT_S]
        if len(self._starts) >= START_LIMIT and self.restart != "no":
            told = self.tells_limit or self.result == "success"
            self._set("failed", "failed", "start-limit-hit" if told else self.result)
            self.on_start_limit()
            return
        self._starts.append(now)
        self.process = self.world.spawn(self.program)
        self.process.blocked = self.blocked
        self._set("activating", "start", "success")
        started = self.process
        self.world.after(self.start_takes_s, lambda: self._come_up(started))

    def stop(self, job: str = "stop") -> None:
        self.job = job
        if self.process is None:
            self._settle()
            return
        self._set("deactivating", "stop-sigterm", self.result, job)
        self._stopping += 1
        turn = self._stopping
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        self.world.after(self.stop_timeout_s, lambda: self._lose_patience(turn))

    def signal(self, signum: int) -> bool:
        process = self.process
        return process is not None and deliver(self.world, process, signum, self._ended)

    def release(self) -> None:
        """Free its process from whatever holds it."""
        if self.process is not None:
            release(self.world, self.process, self._ended)

    def reset_failed(self) -> None:
        self._starts.clear()
        self.restarts = 0
        if self.active == "failed":
            self._set("inactive", "dead", "success")

    def _set(self, active: str, sub: str, result: str, job: str = "") -> None:
        down = ("inactive", "failed")
        if self.active in down and active not in down:
            self.left_inactive = self.world.now().mono
        self.active, self.sub, self.result, self.job = active, sub, result, job

    def _come_up(self, process: FakeProcess) -> None:
        if self.process is not process or self.active != "activating":
            return
        if self.start_fails:
            process.gone = True
            self._lose_process()
            self._fall(self.start_fails)
            return
        self._set("active", "running", "success")
        self.on_start()

    def _lose_patience(self, turn: int) -> None:
        """SIGKILL after TimeoutStopSec; as long again, and systemd gives the process up."""
        if turn != self._stopping or self.active != "deactivating":
            return
        if self.sub == "stop-sigkill":
            self._lose_process()
            self._set("failed", "failed", "timeout")
            return
        self._set("deactivating", "stop-sigkill", "timeout", self.job)
        self.signal(signal.SIGKILL)
        self.world.after(self.stop_timeout_s, lambda: self._lose_patience(turn))

    def _lose_process(self) -> None:
        self.process = None
        self.main_exited = self.world.now().mono

    def _ended(self, signum: int) -> None:
        self._lose_process()
        self.on_end(signum)
        if self.active == "deactivating":
            late = self.result == "timeout"
            self._settle("timeout" if late else "signal" if signum else "success")
        elif signum == 0 and self.restart != "always":
            self._set("inactive", "dead", "success")
        else:
            self._fall("signal" if signum else "success")

    def _settle(self, result: str = "success") -> None:
        """What was to be stopped is gone; a stop that took a SIGKILL is a failure. One that was
        about to be started again keeps its Result."""
        job = self.job
        down = ("inactive", "dead") if result == "success" else ("failed", "failed")
        about_to = self.sub == "auto-restart"
        self._set(*down, self.result if about_to else result)
        if job in ("start", "restart"):
            self.start()

    def _fall(self, result: str) -> None:
        if self.restart == "no":
            self._set("failed" if result != "success" else "inactive", "dead", result)
            return
        self._set("failed", "failed", result)  # for a moment
        self._set("activating", "auto-restart", result)
        self.world.after(RESTART_DELAY_S, self._start_again)

    def _start_again(self) -> None:
        if self.active == "activating" and self.sub == "auto-restart":
            self.restarts += 1
            self.start()
