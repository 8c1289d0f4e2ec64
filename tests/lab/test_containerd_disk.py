"""containerd's root is a small file system of its own; docker's images lie in it, it fills up."""

from __future__ import annotations

import json
import os
import time

import pytest

from dockerdoctor.model import Outcome
from tests.lab.boot import SHARE
from tests.lab.host import LabHost
from tests.lab.watchdog import COMMAND, POLICY, Watchdog, note, rungs

ON_ONE_SUITE = True
STORE = "/var/lib/containerd"
SIZE_MB = 160
IMAGE_STORE = {"/etc/docker/daemon.json": '{"features": {"containerd-snapshotter": true}}'}
CONFIG = POLICY + '[disk]\ngrace = "0s"\n'
SOON = """[containerd-disk-full]
for = "1s"
"""
FILL = """set -e; d=$(mktemp -d); trap 'rm -rf "$d"' EXIT
    head -c "$1" /dev/urandom >"$d/bytes"; tar -C "$d" -cf "$d/all.tar" bytes
    docker import "$d/all.tar" "$2" >/dev/null"""


def with_a_small_store(host: LabHost) -> None:
    """Put containerd's root in memory, as a file system of its own."""
    host.run("systemctl", "stop", "docker.socket", "docker.service", "containerd.service")
    host.run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", STORE)
    host.run("systemctl", "start", "containerd.service", "docker.service", "docker.socket")
    host.wait(host.serving, 120, "dockerd to serve")


def used(host: LabHost) -> float:
    """Used share of containerd's root."""
    told = os.statvfs(host.outside(STORE))
    return 1 - told.f_bavail / told.f_blocks


def tags(host: LabHost) -> set[str]:
    return set(host.docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())


@pytest.mark.fault("F16c", "containerd-disk-full", "prune")
def test_images_are_given_back_on_the_file_system_that_they_lie_on(lab: None, suite: str) -> None:
    if suite == "bookworm":
        pytest.skip("20.10 has no such image store")
    with LabHost(suite, product=True, files=IMAGE_STORE) as host:
        with_a_small_store(host)
        host.docker("import", f"{SHARE}/busybox.tar", "busybox:latest")
        host.start_container("runs")
        pid = host.docker("inspect", "--format", "{{.State.Pid}}", "runs").stdout
        made: list[str] = []
        for megabytes, share in ((6, 0.86), (1, 0.96)):  # an image takes its size twice
            while used(host) < share:
                made.append(f"fill:{len(made):02}")
                host.run("sh", "-c", FILL, "sh", str(megabytes << 20), made[-1], timeout=120)
        began, watchdog = time.time(), Watchdog(host)
        watchdog.begin(CONFIG, SOON)
        incident = watchdog.wait_closed(began, "containerd-disk-full")
        assert rungs(incident) == ["dump-stacks", "prune"]
        assert incident.outcome is Outcome.CURED
        assert "given back on containerd's root" in note(incident, "prune")
        assert used(host) <= 0.80
        left = [tag for tag in made if tag in tags(host)]
        assert left == made[-len(left) :]
        assert left
        watchdog.stop()
        plan = json.loads(host.run(COMMAND, "disk", "reclaim", "--to", "30%", "--json").stdout)
        assert plan["plan"]["place"] == STORE
        assert {each["name"] for each in plan["plan"]["steps"]} <= set(left)
        assert host.docker("inspect", "--format", "{{.State.Pid}}", "runs").stdout == pid
