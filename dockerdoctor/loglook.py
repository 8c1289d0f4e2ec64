"""Logs without rotation: how large, how fast they grow, when the disk is full of them. Pure.

In: two surveys some time apart (or one), how much is free. Out: a `Growth` for each, worst first.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from msgspec import Struct

from dockerdoctor.host.storage.facts import Survey

LEAST_S = 1.0
"""Two looks closer together than this tell nothing about growth."""


class Growth(Struct, frozen=True, rename={"ident": "id", "per_hour": "bytes_per_hour"}):
    """One container's log. How many bytes it grows in an hour is None when that could not be
    measured; `full_in_s`: until it alone has filled the disk, None when it does not grow."""

    ident: str
    name: str
    driver: str
    bytes: int
    rotates: bool
    per_hour: float | None = None
    full_in_s: float | None = None
    compose: tuple[str, ...] = ()
    """Project, service and files, where compose made it."""


def made_anew(of: Iterable[Growth]) -> list[str]:
    """The commands that make these anew, one for each project of compose; of others nobody knows
    by which words they were made."""
    projects: dict[tuple[str, ...], list[str]] = {}
    for project, service, *files in (each.compose for each in of if each.compose):
        projects.setdefault((project, *files), []).append(service)
    return [
        shlex.join(
            ["docker", "compose", "-p", project]
            + [word for file in files for word in ("-f", file)]
            + ["up", "-d", "--no-deps", "--force-recreate", *sorted(set(services))]
        )
        for (project, *files), services in projects.items()
    ]


def growths(
    first: Survey, second: Survey | None, free_bytes: int, all_of_them: bool = False
) -> tuple[Growth, ...]:
    """Of json-file logs without rotation, or of all logs; the largest first."""
    latest = second or first
    found = []
    for ident, log in latest.logs.items():
        box = latest.boxes[ident]
        if box.log_rotates and not all_of_them:
            continue
        rate = _per_hour(ident, first, second)
        found.append(
            Growth(
                ident,
                box.name,
                box.log_driver,
                log.usage.bytes,
                box.log_rotates,
                rate,
                free_bytes / rate * 3600.0 if rate else None,
                box.compose,
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.bytes, each.name)))


def _per_hour(ident: str, first: Survey, second: Survey | None) -> float | None:
    """Bytes an hour; None for one look, a log that is new, or that was cut meanwhile."""
    if second is None or ident not in first.logs or ident not in second.logs:
        return None
    took = second.taken - first.taken
    grown = second.logs[ident].usage.bytes - first.logs[ident].usage.bytes
    return grown / took * 3600.0 if took >= LEAST_S and grown >= 0 else None
