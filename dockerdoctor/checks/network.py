"""The network as the host has it: bridge, firewall chains, ranges that are left, name servers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dockerdoctor.checks._daemon import command, is_up, settings
from dockerdoctor.checks.configuration import flags
from dockerdoctor.declare import Check, Clue
from dockerdoctor.errors import HostFault
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Severity

NETWORKS_S = 2.0
INTERFACES = Path("/sys/class/net")
RESOLV = Path("/etc/resolv.conf")
RESOLVED = Path("/run/systemd/resolve/resolv.conf")
"""What dockerd reads instead where resolv.conf names only systemd-resolved's stub."""
CHAINS = ("nat DOCKER", "filter DOCKER")
"""Of every dockerd with iptables on, 20.10 to 29."""
DEFAULT_POOLS = (
    ("172.17.0.0/16", 16),
    ("172.18.0.0/16", 16),
    ("172.19.0.0/16", 16),
    ("172.20.0.0/14", 16),
    ("172.24.0.0/14", 16),
    ("172.28.0.0/14", 16),
    ("192.168.0.0/16", 20),
)
"""31 ranges (libnetwork, ipamutils)."""
NEARLY = 0.9
RESTART = "systemctl restart docker"


def run(view: HostView) -> Sequence[Clue]:
    """What can be seen; of a daemon that is down only the name servers. Where nobody knows what it
    was told on its command line, it may have been told to do without bridge and firewall."""
    told, words = settings(view), command(view)
    given = {name: word.text.partition("=")[2] for name, word in flags(words).items()}
    clues = list(_name_servers(view, told, given))
    if is_up(view):
        clues += _pools(view, told)
        clues += [*_bridge(view, told, given), *_firewall(view, told, given)] if words else []
    return clues


def _bridge(view: HostView, told: Mapping[str, object], given: Mapping[str, str]) -> Iterator[Clue]:
    name = given.get("bridge") or told.get("bridge") or "docker0"
    if name == "none" or name in view.lens().names(INTERFACES):
        return
    yield Clue(
        "bridge-gone",
        f"the bridge {name} is gone: containers on the default network cannot start",
        Severity.CRITICAL,
        next=RESTART,
    )


def _firewall(
    view: HostView, told: Mapping[str, object], given: Mapping[str, str]
) -> Iterator[Clue]:
    """Seen on the spot; the journal tells only once somebody publishes a port."""
    if told.get("iptables") is False or given.get("iptables") == "false":
        return
    if "nftables" in (told.get("firewall-backend"), given.get("firewall-backend")):
        return
    try:
        chains = view.lens().chains()
    except HostFault as fault:
        if fault.fault in (Fault.MISSING, Fault.DENIED):
            return  # no iptables here, or not root: nothing can be said
        raise
    if missing := [chain for chain in CHAINS if chain not in chains]:
        yield Clue(
            "firewall-flushed",
            f"chains of dockerd's are gone from the firewall: {', '.join(missing)}",
            Severity.CRITICAL,
            next=RESTART,
        )


def _pools(view: HostView, told: Mapping[str, object]) -> Iterator[Clue]:
    """`all predefined address pools have been fully subnetted`, before somebody runs into it."""
    try:
        networks = view.lens().networks(NETWORKS_S)
    except HostFault:
        return  # the ping tells of a daemon that does not answer
    pools = _configured(told)
    total = sum(2 ** max(0, size - ipaddress.ip_network(base).prefixlen) for base, size in pools)
    subnets = [each for network in networks for each in network.subnets]
    taken = sum(1 for each in subnets if any(_within(each, base) for base, _ in pools))
    if total and taken >= total * NEARLY:
        full = taken >= total
        yield Clue(
            "address-pools-exhausted",
            f"{taken} of {total} address ranges for networks are taken"
            + (": no more network can be made" if full else ""),
            Severity.CRITICAL if full else Severity.WARNING,
            next="docker network prune",
        )


def _configured(told: Mapping[str, object]) -> Sequence[tuple[str, int]]:
    """The pools of daemon.json, those that make sense; the default ones where it gives none."""
    pools = told.get("default-address-pools")
    found = []
    for each in pools if isinstance(pools, list) else ():
        try:
            found.append((str(ipaddress.ip_network(each["base"])), int(each["size"])))
        except (ValueError, TypeError, KeyError):
            continue
    return found or DEFAULT_POOLS


def _within(subnet: str, base: str) -> bool:
    try:
        one, other = ipaddress.ip_network(subnet, strict=False), ipaddress.ip_network(base)
    except ValueError:
        return False
    return (
        isinstance(one, ipaddress.IPv4Network)
        and isinstance(other, ipaddress.IPv4Network)
        and one.subnet_of(other)
    )


def _name_servers(
    view: HostView, told: Mapping[str, object], given: Mapping[str, str]
) -> Iterator[Clue]:
    if told.get("dns") or "dns" in given:
        return
    servers = _servers(view, RESOLV)
    if servers == ["127.0.0.53"]:
        servers = _servers(view, RESOLVED) or servers
    local = bool(servers) and all(
        server.startswith("127.") or server == "::1" for server in servers
    )
    if servers and not local:
        return
    what = f"only names {', '.join(servers)}" if local else "names no server"
    yield Clue(
        "dns-upstream",
        f"{RESOLV} {what}: containers "
        + ("on the default network cannot use it" if local else "resolve no name"),
        Severity.INFO if local else Severity.WARNING,
        remedy='name a server that containers can reach: `"dns": ["ADDRESS"]` in daemon.json, then '
        "restart dockerd (from 28 on it no longer falls back to 8.8.8.8)",
        avoid="a restart alone: it reads the same file",
        next=f"cat {RESOLV}",
    )


def _servers(view: HostView, path: Path) -> list[str]:
    try:
        text = view.lens().content(path).decode("utf-8", "replace")
    except HostFault as fault:
        if fault.fault is Fault.MISSING:
            return []
        raise
    lines = (line.split() for line in text.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


CHECK = Check(
    name="network",
    help="the bridge, the firewall's chains, address ranges that are left, name servers",
    symptom="network",
    timeout_s=5.0,
    run=run,
)
