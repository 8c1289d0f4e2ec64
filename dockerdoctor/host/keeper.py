"""Who keeps the services of a daemon alive: systemd (`systemd.py`), or only a pid file
(`pidfile.py`). `LinuxHost` asks one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Service, ServiceState
from dockerdoctor.model import Fault, Process


class Keeper(Protocol):
    """All calls raise HostFault; none waits for the end of what it asks for."""

    @property
    def pidfile(self) -> Path | None:
        """The daemon's pid file, where that is what it is kept by; None where its own command line
        and daemon.json tell."""
        ...

    def state(self, which: Service) -> ServiceState:
        """HostFault(MISSING) where there is no such service."""
        ...

    def main_process(self, which: Service) -> Process | None:
        """None while it has none."""
        ...

    def dockerd_argv(self) -> Sequence[str]:
        """The command line of dockerd; empty when it is not known, and the same object as long as
        nothing has changed. Never raises."""
        ...

    def asleep(self, listens: bool) -> str:
        """Why a connection must not be made: it would start a daemon that is down (docker.socket
        stays when docker.service is stopped, moby #37470), at once or, where it is starting, as
        soon as somebody stops it. `listens` is whether dockerd itself has the socket, and will take
        it. Empty when it may."""
        ...

    def answered(self, well: bool) -> None:
        """Told by the host at every ping: whether dockerd has answered."""
        ...

    def look_closely(self, close: bool) -> None:
        """Told by the host before each look: whether something seems wrong."""
        ...

    def forget(self) -> None:
        """Told after a signal: what was seen before it no longer holds."""
        ...

    def start(self, *which: Service) -> None:
        """Ask for a start."""
        ...

    def stop(self, *which: Service) -> None:
        """Ask for a stop."""
        ...

    def restart(self, *which: Service) -> None:
        """Ask for a restart."""
        ...

    def kill(self, which: Service, signum: int) -> None:
        """Send a signal to the main process."""
        ...

    def reset_failed(self, *which: Service) -> None:
        """Forget failed states and the start limit's count."""
        ...

    def reboot(self) -> None:
        """Ask for a reboot of the host."""
        ...

    def journal(self, which: Service, lines: int, timeout_s: float) -> Sequence[str]:
        """The last messages, oldest first."""
        ...

    def journal_units(self) -> Sequence[str]:
        """The units whose messages the journal has, dockerd's first; none without systemd."""
        ...


def running(keeper: Keeper, which: Service) -> Process | None:
    """Its main process; None also where there is no such service: a daemon may well answer that
    its keeper does not know (no systemd, a unit of another name). HostFault where nobody says."""
    try:
        return keeper.main_process(which)
    except HostFault as fault:
        if fault.fault is Fault.MISSING:
            return None
        raise
