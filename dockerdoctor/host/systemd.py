"""Asks systemd through the `systemctl` command, which also works while D-Bus is dead: as root it
talks to PID 1's own socket. Service names go in, `ServiceState` comes out.

Every act is `--no-block`: it leaves a job with systemd and returns.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host import command, journal, processes
from dockerdoctor.host.commandline import CommandLine
from dockerdoctor.host.nouns import Service, ServiceState
from dockerdoctor.host.unittext import PROPERTIES, parse_jobs, parse_show
from dockerdoctor.model import Fault, Process

DEBIAN_UNITS: Mapping[Service, str] = MappingProxyType(
    {
        Service.DOCKERD: "docker.service",
        Service.SOCKET: "docker.socket",
        Service.CONTAINERD: "containerd.service",
    }
)
"""What the units are called in Debian's and in Docker's own packages."""

ASK_S = 5.0
"""Deadline of one systemctl call; 5 ms is usual, even with D-Bus stopped."""

FRESH_S = 0.5
"""How old an answer may be: the probes of one look share one call."""
CALM_S = 30.0
"""How old it may be while dockerd runs, answers, and is the process it was. A call costs 7 ms of
CPU in systemctl and 5 ms in PID 1: asked each 4 s, it alone would take 0.3 % of a core."""

CLOSE_S = 5.0
"""The same while something seems wrong: an act must see that somebody stops the daemon just now."""


class SystemdKeeper:
    """The services of one daemon as units of the system's systemd."""

    pidfile = None

    def __init__(self, units: Mapping[Service, str] = DEBIAN_UNITS) -> None:
        self.units = units
        self._lock = threading.Lock()
        self._shown: tuple[float, Mapping[str, ServiceState]] = (-math.inf, {})
        self._main: dict[Service, Process] = {}
        self._well = False
        self._up: Process | None = None
        """The dockerd that has answered: it is past its start."""
        self._calm_s = CALM_S
        self._command_line = CommandLine(units.get(Service.DOCKERD, ""))

    def state(self, which: Service) -> ServiceState:
        """HostFault(MISSING) where systemd knows no such unit."""
        unit = self._unit(which)
        state = self._show().get(unit)
        if state is None or state.load == "not-found":
            raise HostFault(Fault.MISSING, f"there is no unit {unit}")
        up = self._up is not None and state.main_pid == self._up.pid
        return replace(state, served=state.served or up)

    def asleep(self, listens: bool) -> str:
        """See `Keeper`. A daemon without a unit of that name is nobody's to wake. One that is being
        stopped would be started again by whoever comes to its socket; not one being restarted.
        Where dockerd does not listen itself, an answer that is kept is too old: a connection that
        comes too late wakes the daemon."""
        if listens and self._main.get(Service.DOCKERD) == self._up:
            return ""
        if not listens:
            self.forget()
        try:
            state = self.state(Service.DOCKERD)
        except HostFault as fault:
            if fault.fault is Fault.MISSING:
                return ""
            raise
        if state.active == "activating":
            return f"{state.name} is starting: it answers nobody before it is up"
        stopping = state.active == "deactivating" and state.job not in ("start", "restart")
        if stopping or state.active in ("inactive", "failed"):
            return f"{state.name} is {state.active}: to connect would start it"
        return ""

    def main_process(self, which: Service) -> Process | None:
        """systemd keeps a MainPID until that process is gone, so one that lives on is not asked
        for again."""
        known = self._main.get(which)
        if known is not None and processes.exists(known):
            return known
        pid = self.state(which).main_pid
        found = processes.identify(pid) if pid else None
        if found is not None:
            self._main[which] = found
        return found

    def dockerd_argv(self) -> Sequence[str]:
        """Of the running dockerd; while it is down, as its unit would start it."""
        with contextlib.suppress(HostFault):
            return self._command_line.of(self.main_process(Service.DOCKERD))
        return self._command_line.words

    def answered(self, well: bool) -> None:
        """Silence makes every older answer of systemd's worthless."""
        self._well = well
        if well:
            self._up = self._main.get(Service.DOCKERD)

    def look_closely(self, close: bool) -> None:
        """Older answers then hold for less long."""
        self._calm_s = CLOSE_S if close else CALM_S

    def forget(self) -> None:
        """Ask systemd anew at the next look."""
        with self._lock:
            self._shown = (-math.inf, {})

    def start(self, *which: Service) -> None:
        """`systemctl start --no-block` of those that exist."""
        self._act("start", which)

    def stop(self, *which: Service) -> None:
        """`systemctl stop --no-block` of those that exist."""
        self._act("stop", which)

    def restart(self, *which: Service) -> None:
        """`systemctl restart --no-block` of those that exist."""
        self._act("restart", which)

    def kill(self, which: Service, signum: int) -> None:
        """A signal to the main process. `--kill-who` is taken by all versions (`--kill-whom` since
        252; the old spelling still by 262)."""
        self._call("kill", "--kill-who=main", f"--signal={signum}", "--", self._unit(which))

    def reset_failed(self, *which: Service) -> None:
        """`systemctl reset-failed` of those that exist."""
        self._call("reset-failed", "--", *self._existing(which))

    def reboot(self) -> None:
        """`systemctl reboot --no-block`."""
        self._call("reboot", "--no-block")

    def journal(self, which: Service, lines: int, timeout_s: float) -> Sequence[str]:
        """The unit's last messages in the journal."""
        return journal.of_unit(self._unit(which), lines, timeout_s)

    def journal_units(self) -> Sequence[str]:
        """dockerd's unit and, where one is configured, containerd's."""
        wanted = (Service.DOCKERD, Service.CONTAINERD)
        return [self.units[which] for which in wanted if which in self.units]

    def _unit(self, which: Service) -> str:
        if which not in self.units:
            raise HostFault(Fault.MISSING, f"no unit is configured for {which}")
        return self.units[which]

    def _existing(self, which: Iterable[Service]) -> list[str]:
        """A host without docker.socket must still have docker.service stopped and started."""
        shown = self._show()
        found = [
            self.units[each]
            for each in which
            if (state := shown.get(self.units.get(each, ""))) and not _absent(each, state)
        ]
        if not found:
            wanted = (self.units[each] for each in which if each in self.units)
            raise HostFault(Fault.MISSING, f"there is no unit {' or '.join(wanted)}")
        return found

    def _act(self, verb: str, which: Iterable[Service]) -> None:
        self._call(verb, "--no-block", "--", *self._existing(which))

    def _call(self, *words: str) -> None:
        try:
            _systemctl(*words)
        finally:
            self.forget()

    def _calm(self, shown: Mapping[str, ServiceState]) -> bool:
        """Whether an older answer still holds: nothing was under way, and nothing has died."""
        process = self._main.get(Service.DOCKERD)
        state = shown.get(self.units.get(Service.DOCKERD, ""))
        if not self._well or process is None or state is None or state.main_pid != process.pid:
            return False
        if any(each.job or each.active not in ("active", "inactive") for each in shown.values()):
            return False
        return state.active == "active" and processes.exists(process)

    def _show(self) -> Mapping[str, ServiceState]:
        """All our units by configured name, from one call."""
        with self._lock:
            asked, shown = self._shown
            if time.monotonic() - asked < (self._calm_s if self._calm(shown) else FRESH_S):
                return shown
            names = list(self.units.values())
            text = _systemctl("show", "-p", PROPERTIES, "--", *names)
            states = parse_show(text)
            if len(states) != len(names):
                raise HostFault(Fault.GARBLED, "systemctl show left out a unit")
            shown = dict(zip(names, states, strict=True))
            if any(state.job for state in states):
                shown = _with_jobs(shown)
            self._shown = (time.monotonic(), shown)
            return shown


def _absent(which: Service, state: ServiceState) -> bool:
    """A masked socket is none: systemd refuses to start it, and 262 all else of the same call."""
    masked = state.load == "masked" and state.active == "inactive"
    return state.load == "not-found" or (which is Service.SOCKET and masked)


def _with_jobs(shown: Mapping[str, ServiceState]) -> dict[str, ServiceState]:
    """`show` tells a job's number only; its type is in the list, asked for when there is one."""
    jobs = parse_jobs(_systemctl("list-jobs", "--no-legend", "--plain", "--full"))
    return {
        name: replace(state, job=jobs.get(state.name, "")) if state.job else state
        for name, state in shown.items()
    }


def _systemctl(*words: str) -> str:
    try:
        return command.run(["systemctl", "--no-ask-password", "--no-pager", *words], ASK_S)
    except HostFault as fault:
        if "not been booted with systemd" in fault.sentence or "Host is down" in fault.sentence:
            raise HostFault(
                Fault.MISSING,
                "this host does not run systemd",
                "name the daemon's pid file: [daemon] pidfile in the configuration",
            ) from fault
        raise
