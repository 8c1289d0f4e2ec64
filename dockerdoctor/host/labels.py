"""What the labels of a container tell of it: who keeps it alive, and what Compose calls it.

Labels as an answer of the daemon has them go in; only those that are known are decoded.
"""

from __future__ import annotations

import msgspec

COMPOSE = "com.docker.compose"
"""How the labels of Compose begin."""
MAX_NEEDS = 100
"""Services that are believed to be needed by one."""
MAX_NAME = 512


class Keepers(msgspec.Struct):
    """Labels of those who make another container when one of theirs ends."""

    swarm: str = msgspec.field(name="com.docker.swarm.task.id", default="")
    kubernetes: str = msgspec.field(name="io.kubernetes.pod.uid", default="")
    nomad: str = msgspec.field(name="com.hashicorp.nomad.alloc_id", default="")
    ecs: str = msgspec.field(name="com.amazonaws.ecs.task-arn", default="")


class Labels(Keepers):
    """Those that Compose puts on its containers as well."""

    project: str = msgspec.field(name=f"{COMPOSE}.project", default="")
    service: str = msgspec.field(name=f"{COMPOSE}.service", default="")
    depends_on: str = msgspec.field(name=f"{COMPOSE}.depends_on", default="")


KEEPERS = Keepers.__struct_fields__


def keeper(found: Keepers | None) -> str:
    """Who starts another in its place: swarm, kubernetes, ...; empty when nobody does."""
    return next((name for name in KEEPERS if found and getattr(found, name)), "")


def service(found: Labels | None) -> str:
    """PROJECT/SERVICE; empty where it is none of Compose's."""
    return _named(found, found.service) if found else ""


def needs(found: Labels | None) -> tuple[str, ...]:
    """The services that it needs, likewise, by `depends_on` (`db:service_started:false,cache:...`).
    A slash cannot be in the name of a container."""
    if not found or not found.depends_on:
        return ()
    names = (each.partition(":")[0] for each in found.depends_on.split(",")[:MAX_NEEDS])
    return tuple(filter(None, (_named(found, each) for each in names)))


def _named(found: Labels, name: str) -> str:
    return f"{found.project}/{name}"[:MAX_NAME] if found.project and name else ""
