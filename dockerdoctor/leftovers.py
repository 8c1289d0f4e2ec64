"""What a killed daemon left behind: what it does not know of, or does not do any more.

The machine's own look (`remains`, the roster) goes in first; the daemon is asked only about what
looks suspicious, so on a host that is well it is asked nothing. Raises HostFault where it must be
asked and does not answer: then nothing is known, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.traces import Proxy, Remains
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Process

LIST_S = 5.0
INSPECT_S = 2.0
ASKED = 20
"""Inspects in one look: a host with hundreds of suspects is told of the first ones."""
SLACK_S = 60.0
"""For a check that is late on a busy host."""


def orphaned_proxies(view: HostView, remains: Remains) -> Sequence[Proxy]:
    """Proxies that no dockerd looks after any more, of ports that no container publishes: the
    daemon says `port is already allocated`, and no container has it (moby #25981)."""
    if not remains.proxies:
        return ()
    published = {port for each in view.containers(LIST_S) for port in each.ports}
    return [each for each in remains.proxies if (each.port, each.protocol) not in published]


def lost_shims(view: HostView, remains: Remains) -> Mapping[str, Process]:
    """Shims whose container the daemon does not know, or calls ended, by its id or name: it says
    that the id is in use when that container is started (moby #36145)."""
    known = {each.id: each.state for each in view.roster()}
    if all(_may_have_a_shim(known.get(ident, "")) for ident in remains.shims):
        return {}
    listed = {each.id: each for each in view.containers(LIST_S)}
    return {
        listed[ident].name if ident in listed else ident[:12]: shim
        for ident, shim in remains.shims.items()
        if not _may_have_a_shim(listed[ident].state if ident in listed else "")
    }


def ghosts(view: HostView) -> Sequence[Container]:
    """Containers that the daemon says run, and whose process is gone: it missed their end."""
    suspects = [each for each in _running(view) if not view.has_process(each)]
    return [
        each
        for each in _asked(view, suspects)
        if each.state == "running" and not view.has_process(each)
    ]


def unchecked(view: HostView, serves_for_s: float) -> Sequence[Container]:
    """Containers whose health check is not done any more (moby #34660 and others). A daemon begins
    them anew when it starts; `serves_for_s` is how long ago that was."""
    now = view.now().wall
    suspects = [each for each in _running(view) if _is_overdue(each, now, serves_for_s)]
    return [each for each in _asked(view, suspects) if _is_overdue(each, now, serves_for_s)]


def _is_overdue(each: Container, now: float, serves_for_s: float) -> bool:
    if each.state != "running" or not each.check_within_s or each.hangs_since is not None:
        return False
    last = max(each.checked_at, each.started_at, now - serves_for_s)
    return now - last > 2 * each.check_within_s + SLACK_S


def _may_have_a_shim(state: str) -> bool:
    return state not in ("", "exited")


def _running(view: HostView) -> Sequence[Container]:
    """The containers that run; whom nobody has inspected yet is inspected now."""
    known = view.roster() or view.containers(LIST_S)
    new = [each for each in known if each.state == "running" and not each.inspected]
    for _ in _asked(view, [each for each in new if each.hangs_since is None]):
        pass  # it is on the roster now
    return [each for each in view.roster() if each.state == "running"]


def _asked(view: HostView, suspects: Sequence[Container]) -> Iterator[Container]:
    """Each as it is now; without those that are gone or whose lock is held."""
    for each in suspects[:ASKED]:
        try:
            yield view.container(each.id, INSPECT_S)
        except HostFault as fault:
            if fault.fault not in (Fault.MISSING, Fault.TIMEOUT):
                raise
