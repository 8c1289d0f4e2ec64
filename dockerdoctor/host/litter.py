"""Whether a stopped container is wanted back. In: the SDK's client, an id. Out: yes or no.

Not `POST /containers/prune`: its `until` counts from the creation, so that a container created a
year ago and stopped a minute ago is gone, with all it wrote. That is every container that did not
come back after a restart of the daemon (moby #38883 lost data so). Here the age counts from the
end of the last run, and a container with a restart policy that brings it back is never litter,
nor one that was created and has not run: those hold volumes for others. Volumes are left alone.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec

from dockerdoctor.host.answers import Text, Wanted, understood
from dockerdoctor.host.clock import wall
from dockerdoctor.host.nouns import COMES_BACK
from dockerdoctor.host.storage.layerdb import kept_by_label

if TYPE_CHECKING:
    from docker import APIClient

STATES = ("exited", "dead")


class _State(Wanted):
    status: Text = ""
    finished_at: datetime.datetime | None = None


class _Policy(Wanted):
    name: Text = ""


class _HostConfig(Wanted):
    restart_policy: _Policy = msgspec.field(default_factory=_Policy)


class _Config(Wanted):
    labels: dict[str, str] | None = None


class _Stopped(Wanted):
    state: _State
    name: Text = ""
    config: _Config | None = None
    host_config: _HostConfig = msgspec.field(default_factory=_HostConfig)


def is_litter(api: APIClient, ident: str, ended_before: float, names: Collection[str] = ()) -> bool:
    """Whether a container ended before that (wall clock), nobody wants it back, and it has one of
    these names still: who gives it another has a use for it."""
    said = api.inspect_container(ident)
    seen = understood(lambda: msgspec.convert(said, type=_Stopped), "GET /containers/ID/json")
    return (
        seen.state.status in STATES
        and (not names or seen.name.lstrip("/") in ("", *names))
        and seen.host_config.restart_policy.name not in COMES_BACK
        and 0 < wall(seen.state.finished_at) < ended_before
        and not kept_by_label(seen.config.labels if seen.config else None)
    )
