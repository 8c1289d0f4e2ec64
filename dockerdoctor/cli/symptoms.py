"""Which branch of the tree a rule belongs to, and how strong its evidence is. Pure.

Both follow from what a rule asks about, so that a new rule needs no entry here.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # every command passes through here, `--help` too
    from dockerdoctor.judge import Rule


class Symptom(enum.StrEnum):
    """The branches of the tree, in the order in which they are told."""

    START = "start"
    HANG = "hang"
    SOCKET = "socket"
    DISK = "disk"
    STORAGE = "storage"
    NETWORK = "network"
    MEMORY = "memory"


class Grade(enum.IntEnum):
    """How much speaks for a cause; the greater goes first."""

    AGAINST = 0  # a daemon told of it, and a closer look shows that it is no longer so
    FOLLOWS = 1  # a symptom: something else brings it about
    TOLD = 2  # in a daemon's own words
    SEEN = 3  # on the machine, now


ABOUT: Mapping[Symptom, str] = MappingProxyType(
    {
        Symptom.START: "configuration and start",
        Symptom.HANG: "hang",
        Symptom.SOCKET: "socket and permission",
        Symptom.DISK: "disk space",
        Symptom.STORAGE: "storage",
        Symptom.NETWORK: "network",
        Symptom.MEMORY: "memory and speed",
    }
)

BY_HAND: Mapping[Symptom, str] = MappingProxyType(
    {
        Symptom.START: "5 to 15 min",
        Symptom.HANG: "5 to 15 min",
        Symptom.SOCKET: "5 to 15 min",
        Symptom.DISK: "15 to 30 min",
        Symptom.STORAGE: "15 min to 2 h",
        Symptom.NETWORK: "5 to 15 min",
        Symptom.MEMORY: "15 to 30 min",
    }
)
"""What it usually takes a person where no rung does it (reference figures of incident response)."""

_BRANCHES: Mapping[str, Symptom] = MappingProxyType(
    {
        "unit": Symptom.START,
        "ping.latency_s": Symptom.MEMORY,
        "events": Symptom.MEMORY,
        "process": Symptom.MEMORY,
        "trend": Symptom.MEMORY,
        "pressure": Symptom.MEMORY,
        "disk": Symptom.DISK,
        "firewall": Symptom.NETWORK,
        "leftovers.proxies": Symptom.NETWORK,
        "kernel.data_root_read_only": Symptom.STORAGE,
        "kernel.netdev_waits_20m": Symptom.NETWORK,
        "kernel.oom_kills_1h": Symptom.MEMORY,
        "journal.no_space": Symptom.DISK,
        "journal.too_many_files": Symptom.MEMORY,
        "journal.ghost": Symptom.HANG,
        "journal.id_in_use": Symptom.HANG,
        "journal.bad_config": Symptom.START,
        "journal.flag_conflict": Symptom.START,
        "journal.bad_flag": Symptom.START,
        "journal.stale_pid": Symptom.START,
        "journal.second_daemon": Symptom.START,
        "journal.no_containerd": Symptom.START,
        "journal.network_controller": Symptom.NETWORK,
        "journal.address_pools": Symptom.NETWORK,
        "journal.bridge_gone": Symptom.NETWORK,
        "journal.firewall_chains": Symptom.NETWORK,
        "journal.port_allocated": Symptom.NETWORK,
        "journal.port_foreign": Symptom.NETWORK,
        "journal.resolver": Symptom.NETWORK,
        "journal": Symptom.STORAGE,
    }
)
"""By reading, or by probe for those that are not named; else it is a hang."""

_OWN: Mapping[str, Symptom] = MappingProxyType(
    {"masked": Symptom.START, "stopped": Symptom.START, "starting": Symptom.START}
)
"""Findings of a check that are of no rule."""

_SYMPTOMS = ("ping", "unit", "containers", "events", "api", "canary")
"""Probes that show what people notice, not where it comes from."""


def branch_of(name: str, rule: Rule | None) -> Symptom:
    """Of a finding by its name, with its rule where it is of one."""
    if rule is None or not rule.when:
        return _OWN.get(name, Symptom.HANG)
    first = rule.when[0]
    reading = f"journal.{first.value}" if first.reading == "journal.cause" else first.reading
    probe = reading.partition(".")[0]
    return _BRANCHES.get(reading) or _BRANCHES.get(probe) or Symptom.HANG


def grade_of(rule: Rule | None) -> Grade:
    """By what its first condition asks about."""
    probe = rule.when[0].reading.partition(".")[0] if rule and rule.when else "ping"
    if probe in _SYMPTOMS:
        return Grade.FOLLOWS
    return Grade.TOLD if probe == "journal" else Grade.SEEN
