"""Why a daemon that is down does not start: start limit, a pid file that lies, a second dockerd."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from dockerdoctor.checks._daemon import is_down, state
from dockerdoctor.declare import Check, Clue
from dockerdoctor.errors import HostFault
from dockerdoctor.host.layout import layout
from dockerdoctor.host.nouns import Place, Service
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Severity
from dockerdoctor.probes.unit import start_limit_hit

PROGRAMS = tuple(map(Path, ("/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd")))
AGAIN = "systemctl reset-failed docker.service docker.socket; systemctl start docker"


def run(view: HostView) -> Sequence[Clue]:
    """Nothing while it runs."""
    if not _has_unit(view):
        return list(_not_installed(view))
    if not is_down(view):
        return []
    return [*_pid_file(view), *_another(view), *_start_limit(view)]


def _has_unit(view: HostView) -> bool:
    """Also where systemd does not answer: then nobody can say that there is none."""
    try:
        view.service(Service.DOCKERD)
    except HostFault as fault:
        return fault.fault is not Fault.MISSING
    return True


def _not_installed(view: HostView) -> Iterator[Clue]:
    """No unit, no socket, no program."""
    for path in (view.lens().socket(), *PROGRAMS):
        with contextlib.suppress(HostFault):
            if path is None or view.lens().entry(path).kind in ("socket", "file"):
                return
    yield Clue(
        "not-installed",
        "docker is not installed here: there is no unit, no socket and no dockerd",
        Severity.CRITICAL,
        remedy="install an engine (Debian: docker.io; Docker's own packages: docker-ce); another "
        "host's daemon is named with --host",
        avoid="installing both docker.io and docker-ce: they share the data-root and the socket",
        next="apt install docker.io",
    )


def _start_limit(view: HostView) -> Iterator[Clue]:
    """The limit is what follows: the first error before it is the cause."""
    found = state(view)
    if found and start_limit_hit(view, found):
        yield Clue(
            "daemon-down",
            "the start limit was hit: systemd does not start it again before reset-failed",
            Severity.CRITICAL,
            next=AGAIN,
            follows=True,
        )


def _pid_file(view: HostView) -> Iterator[Clue]:
    """dockerd refuses to start while the process that its pid file names lives (pkg/pidfile)."""
    if found := view.stale_pid_file():
        yield Clue(
            "pid-file-stale",
            f"{found.path} names pid {found.process.pid}, which is {found.process.name} and no "
            "dockerd",
            Severity.CRITICAL,
            next="dockerdoctor heal --plan",
        )


def _another(view: HostView) -> Iterator[Clue]:
    """Only one with the same data-root stands in the way."""
    ours = view.places()[Place.DATA_ROOT]
    for each in view.lens().dockerds():
        if layout(each.argv, {"data-root": str(ours)}).data_root == ours:
            yield Clue(
                "another-dockerd",
                f"dockerd runs as pid {each.process.pid}, not by docker.service: "
                f"`{' '.join(each.argv)[:100]}`",
                Severity.CRITICAL,
                next=f"systemctl status {each.process.pid}",
            )


CHECK = Check(
    name="start",
    help="the start limit, a pid file that names a stranger, a second dockerd",
    symptom="start",
    timeout_s=5.0,
    run=run,
)
