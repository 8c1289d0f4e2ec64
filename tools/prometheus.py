"""python -m tools.prometheus: print a directory that holds promtool, prometheus and alertmanager.

The host's own where it has them; else Debian's packages, unpacked (never installed: they would start
services) into a cache outside the checkout. Needs apt-get and dpkg, no root; the standard library.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.engine import NoEngineError, again, cache, locked, run, say

PACKAGES = ("prometheus", "prometheus-alertmanager")
PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager")


def prometheus() -> Path:
    """A directory with all PROGRAMS, unpacking them if need be. Raises NoEngineError."""
    if (found := present()) is not None:
        return found
    home = cache() / "prometheus"
    with locked(home.with_suffix(".lock")):
        if present() is None:
            unpack(home)
    return home / "usr/bin"


def present() -> Path | None:
    """Where all PROGRAMS are already, on PATH or unpacked; None when they are not."""
    where = [Path(found).parent for name in PROGRAMS if (found := shutil.which(name))]
    if len(where) == len(PROGRAMS) and len(set(where)) == 1:
        return where[0]
    unpacked = cache() / "prometheus/usr/bin"
    return unpacked if all(runs(unpacked / name) for name in PROGRAMS) else None


def runs(program: Path) -> bool:
    """Whether it can tell its version: another release of the host may have broken it."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def unpack(home: Path) -> None:
    """Download and unpack into a directory beside `home`, then put it in its place."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise NoEngineError(
            f"this is neither Debian nor Ubuntu: put {', '.join(PROGRAMS)} on PATH"
        )
    fresh = home.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    say(f"unpacking {' and '.join(PACKAGES)} into {home} (not installed, no service is started)")
    here = Path.cwd()
    os.chdir(fresh)  # where apt-get puts what it downloads
    try:
        download()
    finally:
        os.chdir(here)
    for package in fresh.glob("*.deb"):
        run("dpkg", "-x", str(package), str(fresh))
        package.unlink()
    shutil.rmtree(home, ignore_errors=True)
    fresh.rename(home)
    if present() is None:
        raise NoEngineError(f"what was unpacked into {home} does not run: try usr/bin/promtool")


def download() -> None:
    """Let apt download them, checked as always."""
    fetch = ("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *PACKAGES)
    try:
        run(*fetch)
    except NoEngineError:  # the lists are often not there on a fresh machine, or old
        if os.geteuid() == 0:
            again("apt-get", "-qq", "update")
        again(*fetch)


if __name__ == "__main__":
    try:
        print(prometheus())
    except (NoEngineError, subprocess.TimeoutExpired) as why:
        sys.exit(f"{why}")
