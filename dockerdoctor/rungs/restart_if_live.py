"""Restart the daemon only where live-restore keeps the containers: one stuck is not worth all."""

from __future__ import annotations

from dockerdoctor.declare import Rung, Scene
from dockerdoctor.model import Impact
from dockerdoctor.rungs import restart
from dockerdoctor.rungs._common import container_held


def useless(scene: Scene) -> str:
    """Without live-restore it would cost every container."""
    if not scene.flag("api.live_restore"):
        return (
            "live-restore is off, now or by daemon.json for the next start: a restart would stop "
            "every container for the sake of one"
        )
    if why := container_held(scene):
        return f"{why}, and a restarted dockerd would wait for it at its start (moby #31007)"
    return restart.RUNG.useless(scene)


RUNG = Rung(
    name="restart-if-live",
    help="restart the daemon, but only with live-restore",
    impact=lambda _: Impact.DAEMON,
    settle_s=restart.RUNG.settle_s,
    run=restart.RUNG.run,
    by_hand_s=restart.RUNG.by_hand_s,
    room=restart.RUNG.room,
    useless=useless,
    hopeless=restart.RUNG.hopeless,
    restarts=True,
)
