"""The containers as the last answers told them: a list or an inspect and what was known go in, what
is known now comes out. What has not changed stays the same object: what was made of it need not be
made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from dockerdoctor.host.nouns import Container

STUCK_S = 35.0
"""A start or an exit may hold a container's lock for 32 s by right (30 + 2 s, monitor.go)."""


def merge_roster(
    known: Mapping[str, Container], listed: Sequence[Container]
) -> Mapping[str, Container]:
    """The list's containers by id, each with what an inspect told of it before; `known` itself
    where nothing has changed."""
    merged = {each.id: _with(known.get(each.id), each) for each in listed}
    return known if merged == known else merged


def with_inspected(known: Mapping[str, Container], found: Container) -> Mapping[str, Container]:
    """The same with what an inspect has just told of one; its ports are the list's to tell."""
    before = known.get(found.id)
    found = replace(found, inspected=True, ports=before.ports if before else ())
    return known if before == found else {**known, found.id: found}


def stuck(roster: Iterable[Container], now: float) -> list[tuple[Container, float]]:
    """Those whose inspect has hung for STUCK_S, with since when, the longest first. Both times are
    of the monotonic clock, s."""
    hanging = [(each, each.hangs_since) for each in roster if each.hangs_since is not None]
    late = [(each, since) for each, since in hanging if now - since >= STUCK_S]
    return sorted(late, key=lambda pair: pair[1])


def _with(known: Container | None, listed: Container) -> Container:
    if known is None:
        return listed
    told = (listed.state, listed.name, listed.ports)
    if told == (known.state, known.name, known.ports):
        return known
    return replace(known, state=listed.state, name=listed.name, ports=listed.ports)
