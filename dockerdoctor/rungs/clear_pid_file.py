"""Move a stale pid file aside and start the daemon that it kept from starting.

A killed dockerd leaves its pid file; when somebody else has got that pid, the next one refuses to
start. That somebody is left alone. The file is kept with the evidence. The start limit that the
refused starts have hit is forgiven: their cause is gone.
"""

from __future__ import annotations

from dockerdoctor.declare import Note, Rung, Scene
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Impact
from dockerdoctor.rungs._common import START_S, full, nobody_can
from dockerdoctor.rungs.start import failed_again


def run(control: HostControl, scene: Scene) -> Note:
    """Looks again before it acts: a daemon that has come up meanwhile has written its own pid."""
    if control.main_process(Service.DOCKERD) is not None:
        return Note("left the pid file alone: the daemon has a process now")
    found = control.stale_pid_file()
    if found is None:
        return Note("left it alone", futile="the pid file names nobody any more")
    kept = control.keep_copy(found.path)
    control.reset_failed(Service.SOCKET, Service.DOCKERD)
    control.start(Service.SOCKET, Service.DOCKERD)
    who = f"{found.process.name} (pid {found.process.pid}), which is no dockerd"
    return Note(f"moved {found.path} aside, it named {who}; asked for the start", (str(kept),))


def useless(scene: Scene) -> str:
    """Only for a daemon that is down while somebody else has its pid."""
    if not scene.word("unit.pid_file_names"):
        return "no pid file is in the way"
    return nobody_can(scene)


RUNG = Rung(
    name="clear-pid-file",
    help="move a pid file that names no dockerd aside, and start the daemon",
    impact=lambda _: Impact.DAEMON,
    settle_s=lambda _: START_S,
    run=run,
    room=full,
    useless=useless,
    hopeless=failed_again,
)
