"""The procedure that people do by hand at its worst: kill -9, start again.

containerd is killed only when it does not answer either. Shims, and with them all containers, only
when the policy allows it and the containers are lost anyway (no live-restore).
"""

from __future__ import annotations

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.rungs._common import START_S, cost_of_a_stop, full, nobody_can
from dockerdoctor.rungs._killing import kill_and_start


def run(control: HostControl, scene: Scene) -> Note:
    """dockerd, and whoever else must go with it."""
    silent = scene.readings.get("containerd.answered") is False
    return kill_and_start(
        control,
        control.main_process(Service.DOCKERD),
        control.main_process(Service.CONTAINERD) if silent else None,
        control.shims() if may_kill_shims(scene) else (),
    )


def may_kill_shims(scene: Scene) -> bool:
    """Only where the policy says so and a restart loses the containers anyway."""
    return (
        scene.policy.kill_shims
        and scene.policy.max_impact >= Impact.CONTAINERS
        and not scene.flag("api.live_restore")
    )


RUNG = Rung(
    name="sigkill",
    help="kill -9 dockerd (containerd too if it hangs), start again",
    impact=cost_of_a_stop,
    settle_s=lambda _: START_S,
    run=run,
    by_hand_s=600.0,
    room=full,
    useless=nobody_can,
    restarts=True,
)
