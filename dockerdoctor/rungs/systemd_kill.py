"""`systemctl kill`: SIGTERM again, until dockerd's own emergency exit.

dockerd takes the first SIGTERM as a request, ignores two more, and leaves at once at the fourth
without waiting for its containers (trap.go). That is gentler than SIGKILL: it works only while
somebody in there still reads signals.
"""

from __future__ import annotations

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.rungs._common import (
    SIGTERM,
    START_S,
    cost_of_a_stop,
    full,
    gone,
    left_after,
    nobody_can,
    still_deaf,
    takes_no_signal,
)

TIMES = 4
GONE_S = 8.0


def run(control: HostControl, scene: Scene) -> Note:
    """Send SIGTERM until it is gone or has had four; then make sure that it is started again."""
    process = control.main_process(Service.DOCKERD)
    if process is None:
        control.start(Service.DOCKERD)
        return Note("the daemon was gone already; asked for its start")
    sent = 0
    while sent < TIMES and not gone(control, process):
        control.kill_service(Service.DOCKERD, SIGTERM)
        sent += 1
        control.pause(0.5)
    if left_after(control, [process], GONE_S):
        why = f"dockerd (pid {process.pid}) is still there after {sent} SIGTERMs"
        return Note(f"sent SIGTERM {sent} times", futile=why)
    control.start(Service.DOCKERD)
    return Note(f"dockerd left after {sent} SIGTERMs; asked for its start")


def useless(scene: Scene) -> str:
    """A daemon that does not read its first SIGTERM will not read the next."""
    if scene.policy.emergency and (why := takes_no_signal(scene)):
        return why
    return still_deaf(scene) or nobody_can(scene)


RUNG = Rung(
    name="systemd-kill",
    help="send SIGTERM by `systemctl kill` until dockerd's own emergency exit",
    impact=cost_of_a_stop,
    settle_s=lambda _: START_S,
    run=run,
    by_hand_s=300.0,
    room=full,
    useless=useless,
    restarts=True,
)
