"""The containers as the last answers told them: a list and what was known go in, both come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from dockerdoctor.host.nouns import Container


def merge_roster(
    known: Mapping[str, Container], listed: Sequence[Container]
) -> Mapping[str, Container]:
    """The list's containers by id, each with what an inspect told of it before; `known` itself
    where nothing has changed: what was made of it need not be made anew."""
    merged = {each.id: _with(known.get(each.id), each) for each in listed}
    return known if merged == known else merged


def _with(known: Container | None, listed: Container) -> Container:
    if known is None:
        return listed
    told = (listed.state, listed.name, listed.ports)
    if told == (known.state, known.name, known.ports):
        return known
    return replace(known, state=listed.state, name=listed.name, ports=listed.ports)
