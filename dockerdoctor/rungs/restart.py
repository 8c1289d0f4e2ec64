"""`systemctl restart docker`, asked for and then watched, never waited for blindly.

A daemon that takes its SIGTERM gets the time that it may need to stop its containers; one that has
not even taken it after a second is deaf, and waiting for systemd's own time-outs (276 s in the lab)
helps nobody. Where its socket has been removed, the one who made that makes it anew: docker.socket,
which has to be restarted with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Fault
from dockerdoctor.rungs._common import (
    cost_of_a_stop,
    deaf_to_sigterm,
    full,
    nobody_can,
    patience_s,
    still_deaf,
    takes_no_signal,
)


def run(control: HostControl, scene: Scene) -> Note:
    """Ask for a restart; a moment later it is known whether the daemon hears it."""
    process = control.main_process(Service.DOCKERD)
    control.restart(*_units(control, scene))
    deaf = deaf_to_sigterm(control, process)
    return Note("asked for a restart of the daemon", futile=deaf)


def _units(control: HostControl, scene: Scene) -> Sequence[Service]:
    """Both in one job: a socket is not started while its service runs."""
    with contextlib.suppress(HostFault):
        lost = scene.word("ping.why") == Fault.MISSING
        if lost and control.service(Service.SOCKET).active == "active":
            return Service.SOCKET, Service.DOCKERD
    return (Service.DOCKERD,)


def useless(scene: Scene) -> str:
    """In an emergency also for one that cannot hear it, or does not end although it was told to.
    A stopped one can: systemd sends SIGCONT with its SIGTERM."""
    if scene.policy.emergency:
        if scene.flag("process.frozen") or scene.word("process.state") == "Z":
            return takes_no_signal(scene)
        if scene.word("unit.active_state") == "deactivating":
            return "it was told to stop already, and has not ended"
    return nobody_can(scene)


RUNG = Rung(
    name="restart",
    help="restart the daemon the gentle way and give it the time that it needs to stop",
    impact=cost_of_a_stop,
    settle_s=patience_s,
    run=run,
    by_hand_s=120.0,
    room=full,
    useless=useless,
    hopeless=still_deaf,
    restarts=True,
)
