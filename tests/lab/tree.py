"""Debian trees for the lab: one per suite, built once, kept outside the checkout.

In: a suite's name. Out: the path of a complete tree (a read-only lower layer for every lab host)
and the path of a tar of busybox that `docker import` takes. Runs at the same time build nothing
twice and never see half a tree.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.sources import BUSYBOX, LabUnavailableError, mirror, require

CACHE = Path(os.environ.get("DOCKERDOCTOR_LAB_CACHE", "/var/cache/dockerdoctor-lab"))
SCRIPTS = Path("/usr/share/debootstrap/scripts")

# Raise it when the recipe changes in a way that the hash below cannot see.
EDITION = 1
# gdb-minimal: debootstrap cannot resolve the virtual packages that the full gdb depends on.
PACKAGES = (
    "systemd,systemd-sysv,dbus,docker.io,iptables,iproute2,ca-certificates,procps,e2fsprogs,"
    "python3,python3-venv,gdb-minimal"
)
# Units that would reach for the outer machine's kernel, or only cost boot time.
MASKED = (
    "systemd-modules-load.service",
    "systemd-sysctl.service",
    "systemd-udevd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udev-trigger.service",
    "systemd-binfmt.service",
    "proc-sys-fs-binfmt_misc.automount",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-networkd-wait-online.service",
    "systemd-journald-audit.socket",
    "console-getty.service",
)
BUSYBOX_LINKS = (
    *("sh", "ash", "cat", "dd", "echo", "env", "false", "head", "httpd", "id", "kill", "ls"),
    *("mkdir", "mount", "nc", "ping", "ps", "rm", "seq", "sha256sum", "sleep", "stat", "sync"),
    *("tail", "tar", "test", "top", "touch", "true", "umount", "vi", "wc", "wget", "yes"),
)
BUILD_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True)
class Suite:
    """A Debian suite, and how its engine's version begins (sid moves: its major only)."""

    name: str
    engine: str
    extra: tuple[str, ...] = ()


SUITES = {
    "bookworm": Suite("bookworm", "20.10.24"),
    "trixie": Suite("trixie", "26.1.5", ("docker-cli",)),
    "sid": Suite("sid", "28.", ("docker-cli",)),
}


def tree(suite: str) -> Path:
    """Return the suite's tree, building it first when it is not there (about a minute)."""
    recipe = {"edition": EDITION, "packages": _packages(SUITES[suite]), "masked": MASKED}
    home = CACHE / f"{suite}-{digest(recipe)}"
    with locked(suite):
        if not home.exists():
            require()
            _build_tree(SUITES[suite], home, json.dumps(recipe))
    return home / "tree"


def _packages(suite: Suite) -> str:
    return ",".join([PACKAGES, *suite.extra])


def _build_tree(suite: Suite, home: Path, recipe: str) -> None:
    fresh = empty_beside(home)
    root = fresh / "tree"
    script = [] if (SCRIPTS / suite.name).exists() else [str(SCRIPTS / "sid")]
    command = ["debootstrap", "--variant=minbase", f"--include={_packages(suite)}"]
    checked([*command, suite.name, str(root), mirror(), *script], fresh / "debootstrap.log")
    for unit in MASKED:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    for litter in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
        shutil.rmtree(root / litter, ignore_errors=True)
        (root / litter).mkdir(parents=True)
    # Every host makes up its own identity at boot.
    (root / "etc/machine-id").write_text("")
    (root / "etc/hostname").unlink(missing_ok=True)
    (fresh / "recipe.json").write_text(recipe)
    fresh.rename(home)


def busybox_image() -> Path:
    """Return a tar that `docker import` turns into a small image with a shell and a web server."""
    data = BUSYBOX.read_bytes()
    recipe = {"busybox": hashlib.sha256(data).hexdigest(), "links": BUSYBOX_LINKS}
    image = CACHE / f"busybox-{digest(recipe)}.tar"
    with locked("busybox"):
        if not image.exists():
            fresh = image.with_suffix(".new")
            with tarfile.open(fresh, "w") as tar:
                tar.add(BUSYBOX, "bin/busybox")
                for name in BUSYBOX_LINKS:
                    link = tarfile.TarInfo(f"bin/{name}")
                    link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                    tar.addfile(link)
                for name in ("tmp", "www", "data", "etc"):
                    folder = tarfile.TarInfo(name)
                    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(folder)
            fresh.rename(image)
    return image


def digest(recipe: object) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


def empty_beside(home: Path) -> Path:
    """Make an empty directory beside `home`, to be renamed to it when it is complete."""
    fresh = home.with_name(f"{home.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    return fresh


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def checked(command: Sequence[str], log: Path) -> None:
    with log.open("wb") as out:
        code = subprocess.run(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, timeout=BUILD_TIMEOUT_S
        ).returncode
    if code:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise LabUnavailableError(f"{command[0]} ended with {code}:\n{tail}")
