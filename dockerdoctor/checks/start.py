"""Why a daemon that is down does not start: start limit, a pid file that lies, a second dockerd."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from dockerdoctor.checks._daemon import command, daemon_json, is_down, state
from dockerdoctor.declare import Check, Clue
from dockerdoctor.errors import HostFault
from dockerdoctor.host.layout import flags
from dockerdoctor.host.lens import Program
from dockerdoctor.host.nouns import Place, Service
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Severity
from dockerdoctor.probes.unit import START_LIMIT

PROGRAMS = tuple(map(Path, ("/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd")))
PID_FILE = Path("/var/run/docker.pid")
AGAIN = "systemctl reset-failed docker.service docker.socket && systemctl start docker"


def run(view: HostView) -> Sequence[Clue]:
    """Nothing while it runs."""
    if not _has_unit(view):
        return list(_not_installed(view))
    if not is_down(view):
        return []
    daemons = view.lens().programs("dockerd")
    return [*_pid_file(view, daemons), *_another(view, daemons), *_start_limit(view)]


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
    results = [
        found.result.removeprefix("service-")
        for which in (Service.DOCKERD, Service.SOCKET)
        if (found := state(view, which))
    ]
    if START_LIMIT in results:
        yield Clue(
            "daemon-down",
            "the start limit was hit: systemd does not start it again before reset-failed",
            Severity.CRITICAL,
            next=AGAIN,
            follows=True,
        )


def _pid_file(view: HostView, daemons: Sequence[Program]) -> Iterator[Clue]:
    """dockerd refuses to start while the process that its pid file names lives (pkg/pidfile)."""
    path = _pid_path(view)
    try:
        pid = view.lens().content(path, 32).decode("ascii", "replace").strip()
        name = view.lens().content(Path("/proc") / pid / "comm", 64) if pid.isdigit() else b""
    except HostFault:
        return  # no pid file, or nobody of that pid
    called = name.decode("utf-8", "replace").strip()
    if not called or any(each.process.pid == int(pid) for each in daemons):
        return
    yield Clue(
        "pid-file-stale",
        f"{path} names pid {pid}, which is {called} and no dockerd",
        Severity.CRITICAL,
        next="dockerdoctor heal --plan",
    )


def _pid_path(view: HostView) -> Path:
    words = command(view)
    given = flags([word.text for word in words]).get("--pidfile", "")
    with contextlib.suppress(HostFault):
        given = given or str((daemon_json(view, words).keys or {}).get("pidfile", ""))
    return Path(given) if given else PID_FILE


def _another(view: HostView, daemons: Sequence[Program]) -> Iterator[Clue]:
    """Only one with the same data-root stands in the way."""
    ours = str(view.places()[Place.DATA_ROOT])
    for each in daemons:
        if (flags(each.argv).get("--data-root") or ours) == ours:
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
