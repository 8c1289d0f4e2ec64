"""Puts the parts of dockerdoctor together, for the watchdog and for the commands alike.

A `Config` goes in; the door to the machine, the probes, rungs and rules, and their loop come out.
Nothing is asked of the machine here. ConfigError tells all mistakes of all rule files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from dockerdoctor import whereabouts
from dockerdoctor.around import Hooks, Knowledge, Pace
from dockerdoctor.collect import NO_SAMPLES, Collector
from dockerdoctor.config import Config
from dockerdoctor.declare import Probe, Rung, known_readings, load, names
from dockerdoctor.host.address import Address, for_watchdog, same_daemon
from dockerdoctor.host.linux import LinuxHost
from dockerdoctor.host.view import HostControl
from dockerdoctor.imageuse import Room, Uses
from dockerdoctor.model import Policy, Sample
from dockerdoctor.probes import ping
from dockerdoctor.rules import Catalogue, load_rules, shipped_rules
from dockerdoctor.store import Store
from dockerdoctor.watch import Watch


def watch_lock_path(config: Config) -> Path:
    """Locked by a watchdog as long as it runs: there is one for each daemon."""
    return config.watch.run_dir / "watch.lock"


def lock_path(config: Config) -> Path:
    """Locked by whoever may act on the daemon: a `heal`, or a watchdog that is not paused."""
    return config.watch.run_dir / "act.lock"


def knowledge(config: Config, only_to_look: bool = False) -> Knowledge:
    """All probes and rungs, and the shipped rules with the operator's over them. Who only looks
    gets no rungs: to load them takes a tenth of the time that `check` has."""
    probes = dict(load("dockerdoctor.probes", Probe))
    probes["ping"] = ping.within(config.watch.ping_timeout_s)
    rungs = {} if only_to_look else load("dockerdoctor.rungs", Rung)
    catalogue = Catalogue(known_readings(probes), names("dockerdoctor.rungs"))
    rules = load_rules((shipped_rules(), *config.rules_dirs), catalogue)
    return Knowledge(probes, rungs, rules)


def host(config: Config, address: Address | None = None) -> LinuxHost:
    """The door to this machine and its daemon. `address` is for looking at another one: by its API
    only, as the unit and the process of the configuration are not its own."""
    own = for_watchdog(config.daemon.host)
    return LinuxHost(
        address or own,
        whereabouts.keeper(config),
        config.watch.evidence,
        whereabouts.named(config),
        config.watch.sizes,
        stranger=address is not None and not same_daemon(address, own),
        containerd=config.daemon.containerd_socket,
    )


def watch(
    config: Config,
    known: Knowledge,
    control: HostControl,
    store: Store,
    policy: Callable[[], Policy],
    hooks: Hooks | None = None,
    first: Mapping[str, Sample] = NO_SAMPLES,
) -> Watch:
    """The loop: `control` is a host, or a dry run of one; `first` are samples just taken."""
    pace = Pace(config.watch.pace_s, config.watch.close_pace_s)
    collect = Collector(known.probes, control, first).look
    room = Room(config.disk, Uses(store))
    return Watch(control, collect, known, policy, store, pace, hooks, room)
