"""Puts the parts of one dockerdoctor together, for the watchdog and for the commands alike.

In goes a configuration; out come the machine, what is known (probes, rungs, rules) and the watch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dockerdoctor.config import Config
from dockerdoctor.declare import Probe, Rung, known_readings, load
from dockerdoctor.host import address
from dockerdoctor.host.address import Address
from dockerdoctor.host.keeper import Keeper
from dockerdoctor.host.linux import LinuxHost
from dockerdoctor.host.pidfile import PidFileKeeper
from dockerdoctor.host.systemd import SystemdKeeper
from dockerdoctor.host.view import Place, Service
from dockerdoctor.judge import Rule
from dockerdoctor.rules import Catalogue, load_rules, shipped_rules
from dockerdoctor.watch import Knowledge


def machine(config: Config, where: Address | None = None) -> LinuxHost:
    """The host of this configuration; `where` is another address for the same daemon (CLI).

    Raises ConfigError for an address that a watchdog may not have."""
    daemon = config.daemon
    places = {Place.CONTAINERD: daemon.containerd_root}
    if daemon.data_root:
        places[Place.DATA_ROOT] = daemon.data_root
    return LinuxHost(
        where or address.for_watchdog(daemon.host),
        keeper(config),
        config.watch.evidence,
        places if daemon.pidfile is None else {},
    )


def keeper(config: Config) -> Keeper:
    """systemd, or the pid file where the configuration names one."""
    daemon = config.daemon
    if daemon.pidfile:
        return PidFileKeeper(daemon.pidfile, config.watch.state_dir)
    units = {
        Service.DOCKERD: daemon.unit,
        Service.SOCKET: daemon.socket_unit,
        Service.CONTAINERD: daemon.containerd_unit,
    }
    return SystemdKeeper({which: unit for which, unit in units.items() if unit})


def knowledge(config: Config) -> Knowledge:
    """All probes and rungs, and the shipped rules under the operator's. Raises ConfigError."""
    probes = load("dockerdoctor.probes", Probe)
    rungs = load("dockerdoctor.rungs", Rung)
    return Knowledge(probes, rungs, rules(config, probes, rungs))


def rules(
    config: Config, probes: Mapping[str, Probe], rungs: Mapping[str, Rung]
) -> tuple[Rule, ...]:
    """The rules alone, for a reload."""
    return load_rules(rule_dirs(config), Catalogue(known_readings(probes), rungs))


def rule_dirs(config: Config) -> list[Path]:
    """Where rules are read from, the shipped ones first."""
    return [shipped_rules(), *config.rules_dirs]


def lock_file(config: Config) -> Path:
    """Who holds it looks after this daemon: the watchdog, or `heal`."""
    return config.watch.run_dir / "watch.lock"
