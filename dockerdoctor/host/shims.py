"""The shims of one daemon's containers: /proc goes in, processes come out.

A shim names its containerd and its namespace on its command line; shims of another daemon on this
host, or of Kubernetes beside it, are not ours to kill.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dockerdoctor.errors import HostFault
from dockerdoctor.host import launch, processes
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.model import Process

NAME = "containerd-shim"
"""As /proc/PID/comm has it: exactly the 15 characters that the kernel keeps."""

READ_S = 1.0


def of(
    lanes: Lanes, containerd: Path, namespace: str, dockerd: Process | None
) -> Mapping[str, Process]:
    """The shims of this containerd socket and namespace, by the full id of their container. One
    whose command line cannot be read is left out: what is not known to be ours is not touched."""
    found = {}
    for process in processes.all_named(NAME):
        if not _beside(process, dockerd):
            continue  # of a docker that runs in a container of this host: the same paths, not ours
        argv = _command_line(lanes, process)
        if belongs(argv, containerd, namespace):
            found[_flag(argv, "id")] = process
    return found


def belongs(argv: Sequence[str], containerd: Path, namespace: str) -> bool:
    """Whether a shim's command line names this containerd (-address) and namespace (-namespace)."""
    address = _flag(argv, "address").removeprefix("unix://")
    return _flag(argv, "namespace") == namespace and bool(address) and _same(address, containerd)


def _beside(process: Process, dockerd: Process | None) -> bool:
    """In the PID namespace of dockerd; while that is down, in ours."""
    return processes.same_namespace(process.pid, dockerd.pid if dockerd else "self", "pid")


def _command_line(lanes: Lanes, process: Process) -> Sequence[str]:
    try:
        return launch.words_within(lanes, process, READ_S)
    except (HostFault, OSError):
        return ()


def _flag(argv: Sequence[str], name: str) -> str:
    for index, word in enumerate(argv[1:], start=1):
        key, equals, value = word.partition("=")
        if key in (f"-{name}", f"--{name}"):
            return value if equals else "".join(argv[index + 1 : index + 2])
    return ""


def _same(address: str, containerd: Path) -> bool:
    """/var/run is a link to /run."""
    return os.path.realpath(address) == os.path.realpath(containerd)
