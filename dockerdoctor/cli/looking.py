"""One look at a daemon for the commands: an address and a configuration in, a `Looked` out."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from dockerdoctor import compose
from dockerdoctor.around import Knowledge
from dockerdoctor.cli.examine import STREAMED
from dockerdoctor.cli.report import Looked
from dockerdoctor.config import Config, DaemonConfig
from dockerdoctor.declare import known_readings
from dockerdoctor.errors import HostFault
from dockerdoctor.glance import glance
from dockerdoctor.host.address import Address, for_watchdog, same_daemon
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Sample

JOURNAL_LINES = 100
JOURNAL_S = 1.0
BY_API = ("ping", "api", "containers")
"""What can be seen of a daemon that is not the configuration's."""


def look(address: Address, config: Config, known: Knowledge) -> Looked:
    """One look by all probes, or by those that need the API only where the configuration's unit and
    process are not those of this daemon."""
    return look_with(compose.host(config, address), address, config, known)


def look_with(view: HostView, address: Address, config: Config, known: Knowledge) -> Looked:
    """The same through a door that is open already."""
    whole = same_daemon(address, for_watchdog(config.daemon.host))
    names = [name for name in known.probes if name not in STREAMED] if whole else BY_API
    samples = glance([known.probes[name] for name in names], view)
    found = looked_at(samples, view, address, config, known)
    return replace(found, journal=_journal(view)) if _is_down(samples) else found


def looked_at(
    samples: Mapping[str, Sample],
    view: HostView,
    address: Address,
    config: Config,
    known: Knowledge,
) -> Looked:
    """Samples with what they are judged by, and who runs now."""
    whole = same_daemon(address, for_watchdog(config.daemon.host))
    return Looked(
        samples=samples,
        rules=known.rules,
        declared=known_readings(known.probes),
        now=view.now(),
        address=str(address),
        whole=whole,
        units=units(config.daemon) if whole else (),
        running=tuple(each for each in view.roster() if each.state == "running"),
    )


def _is_down(samples: Mapping[str, Sample]) -> bool:
    return "unit" in samples and samples["unit"].readings.get("active_state") == "failed"


def _journal(view: HostView) -> tuple[str, ...]:
    """Why it does not start is in its last messages; a journal that hangs must not hold us up."""
    try:
        return tuple(view.journal(Service.DOCKERD, JOURNAL_LINES, JOURNAL_S))
    except HostFault:
        return ()


def units(daemon: DaemonConfig) -> tuple[str, ...]:
    """Its units, its own first; none where it has only a pid file."""
    units = (daemon.unit, daemon.socket_unit) if daemon.pidfile is None else ()
    return tuple(unit for unit in units if unit)
