"""dockerdoctor itself, made ready for a lab host's Python.

In: the checkout and a suite's tree. Out: a layer to lay over the tree, with a virtual environment
of dockerdoctor's dependencies (kept beside the tree), and the checkout's wheel (built every time).
"""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.lab.tree import CACHE, checked, digest, empty_beside, locked, tree

CHECKOUT = Path(__file__).resolve().parents[2]
VENV = "/opt/dockerdoctor"
EDITION = 1
# Old enough for every suite (bookworm has glibc 2.36).
WHEEL_PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")


def python_version(root: Path) -> str:
    """Return the tree's Python as `3.11`."""
    return (root / "usr/bin/python3").readlink().name.removeprefix("python")


def dependencies(suite: str) -> Path:
    """Return a layer to lay over the tree: dockerdoctor's virtual environment without dockerdoctor.

    It is rebuilt when the dependencies in pyproject.toml change (some 20 s).
    """
    root = tree(suite)
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"].get("web", [])]
    recipe = {"edition": EDITION, "tree": root.parent.name, "wanted": wanted}
    home = CACHE / f"{root.parent.name}-venv-{digest(recipe)}"
    with locked(suite):
        if not home.exists():
            _build_dependencies(root, home, wanted)
    return home / "layer"


def _build_dependencies(root: Path, home: Path, wanted: Sequence[str]) -> None:
    fresh = empty_beside(home)
    wheels, layer, work, merged = (fresh / name for name in ("wheels", "layer", "work", "merged"))
    for directory in (wheels, layer, work, merged):
        directory.mkdir()
    download(wanted, python_version(root), wheels)
    requirements = fresh / "requirements.txt"
    requirements.write_text("".join(f"{line}\n" for line in wanted))
    # In a mount namespace of its own: nothing to unmount, whatever happens.
    script = f"""set -e
        mount -t overlay overlay -o lowerdir={root},upperdir={layer},workdir={work} {merged}
        mount --bind {fresh} {merged}/mnt
        mount --rbind /dev {merged}/dev
        inside() {{ env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot {merged} "$@"; }}
        inside python3 -m venv {VENV}
        inside {VENV}/bin/pip install --quiet --no-index --find-links /mnt/wheels \
            --requirement /mnt/requirements.txt
        ln -sf {VENV}/bin/dockerdoctor {merged}/usr/local/bin/dockerdoctor
    """
    private = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    checked(private, fresh / "pip.log")
    for done in (wheels, work, merged):
        shutil.rmtree(done)
    fresh.rename(home)


def download(wanted: Sequence[str], python: str, into: Path) -> None:
    """Fetch wheels for another Python than ours, by this host's own pip and its configuration."""
    machine = os.uname().machine
    platforms = [f"--platform={name}_{machine}" for name in WHEEL_PLATFORMS]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:"]
    target = ["--implementation=cp", f"--python-version={python}", *platforms, f"--dest={into}"]
    checked([*pip, *target, *wanted], into.parent / "download.log")


def wheel(into: Path) -> Path:
    """Build the checkout's own wheel and return its path."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", f"--outdir={into}"]
    checked([*build, str(CHECKOUT)], into / "build.log")
    return next(into.glob("*.whl"))
