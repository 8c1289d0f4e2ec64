"""Start a daemon that is down without anybody having wanted it.

A start limit is forgiven once, and only when our own restarts ran into it, or a person asks for it:
one that the daemon hit by itself has a cause, and more starts do not find it.
"""

from __future__ import annotations

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.rungs._common import START_S, full, nobody_can


def run(control: HostControl, scene: Scene) -> Note:
    """Ask for the socket and the daemon."""
    says = "asked for the daemon's start"
    if scene.flag("unit.start_limit_hit"):
        control.reset_failed(Service.SOCKET, Service.DOCKERD)
        says = f"{says}, its start limit forgiven"
    control.start(Service.SOCKET, Service.DOCKERD)
    return Note(says)


def useless(scene: Scene) -> str:
    """A start limit that is not our doing means that the start fails; a full disk likewise."""
    forgiven = scene.climbed_lately or scene.policy.emergency
    if scene.flag("unit.start_limit_hit") and not forgiven:
        return (
            "the start limit was hit: mend the first error in "
            f"`journalctl -u docker`{_first_error(scene)}, then `systemctl reset-failed "
            "docker.service docker.socket` and `systemctl start docker`"
        )
    return nobody_can(scene)


def failed_again(scene: Scene) -> str:
    """While looking: a start that has ended in a failure, and that nobody tries again."""
    if scene.word("unit.active_state") == "failed" and not scene.word("unit.job"):
        return f"the start failed{_first_error(scene)}"
    return ""


def _first_error(scene: Scene) -> str:
    """In brackets, where it was seen."""
    said = scene.word("journal.first_error")
    return f" ({said})" if said and scene.flag("journal.known") else ""


RUNG = Rung(
    name="start",
    help="start a daemon that is down and that nobody stopped",
    impact=lambda _: Impact.DAEMON,
    settle_s=lambda _: START_S,
    run=run,
    by_hand_s=120.0,
    room=full,
    useless=useless,
    hopeless=failed_again,
)
