"""The containers as the last answers told them: a list and what was known go in, both come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dockerdoctor.host.nouns import Container


def merge_roster(
    known: Mapping[str, Container], listed: Sequence[Container]
) -> Mapping[str, Container]:
    """The list's containers by id, each with what an inspect told of it before."""
    return {
        each.id: replace(known[each.id], state=each.state, name=each.name, ports=each.ports)
        if each.id in known
        else each
        for each in listed
    }
