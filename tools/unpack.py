"""python tools/unpack.py [engine|prometheus|alertmanager]: print where it is, ready to run.

The host's own where it has them; else Debian's or Ubuntu's package with what it depends on and the
host lacks, unpacked into a cache outside the checkout. Never installed: these packages enable and
start services. Needs apt-get and dpkg, no root; only the standard library.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tool:
    """A package, and its programs: the first decides whether the host has it."""

    package: str
    programs: tuple[str, ...]


TOOLS = {
    "engine": Tool("docker.io", ("dockerd", "containerd", "ctr", "runc", "docker")),
    "prometheus": Tool("prometheus", ("promtool", "prometheus")),
    "alertmanager": Tool("prometheus-alertmanager", ("prometheus-alertmanager", "amtool")),
}
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on everybody's PATH
# The host's own loader would not go with a newer C library; it always has one.
NOT_UNPACKED = ("libc6", "libc-bin", "libcrypt1", "libgcc-s1")
WAITS_S = (5, 10, 15)
TIMEOUT_S = 900.0

WRAPPER = """#!/bin/sh
# Written by tools/unpack.py: runs {program} with the programs and libraries unpacked beside it.
root=$(dirname "$(readlink -f "$0")")/../root
root=$(readlink -f "$root")
export PATH="$root/usr/sbin:$root/usr/bin:$PATH"
{libraries}exec "$root/{path}" "$@"
"""


class NotToBeHadError(Exception):
    """It is not here and cannot be had; the text says why and what would help."""


def programs(name: str) -> Path:
    """Return a directory with the programs of a tool, unpacking them if the host has none."""
    tool = TOOLS[name]
    places = os.pathsep.join((os.environ["PATH"], *SBIN))
    if found := shutil.which(tool.programs[0], path=places):
        return Path(found).parent
    home = cache() / name
    with locked(home.with_suffix(".lock")):
        if not runs(home / "bin" / tool.programs[0]):
            unpack(tool, home)
    return home / "bin"


def cache() -> Path:
    """Return the cache directory, which only its owner may write: root runs what lies in it."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dockerdoctor"
    path = Path(os.environ.get("DOCKERDOCTOR_CACHE") or usual)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    seen = path.stat()
    if seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
        raise NotToBeHadError(f"{path} may be written by others: set DOCKERDOCTOR_CACHE to another")
    return path


def runs(program: Path) -> bool:
    """Whether it can tell its version: a new release of the host may have broken it."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, timeout=60)
        return done.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def unpack(tool: Tool, home: Path) -> None:
    """Download and unpack into a directory beside `home`, then put it in its place."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise NotToBeHadError(
            f"there is no {tool.programs[0]}, and this is neither Debian nor Ubuntu: install it "
            "(for a dockerd you may also name its directory in DOCKERDOCTOR_ENGINE)"
        )
    fresh = home.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "archives/partial").mkdir(parents=True)
    say(f"unpacking {tool.package} into {home} (it is not installed, no service is started)")
    download(tool.package, fresh / "archives")
    for package in sorted((fresh / "archives").glob("*.deb")):
        if package.name.partition("_")[0] not in NOT_UNPACKED:
            run("dpkg", "-x", str(package), str(fresh / "root"))
    wrap(tool, fresh)
    shutil.rmtree(fresh / "archives")
    first = fresh / "bin" / tool.programs[0]
    if not runs(first):
        raise NotToBeHadError(f"what was unpacked does not run: try {first} --version")
    shutil.rmtree(home, ignore_errors=True)
    fresh.rename(home)


def download(package: str, into: Path) -> None:
    """Let apt find out what the host lacks and download that, checked as always."""
    fetch = (
        *("apt-get", "-qq", "-y", "install", "--download-only", "--no-install-recommends"),
        *("-o", f"Dir::Cache::archives={into}", "-o", "APT::Keep-Downloaded-Packages=true"),
        # Nothing of the system is changed, so its locks are not needed, nor another user for apt.
        *("-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"),
        package,
    )
    try:
        run(*fetch)
    except NotToBeHadError:  # the lists are often not there on a fresh machine, or old
        if os.geteuid() == 0:
            again(*("apt-get", "-qq", "update"))
        again(*fetch)


def wrap(tool: Tool, fresh: Path) -> None:
    """Write bin/: each program with its PATH and library path set."""
    root = fresh / "root"
    (fresh / "bin").mkdir()
    found = sorted({library.parent for library in root.glob("**/lib*.so*")})
    paths = ":".join(f"$root/{where.relative_to(root)}" for where in found)
    libraries = f'export LD_LIBRARY_PATH="{paths}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"\n'
    for program in tool.programs:
        for where in ("usr/sbin", "usr/bin"):
            if (root / where / program).exists():
                script = fresh / "bin" / program
                path = f"{where}/{program}"
                script.write_text(
                    WRAPPER.format(program=program, path=path, libraries=libraries if found else "")
                )
                script.chmod(0o755)
                break


def again(*command: str) -> None:
    """Run it up to four times: networks blip."""
    for wait_s in WAITS_S:
        try:
            return run(*command)
        except NotToBeHadError as why:
            say(f"{why}\ntrying again in {wait_s} s")
            time.sleep(wait_s)
    return run(*command)


def run(*command: str) -> None:
    """Run it; raise NotToBeHadError with its last words when it fails."""
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        words = "\n".join(done.stdout.splitlines()[-8:])
        raise NotToBeHadError(f"`{' '.join(command[:2])}` ended with {done.returncode}:\n{words}")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock, so that two runs do not unpack at once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """Tell people; stdout is for the directory."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    words = sys.argv[1:] or ["engine"]
    if len(words) != 1 or words[0] not in TOOLS:
        sys.exit(__doc__)
    try:
        print(programs(words[0]))
    except (NotToBeHadError, subprocess.TimeoutExpired) as why:
        sys.exit(f"{why}")
