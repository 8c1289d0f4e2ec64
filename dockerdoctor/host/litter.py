"""Stopped containers that nobody wants back. In: the SDK's client. Out: which were removed.

Not `POST /containers/prune`: its `until` counts from the creation, so that a container created a
year ago and stopped a minute ago is gone, with all it wrote. That is every container that did not
come back after a restart of the daemon (moby #38883 lost data so). Here the age counts from the
end of the last run, and a container with a restart policy that brings it back is never litter,
nor one that was created and has not run: those hold volumes for others. Volumes are left alone.
"""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING, Any

import msgspec

from dockerdoctor.host.answers import Count, Ident, Text, Wanted, understood
from dockerdoctor.host.nouns import COMES_BACK
from dockerdoctor.host.storage.layerdb import kept_by_label

if TYPE_CHECKING:
    from docker import APIClient

STATES = ("exited", "dead")
NEVER = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)


class _Line(Wanted):
    id: Ident
    created: int = 0
    size_rw: Count = 0


class _State(Wanted):
    status: Text = ""
    finished_at: datetime.datetime = NEVER


class _Policy(Wanted):
    name: Text = ""


class _HostConfig(Wanted):
    restart_policy: _Policy = msgspec.field(default_factory=_Policy)


class _Config(Wanted):
    labels: dict[str, str] | None = None


class _Stopped(Wanted):
    state: _State
    config: _Config | None = None
    host_config: _HostConfig = msgspec.field(default_factory=_HostConfig)


def sweep(api: APIClient, older_than_s: float, timeout_s: float) -> dict[str, Any]:
    """Remove what ended more than `older_than_s` ago; stops after `timeout_s`, between two
    removals. Returns a report shaped as the one of a prune call."""
    from docker.errors import APIError

    deadline = time.monotonic() + timeout_s
    now = time.time()
    removed: list[str] = []
    freed = 0
    for line in _lines(api, {"status": list(STATES)}):
        if time.monotonic() > deadline:
            break
        try:
            if line.created > now - older_than_s or not is_litter(api, line.id, now - older_than_s):
                continue
            size = sum(one.size_rw for one in _lines(api, {"id": line.id}, size=True))
            api.remove_container(line.id, v=False, force=False)
        except APIError:
            continue  # it runs again, or somebody else removed it: not litter any more
        removed.append(line.id)
        freed += size
    return {"ContainersDeleted": removed, "SpaceReclaimed": freed}


def _lines(api: APIClient, filters: dict[str, Any], size: bool = False) -> list[_Line]:
    said = api.containers(all=True, size=size, filters=filters)
    return understood(lambda: msgspec.convert(said, type=list[_Line]), "GET /containers/json")


def is_litter(api: APIClient, ident: str, ended_before: float) -> bool:
    """Whether a container ended before that (wall clock) and nobody wants it back."""
    said = api.inspect_container(ident)
    seen = understood(lambda: msgspec.convert(said, type=_Stopped), "GET /containers/ID/json")
    return (
        seen.state.status in STATES
        and seen.host_config.restart_policy.name not in COMES_BACK
        and seen.state.finished_at.timestamp() < ended_before
        and seen.state.finished_at != NEVER
        and not kept_by_label(seen.config.labels if seen.config else None)
    )
