"""Who keeps this daemon's services, and which places a configuration names. In: a `Config`.

Apart from `compose`, which loads all of dockerdoctor: a look at the disk needs no more than this.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dockerdoctor.host.layout import read
from dockerdoctor.host.nouns import Place, Service

if TYPE_CHECKING:
    from dockerdoctor.config import Config
    from dockerdoctor.host.keeper import Keeper
    from dockerdoctor.host.lanes import Lanes


def keeper(config: Config) -> Keeper:
    """Its pid file where one is configured, else systemd."""
    daemon = config.daemon
    if daemon.pidfile is not None:
        from dockerdoctor.host.pidfile import PidFileKeeper

        return PidFileKeeper(daemon.pidfile, config.watch.state_dir)
    from dockerdoctor.host.systemd import SystemdKeeper

    units = {
        Service.DOCKERD: daemon.unit,
        Service.SOCKET: daemon.socket_unit,
        Service.CONTAINERD: daemon.containerd_unit,
    }
    return SystemdKeeper({service: unit for service, unit in units.items() if unit})


def named(config: Config) -> Mapping[Place, Path]:
    """Only what was configured: the rest is found out from the daemon's own command line."""
    daemon = config.daemon
    places = {}
    if daemon.data_root is not None:
        places[Place.DATA_ROOT] = daemon.data_root
    if daemon.containerd_root is not None:
        places[Place.CONTAINERD] = daemon.containerd_root
    return places


def storage(config: Config, lanes: Lanes) -> Mapping[Place, Path]:
    """Where data-root and containerd's root are, by the configuration and the command line."""
    found = read(keeper(config).dockerd_argv(), lanes)
    known = {Place.DATA_ROOT: found.data_root, Place.CONTAINERD: found.containerd_root()}
    return known | dict(named(config))
