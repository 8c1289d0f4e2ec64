"""A busy day of a host, with the watchdog beside it: whatever goes on, it must not act once.

In: a suite and a time. Out: progress by the minute and a summary, printed; False when the
watchdog acted, or died. The load is what real hosts do to a daemon that is well: builds, storms of
starts, starts that fail, clients that follow logs and events and do not read, busy processors, a
busy disk, and an operator who restarts the daemon, also so that it starts slowly.
"""

from __future__ import annotations

import collections
import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dockerdoctor.service import UNIT
from tests.lab import faults
from tests.lab.faults import load
from tests.lab.host import IMAGE, LabHost
from tests.lab.watchdog import WAIT_S, Watchdog

DATA_ROOT_MB = 2000
OPERATOR_S = 600.0
"""Between two restarts by an operator; in a short soak there are three of them all the same."""
SLOW_START_S = 45.0
CONTAINERS = 100
CLIENTS = 300
WORK = "/tmp/soak"
SAYINGS = ("well", "looking closer", "incident", "watching")
"""How sentences begin that are no hold."""
NUMBER = re.compile(r"\d+(\.\d+)?")
CHATTER = ("--log-opt", "max-size=5m", "--restart", "always")
PRINTS = ("sh", "-c", "while :; do echo a line that is followed and not read; sleep 0.01; done")
BURN = "yes >/dev/null & yes >/dev/null & sleep 50"
WRITE = "dd if=/dev/zero of=/file bs=1M count=150 && sync"
DOCKERFILE = f"FROM {IMAGE}\nARG TURN\nRUN head -c 3000000 /dev/urandom >/bytes && echo $TURN\n"
BUILD = "docker build -q --network none --build-arg TURN=$(date +%s) -t soak /tmp/build"
RUN = f"docker run --rm {IMAGE}"
LOOPS = (
    f"$BUILDKIT {BUILD} && docker image prune --force && printf . >>builds; sleep 10",
    f"for i in $(seq 40); do {RUN} true && printf . >>starts; done; sleep 20",
    f"{RUN} /nowhere || printf . >>failing; sleep 15",
    "docker logs --follow chatter | sleep 120",
    f"timeout 120 python3 clients.py {CLIENTS}",
    f"{RUN} sh -c '{BURN}'; sleep 40",
    f"{RUN} sh -c '{WRITE}'; sleep 30",
)
"""What goes on all the time, each in a loop of its own, in the directory WORK."""


@dataclass
class Day:
    """What has happened so far."""

    watchdog: Watchdog
    began: float
    restarts: int = 0
    holds: collections.Counter[str] = field(default_factory=collections.Counter)
    told: collections.Counter[str] = field(default_factory=collections.Counter)
    heard_until: float = 0.0

    def listen(self) -> None:
        """Take in what the watchdog has said since the last time."""
        now = time.time()
        for line in self.watchdog.log(max(self.heard_until, self.began)):
            reason, _, why = line.partition(": ")
            if reason == "told":
                self.told[NUMBER.sub("N", why.partition(" (")[0])] += 1
            elif not reason.startswith(SAYINGS):
                self.holds[reason] += 1
        self.heard_until = now

    def count(self, what: str) -> int:
        """How often a loop has done its work."""
        file = self.watchdog.host.outside(f"{WORK}/{what}")
        return file.stat().st_size if file.exists() else 0

    def sentence(self) -> str:
        """All of it in one line."""
        found = collections.Counter(each.rule for each in self.watchdog.incidents(self.began))
        done = ", ".join(
            f"{number} {what}"
            for what, number in {
                "starts": self.count("starts"),
                "failing starts": self.count("failing"),
                "builds": self.count("builds"),
                "restarts by the operator": self.restarts,
                "looks": int(self.watchdog.metric("dockerdoctor_looks_total")),
            }.items()
        )
        told = f"incidents: {_listed(found)}; told: {_listed(self.told)}"
        return f"{done}; holds: {_listed(self.holds)}; {told}"


def soak(suite: str, minutes: float, say: Callable[[str], None]) -> bool:
    """Run it; whether the watchdog did nothing and lived."""
    with LabHost(suite, product=True, data_root_mb=DATA_ROOT_MB) as host:
        watchdog = Watchdog(host)
        host.import_busybox()
        with busy(host):
            watchdog.begin("")  # as it is shipped
            day = Day(watchdog, time.time())
            pid = host.main_pid(UNIT)
            _spend(day, minutes * 60, say)
            lived = host.main_pid(UNIT) == pid
        acts = watchdog.acts(day.began)
        say(f"soak on {suite}, {minutes:g} min: {day.sentence()}")
        say(f"acts: {', '.join(acts) or 'none'}; the watchdog {'lived' if lived else 'DIED'}")
        return lived and not acts


def _spend(day: Day, seconds: float, say: Callable[[str], None]) -> None:
    """Let the time pass: tell by the minute, and restart the daemon as an operator does."""
    every = min(OPERATOR_S, seconds / 4)
    end, minute, restart = day.began + seconds, day.began + 60, day.began + every
    while (now := time.time()) < end:
        if now >= restart:
            restart += every
            _operator_restarts(day)
        if now >= minute:
            minute += 60
            day.listen()
            say(f"{(now - day.began) / 60:.0f} min: {day.sentence()}")
        time.sleep(1)
    day.listen()


def _operator_restarts(day: Day) -> None:
    """The plain way, and every other time with a start that takes long."""
    host = day.watchdog.host
    day.restarts += 1
    if day.restarts % 2:
        host.systemctl("restart", "docker.service", timeout=WAIT_S)
    else:
        with faults.slow_start(host, SLOW_START_S):
            host.wait(host.serving, WAIT_S, "the slow start to end")


@contextlib.contextmanager
def busy(host: LabHost) -> Iterator[None]:
    """All the load that is there all day."""
    host.put(f"{WORK}/clients.py", load.CLIENTS)
    host.put("/tmp/build/Dockerfile", DOCKERFILE)
    host.start_container("chatter", *CHATTER, cmd=PRINTS)
    # Later ones build by a plugin that is not there.
    buildkit = "" if host.suite == "bookworm" else "env DOCKER_BUILDKIT=0"
    with contextlib.ExitStack() as at_end:
        at_end.enter_context(faults.many_containers(host, CONTAINERS))
        for work in LOOPS:
            script = f"cd {WORK}; BUILDKIT='{buildkit}'; exec >/dev/null 2>&1"
            loop = host.spawn("sh", "-c", f"{script}; while :; do {work}; sleep 1; done")
            at_end.callback(host.end, loop)
        yield


def _listed(counted: collections.Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counted.most_common()) or "none"
