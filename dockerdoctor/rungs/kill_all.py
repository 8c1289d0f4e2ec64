"""The last thing that people do by hand: kill -9 dockerd, containerd and every shim of this daemon.

It ends every container, with or without live-restore, so no shipped ladder has it: only
`heal --emergency`, after all else, and `heal --only kill-all`. Volumes are not touched.
"""

from __future__ import annotations

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.rungs._common import START_S, full, nobody_can
from dockerdoctor.rungs._killing import kill_and_start


def run(control: HostControl, scene: Scene) -> Note:
    """All of them. A containerd that dockerd has started itself is no service: it is started anew
    with its dockerd."""
    return kill_and_start(
        control,
        control.main_process(Service.DOCKERD),
        control.main_process(Service.CONTAINERD),
        control.shims(),
    )


RUNG = Rung(
    name="kill-all",
    help="kill -9 dockerd, containerd and all shims: every container ends; start again",
    impact=lambda _: Impact.CONTAINERS,
    settle_s=lambda _: START_S,
    run=run,
    by_hand_s=600.0,
    room=full,
    useless=nobody_can,
    restarts=True,
)
