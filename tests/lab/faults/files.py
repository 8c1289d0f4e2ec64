"""Faults of files and units: broken metadata or configuration, the start limit, a slow start, an
operator at work.

In: a lab host. Out: context managers; the fault holds inside the block. At its end the files are as
they were before and dockerd serves again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.lab.faults.disks import DATA_ROOT
from tests.lab.host import LabHost

DAEMON_JSON = "/etc/docker/daemon.json"
UNIT = "/etc/systemd/system/docker.service"
DROP_IN = "/etc/systemd/system/docker.service.d/zz-lab.conf"
SLOW = "/usr/local/sbin/lab-slow-dockerd"
SLOW_DOCKERD = """#!/usr/bin/python3
import os, sys, time
time.sleep({seconds})
os.execv("{program}", ["{program}", *sys.argv[1:]])
"""
UNITS = ("docker.socket", "docker.service")
# A healthy dockerd may take 15 to 90 s to stop, and three failed starts some 10 s.
UNIT_TIMEOUT_S = 180.0


@contextlib.contextmanager
def garbled_file(host: LabHost, path: str, *, truncate: bool = False) -> Iterator[None]:
    """Garble (or empty) a file of a stopped dockerd, start it, wait until it serves or fails."""
    file = host.outside(path)
    down(host)
    good = file.read_bytes()
    try:
        file.write_bytes(b"" if truncate else b"\0garbled\xff{]" * 400 + good[4096:])
        up(host)
        yield
    finally:
        down(host)
        file.write_bytes(good)
        host.settle()


@contextlib.contextmanager
def garbled_container(host: LabHost, container: str, *, truncate: bool = False) -> Iterator[None]:
    """Garble a container's config.v2.json: dockerd starts without that container."""
    ident = host.docker("inspect", "--format", "{{.Id}}", container).stdout.strip()
    path = f"{DATA_ROOT}/containers/{ident}/config.v2.json"
    with garbled_file(host, path, truncate=truncate):
        yield


@contextlib.contextmanager
def garbled_network_db(host: LabHost) -> Iterator[None]:
    """Garble local-kv.db, where libnetwork keeps its networks."""
    with garbled_file(host, f"{DATA_ROOT}/network/files/local-kv.db"):
        yield


@contextlib.contextmanager
def broken_layer(host: LabHost, image: str = "busybox") -> Iterator[None]:
    """Empty the cache-id of an image's first layer in the layerdb."""
    layers = host.docker("inspect", "--format", "{{index .RootFS.Layers 0}}", image).stdout
    digest = layers.strip().removeprefix("sha256:")
    path = f"{DATA_ROOT}/image/overlay2/layerdb/sha256/{digest}/cache-id"
    with garbled_file(host, path, truncate=True):
        yield


@contextlib.contextmanager
def daemon_json(host: LabHost, text: str) -> Iterator[None]:
    """Restart dockerd with this daemon.json, and wait until it serves or has failed for good."""
    with _written(host, DAEMON_JSON, text):
        down(host)
        up(host)
        yield


@contextlib.contextmanager
def bad_daemon_json(host: LabHost) -> Iterator[None]:
    """Restart dockerd with a daemon.json that is not JSON: it fails up to the start limit."""
    with daemon_json(host, '{\n  "log-driver": "json-file",\n}\n'):
        yield


@contextlib.contextmanager
def flag_conflict(host: LabHost) -> Iterator[None]:
    """Restart dockerd with `hosts` both in daemon.json and, as Debian ships it, as a flag."""
    with daemon_json(host, '{"hosts": ["unix:///run/docker.sock"]}\n'):
        yield


@contextlib.contextmanager
def drop_in(host: LabHost, flags: str = "--log-driver=local") -> Iterator[None]:
    """Hide more flags in a drop-in of docker.service, and restart it."""
    text = f"[Service]\nExecStart=\nExecStart={_exec_start(host)} {flags}\n"
    with _written(host, DROP_IN, text):
        down(host)
        up(host)
        yield


@contextlib.contextmanager
def unit_setting(host: LabHost, setting: str) -> Iterator[None]:
    """Give docker.service a setting (`LimitNOFILE=256`) by a drop-in, and restart it."""
    with _written(host, DROP_IN, f"[Service]\n{setting}\n"):
        down(host)
        up(host)
        yield


@contextlib.contextmanager
def start_limit_hit(host: LabHost) -> Iterator[None]:
    """Fail docker.service up to its start limit, then mend the cause: only the limit holds it."""
    with _written(host, DAEMON_JSON, "{"):
        down(host)
        up(host)
        host.wait(lambda: state(host) == "failed", UNIT_TIMEOUT_S, "the start limit")
        host.outside(DAEMON_JSON).unlink()
        yield


@contextlib.contextmanager
def no_socket(host: LabHost) -> Iterator[None]:
    """Mask docker.socket, and let docker.service listen by itself."""
    told = host.systemctl("cat", "docker.service").stdout
    unit = "".join(f"{line}\n" for line in told.splitlines() if "=docker.socket" not in line)
    with _written(host, UNIT, unit.replace("-H fd://", "-H unix:///run/docker.sock")):
        down(host)
        host.systemctl("mask", "docker.socket")
        host.systemctl("start", "docker.service", timeout=UNIT_TIMEOUT_S)
        yield


@contextlib.contextmanager
def slow_start(host: LabHost, seconds: float = 30.0) -> Iterator[None]:
    """Restart dockerd so that it stays `activating` for a while: connects succeed, no answer."""
    program, _, flags = _exec_start(host).partition(" ")
    host.put(SLOW, SLOW_DOCKERD.format(program=program, seconds=seconds), 0o755)
    with _written(host, DROP_IN, f"[Service]\nExecStart=\nExecStart={SLOW} {flags}\n"):
        down(host)
        host.systemctl("start", "--no-block", *UNITS)
        host.wait(lambda: state(host) == "activating", UNIT_TIMEOUT_S, "the slow start")
        yield


@contextlib.contextmanager
def stopped_by_operator(host: LabHost) -> Iterator[None]:
    """`systemctl stop docker.socket docker.service`: inactive, Result=success."""
    down(host)
    try:
        yield
    finally:
        host.settle()


@contextlib.contextmanager
def masked_by_operator(host: LabHost) -> Iterator[None]:
    """`systemctl mask --now` of both units."""
    host.systemctl("mask", "--now", *UNITS, timeout=UNIT_TIMEOUT_S)
    try:
        yield
    finally:
        host.systemctl("unmask", *UNITS)
        host.settle()


def down(host: LabHost) -> None:
    """Stop docker.socket and docker.service."""
    host.systemctl("stop", *UNITS, timeout=UNIT_TIMEOUT_S)


def up(host: LabHost) -> None:
    """Start both units, and wait until dockerd serves or systemd has given up on it."""
    host.systemctl("reset-failed", *UNITS, check=False)
    host.systemctl("start", "--no-block", *UNITS)
    host.wait(lambda: state(host) in ("active", "failed"), UNIT_TIMEOUT_S, "its start to end")


def state(host: LabHost, unit: str = "docker.service") -> str:
    """Return a unit's ActiveState."""
    return host.show(unit, "ActiveState")["ActiveState"]


@contextlib.contextmanager
def _written(host: LabHost, path: str, text: str) -> Iterator[None]:
    file = host.outside(path)
    before = file.read_text() if file.exists() else None
    host.put(path, text)
    host.systemctl("daemon-reload")
    try:
        yield
    finally:
        down(host)
        if before is None:
            file.unlink(missing_ok=True)
        else:
            host.put(path, before)
        host.systemctl("daemon-reload")
        host.settle()


def _exec_start(host: LabHost) -> str:
    lines = host.systemctl("cat", "docker.service").stdout.splitlines()
    return next(line for line in lines if line.startswith("ExecStart=/")).removeprefix("ExecStart=")
