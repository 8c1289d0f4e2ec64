"""A HostControl that looks for real and only tells what it would do.

In go a real host and a callback for sentences; out come looks from that host and acts that nobody
carries out. Time passes for real, so that what waits for an act waits as long as it would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dockerdoctor.host.nouns import Service
from dockerdoctor.host.storage.facts import Removal
from dockerdoctor.host.traces import Doubled
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Process


class DryRun:
    """Acts become sentences ("would restart dockerd"), which `tell` is told."""

    def __init__(self, host: HostControl, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.now = host.now
        self.look_closely = host.look_closely
        self.ping = host.ping
        self.service = host.service
        self.main_process = host.main_process
        self.vitals = host.vitals
        self.places = host.places
        self.disk = host.disk
        self.events = host.events
        self.images_used = host.images_used
        self.info = host.info
        self.containers = host.containers
        self.container = host.container
        self.inspect = host.inspect
        self.answered = host.answered
        self.roster = host.roster
        self.containerd_answers = host.containerd_answers
        self.journal = host.journal
        self.pressure = host.pressure
        self.kernel = host.kernel
        self.said = host.said
        self.growth = host.growth
        self.builds = host.builds
        self.waiting = host.waiting
        self.clients = host.clients
        self.flights = host.flights
        self.installing = host.installing
        self.dump_dirs = host.dump_dirs
        self.proc_files = host.proc_files
        self.survey = host.survey
        self.remains = host.remains
        self.stale_pid_file = host.stale_pid_file
        self.has_process = host.has_process
        self.firewall = host.firewall
        self.lens = host.lens
        self.with_images = host.with_images
        self.shim_of = host.shim_of
        self.shims = host.shims
        self.pause = host.pause

    def start(self, *which: Service) -> None:
        self._would(f"start {_names(which)}")

    def stop(self, *which: Service) -> None:
        self._would(f"stop {_names(which)}")

    def restart(self, *which: Service) -> None:
        self._would(f"restart {_names(which)}")

    def kill_service(self, which: Service, signum: int) -> None:
        self._would(f"send signal {signum} to {which}")

    def reset_failed(self, *which: Service) -> None:
        self._would(f"reset the failed state of {_names(which)}")

    def signal(self, process: Process, signum: int) -> None:
        self._would(f"send signal {signum} to {process.name} ({process.pid})")

    def keep(self, name: str, content: bytes) -> Path:
        self._would(f"keep {name} ({len(content)} bytes)")
        return Path(name)

    def keep_copy(self, source: Path) -> Path:
        self._would(f"keep {source}")
        return source

    def start_container(self, ident: str, timeout_s: float) -> None:  # noqa: ARG002
        self._would(f"start container {ident}")

    def drop_copy(self, doubled: Doubled, timeout_s: float) -> None:  # noqa: ARG002
        self._would(f"drop a copy of {doubled.rule}")

    def remove(self, what: Removal, timeout_s: float) -> str:  # noqa: ARG002
        self._would(f"remove {what.kind} {what.ident[:80]}")
        return "nothing is done in a dry run"

    def fly(self, timeout_s: float) -> None:  # noqa: ARG002
        self._would("start a canary")

    def reboot(self) -> None:
        self._would("reboot this host")

    def _would(self, act: str) -> None:
        self._tell(f"would {act}")


def _names(which: Sequence[Service]) -> str:
    return ", ".join(which)
