"""Faults of what a daemon keeps: databases that are garbled or held by others, layers and
containers that are not what they were.

In: a lab host. Out: context managers; the fault holds inside the block. At its end the files are as
they were before and dockerd serves again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.lab import outer
from tests.lab.faults.disks import DATA_ROOT
from tests.lab.faults.files import UNIT_TIMEOUT_S, down, garbled_file, up
from tests.lab.host import IMAGE, LabHost

CONTAINERD_DB = "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db"
CONTAINERD = "containerd.service"
OTHER_SOCKET = "/run/lab-other.sock"
OTHER = (
    *("dockerd", "--exec-root", "/run/lab-other", "--pidfile", "/run/lab-other.pid"),
    *("-H", f"unix://{OTHER_SOCKET}", "--bridge=none", "--iptables=false"),
    *("--containerd", "/run/containerd/containerd.sock"),
)
GARBAGE = b"\0garbled\xff{]" * 400


@contextlib.contextmanager
def garbled_build_cache(host: LabHost) -> Iterator[None]:
    """Garble a database of the build cache: dockerd does not start."""
    with garbled_file(host, f"{DATA_ROOT}/buildkit/metadata_v2.db"):
        yield


@contextlib.contextmanager
def garbled_containerd(host: LabHost) -> Iterator[None]:
    """Garble containerd's database while both are down: containerd starts without it, or fails."""
    file = host.outside(CONTAINERD_DB)
    down(host)
    host.systemctl("stop", CONTAINERD, timeout=UNIT_TIMEOUT_S)
    good = file.read_bytes()
    try:
        file.write_bytes(GARBAGE + good[len(GARBAGE) :])
        host.systemctl("start", "--no-block", CONTAINERD)
        up(host)
        yield
    finally:
        down(host)
        host.systemctl("stop", CONTAINERD, timeout=UNIT_TIMEOUT_S)
        file.write_bytes(good)
        host.systemctl("reset-failed", CONTAINERD, check=False)
        host.settle()


@contextlib.contextmanager
def lost_layer(host: LabHost, container: str) -> Iterator[None]:
    """Take away what the layerdb knows of a container's own layer while dockerd is down."""
    ident = host.docker("inspect", "--format", "{{.Id}}", container).stdout.strip()
    kept = host.outside(f"{DATA_ROOT}/image/overlay2/layerdb/mounts/{ident}")
    aside = host.outside(f"{DATA_ROOT}/lab-aside")
    down(host)
    kept.rename(aside)
    try:
        up(host)
        yield
    finally:
        down(host)
        aside.rename(kept)
        host.settle()


@contextlib.contextmanager
def unremovable(host: LabHost, container: str) -> Iterator[None]:
    """Try to remove a container whose layer has an immutable file (`data_root_mb`: ext4)."""
    layer = ("inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", container)
    file = f"{host.docker(*layer).stdout.strip()}/immutable"
    host.run("touch", file)
    host.run("chattr", "+i", file)
    try:
        host.docker("rm", "--force", container, check=False)
        yield
    finally:
        host.run("chattr", "-i", file)
        host.docker("rm", "--force", container)


@contextlib.contextmanager
def kept_name(host: LabHost, name: str) -> Iterator[None]:
    """Fail a create, and its undoing too, by flags of two directories (`data_root_mb`: ext4): the
    name stays taken by a container that is in no list. A restart ends it."""
    flags = {f"{DATA_ROOT}/image/overlay2/layerdb/mounts": "a", f"{DATA_ROOT}/containers": "i"}
    for directory, flag in flags.items():
        host.run("chattr", f"+{flag}", directory)
    try:
        host.docker("create", "--name", name, IMAGE, "true", check=False)
    finally:
        for directory, flag in flags.items():
            host.run("chattr", f"-{flag}", directory)
    try:
        yield
    finally:
        down(host)
        host.settle()


@contextlib.contextmanager
def other_dockerd(host: LabHost) -> Iterator[None]:
    """Let another dockerd hold the data-root, and fail docker.service over it."""
    down(host)
    other = host.spawn(*OTHER)
    try:
        answers = lambda: _pings(host, OTHER_SOCKET)  # noqa: E731
        host.wait(answers, UNIT_TIMEOUT_S, "the other dockerd to serve")
        up(host)
        yield
    finally:
        host.end(other)
        host.settle()


def _pings(host: LabHost, path: str) -> bool:
    with contextlib.suppress(OSError):
        return outer.ping(host.outside(path), 2.0)
    return False
