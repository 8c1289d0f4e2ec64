"""A full data-root: what nobody needs is given back, nothing else is touched, nobody restarted."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import time
from datetime import UTC, datetime

import pytest

from dockerdoctor.model import Outcome
from tests.lab import boot as booting
from tests.lab import faults
from tests.lab.conftest import Booted
from tests.lab.faults.disks import DATA_ROOT
from tests.lab.host import LabHost
from tests.lab.watchdog import POLICY, Watchdog, climbed, has_given_up, note, vitals, volume_file

QUICK = """[disk-full]
for = "1s"
"""
CONTENTS = f"{DATA_ROOT}/image/overlay2/imagedb/content/sha256"
OLD_MB = 60
DISK_MB = 300


@pytest.mark.fault("F16", "disk-full", "prune")
def test_a_full_disk_is_given_back_what_is_old_and_dangling_and_nothing_else(boot: Booted) -> None:
    host = boot(product=True, data_root_mb=DISK_MB)
    host.import_busybox()
    young = host.docker("images", "--quiet", "busybox").stdout.strip()
    host.import_busybox()  # and so the first one dangles
    old = load_old_image(host, OLD_MB)
    host.docker("run", "-v", "precious:/data", "busybox", "sh", "-c", "echo precious >/data/file")
    host.docker("volume", "create", "--label", "unused", "dangling")
    assert dangling(host) == {young, old}
    watchdog = Watchdog(host)
    watchdog.begin(POLICY, QUICK)
    before, began = vitals(host, "docker.service", "containerd.service"), time.time()
    with faults.full_data_root(host, leave_kb=2048):
        cured = watchdog.wait_closed(began, "disk-full")
        assert climbed(cured) == ["dump-stacks", "prune"]
        assert cured.outcome is Outcome.CURED
        assert f"{OLD_MB} MiB given back" in note(cured, "prune")
        assert dangling(host) == {young}
    again = time.time()
    with faults.full_data_root(host, leave_kb=2048):
        gave_up = watchdog.wait_for(again, "disk-full", has_given_up)
        assert climbed(gave_up) == ["dump-stacks", "prune"]
        assert "full" in gave_up.why
        assert dangling(host) == {young}
    assert watchdog.wait_closed(again, "disk-full").outcome is Outcome.GAVE_UP
    assert watchdog.acts(began) == ["prune", "prune"]
    assert vitals(host, "docker.service", "containerd.service") == before
    assert volume_file(host, "precious", "file").read_text() == "precious\n"
    assert host.docker("volume", "ls", "--quiet").stdout.split() == ["dangling", "precious"]
    assert len(host.docker("ps", "--all", "--quiet").stdout.split()) == 1


def dangling(host: LabHost) -> set[str]:
    """The short ids of the images without a name."""
    return set(host.docker("images", "--quiet", "--filter", "dangling=true").stdout.split())


def load_old_image(host: LabHost, size_mb: int) -> str:
    """A nameless image that was made and came here in 2020; returns its short id."""
    layer = _tar({"ballast": b"\0" * (size_mb << 20)})
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2020-01-01T00:00:00Z",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{"created": "2020-01-01T00:00:00Z"}],
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": ["layer.tar"]}]
    files = {
        "manifest.json": json.dumps(manifest).encode(),
        "config.json": config,
        "layer.tar": layer,
    }
    archive = host.dir / "share" / "old.tar"
    archive.write_bytes(_tar(files))
    host.docker("load", "--input", f"{booting.SHARE}/old.tar")
    archive.unlink()
    name = _digest(config).removeprefix("sha256:")
    then = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    os.utime(host.outside(f"{CONTENTS}/{name}"), (then, then))
    return name[:12]


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
