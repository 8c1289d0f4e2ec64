"""Reboot the host: only where the policy says HOST, and after all else."""

from __future__ import annotations

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact


def run(control: HostControl, scene: Scene) -> Note:
    """Ask systemd for it; "began" is on disk already, so the next watchdog knows of it."""
    control.reboot()
    return Note("asked for a reboot of the host")


RUNG = Rung(
    name="reboot",
    help="reboot the host (never without the policy's HOST)",
    impact=lambda _: Impact.HOST,
    settle_s=lambda _: 600.0,
    run=run,
    by_hand_s=900.0,
)
