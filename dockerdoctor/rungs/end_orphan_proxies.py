"""End docker-proxies that nobody needs, so that their ports are free again.

Each is known by pid and start time and is looked at once more just before: its program is
docker-proxy, it is of this daemon's cgroup and network, PID 1 has inherited it, and no container
publishes its port. The daemon and all containers go on.
"""

from __future__ import annotations

from dockerdoctor import leftovers
from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.errors import HostFault
from dockerdoctor.host.traces import Proxy
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Fault, Impact
from dockerdoctor.rungs._common import SIGKILL, SIGTERM, left_after, only_looks

ENDS_S = 2.0
"""It has nothing to finish."""


def run(control: HostControl, scene: Scene) -> Note:
    """SIGTERM, and SIGKILL to what does not hear it."""
    found = leftovers.orphaned_proxies(control, control.remains())
    ended = [each for each in found if _end(control, each)]
    if not ended:
        return Note("ended nothing", futile="no proxy is without an owner any more")
    said = (f"{each.port}/{each.protocol} (pid {each.process.pid})" for each in ended)
    return Note(f"ended the orphaned docker-proxy of port {', '.join(said)}")


def _end(control: HostControl, proxy: Proxy) -> bool:
    """False when it had ended by itself."""
    try:
        control.signal(proxy.process, SIGTERM)
        if left_after(control, [proxy.process], ENDS_S):
            control.signal(proxy.process, SIGKILL)
    except HostFault as fault:
        if fault.fault is not Fault.MISSING:
            raise
        return False
    return True


def useless(scene: Scene) -> str:
    """Only on a daemon that answers: it must say which ports are published."""
    if not scene.flag("ping.answered"):
        return "the daemon does not answer: nobody can say which ports are published"
    return only_looks(scene)


RUNG = Rung(
    name="end-orphan-proxies",
    help="end docker-proxies that a killed daemon left and whose port no container publishes",
    impact=lambda _: Impact.NONE,
    settle_s=lambda _: 30.0,
    run=run,
    useless=useless,
)
