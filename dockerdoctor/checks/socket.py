"""The daemon's socket as a file: is it there, whose is it, and may the caller use it.

Nobody connects to it here: that is the ping's part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dockerdoctor.checks._daemon import is_up
from dockerdoctor.declare import Check, Clue
from dockerdoctor.errors import HostFault
from dockerdoctor.host.lens import Caller, Entry
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Severity

ROOT = "the group docker means root: who is in it can mount the whole host into a container"
NOT_666 = "chmod 666: it makes everybody on this host root"
AGAIN = "systemctl restart docker.socket docker.service"


def run(view: HostView) -> Sequence[Clue]:
    """Nothing for a daemon that is reached by TCP, or that is down."""
    path = view.lens().socket()
    if path is None:
        return []
    try:
        entry = view.lens().entry(path)
    except HostFault as fault:
        if fault.fault is Fault.MISSING:
            return [_missing(path)] if is_up(view) else []
        raise
    if entry.kind != "socket":
        return [_no_socket(path, entry)]
    return [*_open_to_all(path, entry), *_closed_to(view.lens().caller(), path, entry)]


def _missing(path: Path) -> Clue:
    return Clue(
        "socket-missing",
        f"{path} is not there, and docker.service runs: removed, or dockerd listens elsewhere",
        Severity.CRITICAL,
        remedy="see where it listens (`systemctl cat docker.socket docker.service`, -H, hosts), or "
        "make it anew by a restart of the socket and the daemon",
        avoid="making the file by hand: a socket belongs to who listens",
        next=AGAIN,
    )


def _no_socket(path: Path, entry: Entry) -> Clue:
    """`docker run -v /var/run/docker.sock:...` makes a directory where there is no socket."""
    return Clue(
        "socket-missing",
        f"{path} is a {entry.kind}, no socket"
        + (": a bind mount made it while the daemon was down" if entry.kind == "directory" else ""),
        Severity.CRITICAL,
        remedy=f"stop docker.socket and docker.service, `rmdir {path}`, start both",
        avoid="rm -rf: what was mounted there may be inside",
        next=f"ls -lad {path}",
    )


def _open_to_all(path: Path, entry: Entry) -> Iterator[Clue]:
    if entry.mode & 0o002:
        yield Clue(
            "socket-open-to-all",
            f"{path} ({_whose(entry)}) may be used by everybody on this host: everybody is root",
            Severity.WARNING,
            remedy="take the others' permission away; SocketMode= of docker.socket sets it",
            avoid="leaving it so: it is a root shell without a password",
            next=f"chmod 660 {path}",
        )


def _closed_to(caller: Caller, path: Path, entry: Entry) -> Iterator[Clue]:
    if caller.uid == 0 or entry.mode & 0o002 or entry.owner == caller.name:
        return
    if entry.group in caller.groups and entry.mode & 0o020:
        return
    yield Clue(
        "socket-permission",
        f"{caller.name} may not use {path} ({_whose(entry)}): {_why(caller, entry)}",
        Severity.WARNING,
        remedy=_remedy(caller, entry),
        avoid=NOT_666,
        next="newgrp docker" if entry.group in caller.entitled else "sudo dockerdoctor diagnose",
    )


def _why(caller: Caller, entry: Entry) -> str:
    if entry.group == "root" or entry.group.isdigit():
        return f"its group is {entry.group}, where docker is usual"
    if entry.group in caller.entitled:
        return f"this login is from before {caller.name} was put into the group {entry.group}"
    mine = ", ".join(caller.groups) or "none"
    return f"not a member of the group {entry.group} (groups: {mine})"


def _remedy(caller: Caller, entry: Entry) -> str:
    if entry.group == "root" or entry.group.isdigit():
        return (
            "make the group (`groupadd --system docker`), then restart docker.socket and "
            f"docker.service; or use sudo. {ROOT[0].upper()}{ROOT[1:]}"
        )
    if entry.group in caller.entitled:
        return "log in again, or `newgrp docker` in this shell"
    return f"`sudo usermod -aG {entry.group} {caller.name}` and log in again, or use sudo: {ROOT}"


def _whose(entry: Entry) -> str:
    return f"{entry.owner}:{entry.group}, mode {entry.mode:04o}"


CHECK = Check(
    name="socket",
    help="the socket: is it there, owner, group and mode, and whether the caller may use it",
    symptom="socket",
    timeout_s=5.0,
    run=run,
)
