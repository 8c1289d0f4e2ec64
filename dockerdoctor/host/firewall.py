"""dockerd's rules in the packet filter: iptables-save goes in, a `Firewall` comes out.

Live-restore restarts have been seen to write the same rules again and again: 7,587 in POSTROUTING,
805 of them different (moby #31647). Only what dockerd itself writes is counted as doubled, and only
the one kind of rule that is safe to drop can be dropped here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from dockerdoctor.errors import HostFault
from dockerdoctor.host import command
from dockerdoctor.host.traces import Doubled, Firewall
from dockerdoctor.model import Fault

MAX_BYTES = 8 << 20
"""50,000 rules."""
LOCK_S = 2
"""How long iptables waits for another one that is at work."""

_CHAIN = r"DOCKER(?!-USER\b)"
_BRIDGE = r"(?:docker0|br-[0-9a-f]{12})\b"
_OURS = re.compile(rf"-A {_CHAIN}|-A [A-Z]+ .*(?:-j {_CHAIN}|-[io] {_BRIDGE})")
"""In its own chains or about its own bridges; DOCKER-USER is the operator's."""
_HAIRPIN = re.compile(
    r"-A POSTROUTING -s (\S+/(?:32|128)) -d \1 -p (tcp|udp|sctp) -m \2 --dport \d+ -j MASQUERADE"
)
"""For a container that calls its own published port."""


def parse(saved: str) -> Firewall:
    """What `iptables-save` prints."""
    rules = list(_rules(saved))
    doubled = tuple(
        Doubled(table, rule, copies)
        for (table, rule), copies in Counter(rules).items()
        if copies > 1 and (_OURS.match(rule) or _HAIRPIN.fullmatch(rule))
    )
    return Firewall(len(rules), doubled)


def parse_chains(saved: str) -> frozenset[str]:
    """The same; out come the chains, as "table CHAIN"."""
    lines = _lines(saved)
    return frozenset(f"{table} {line[1:].split()[0]}" for table, line in lines if line[0] == ":")


def _rules(saved: str) -> Iterator[tuple[str, str]]:
    return ((table, line) for table, line in _lines(saved) if line.startswith("-A "))


def _lines(saved: str) -> Iterator[tuple[str, str]]:
    """Each line with the table that it belongs to."""
    table = ""
    for line in map(str.strip, saved.splitlines()):
        if line.startswith("*"):
            table = line[1:].strip()
        elif line:
            yield table, line


def saved(timeout_s: float) -> str:
    """All tables as text. HostFault where there is no iptables, or no permission."""
    return command.run(["iptables-save"], timeout_s, MAX_BYTES)


def look(timeout_s: float) -> Firewall:
    """All tables. HostFault as `saved`."""
    return parse(saved(timeout_s))


def droppable(doubled: Doubled) -> bool:
    """Whether it makes no difference which of the copies stays: what such a rule takes is taken by
    the first, all others in its place are of the same kind and of other addresses."""
    return doubled.table == "nat" and _HAIRPIN.fullmatch(doubled.rule) is not None


def drop_copy(doubled: Doubled, timeout_s: float) -> None:
    """Delete one copy. HostFault, and BUG for a rule of another kind."""
    if not droppable(doubled):
        raise HostFault(Fault.BUG, f"{doubled.rule} is nothing that may be dropped here")
    command.run(drop_command(doubled), timeout_s)


def drop_command(doubled: Doubled) -> Sequence[str]:
    """Deletes one copy, told by what it says: a number would be another rule's a moment later."""
    spec = doubled.rule.split()[1:]
    return ["iptables", "-w", str(LOCK_S), "-t", doubled.table, "-D", *spec]
