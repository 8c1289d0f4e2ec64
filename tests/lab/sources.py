"""Whether this machine can run the lab, and where its own apt gets Debian from.

In: /etc/os-release, apt's sources in both their forms, the programs on PATH. Out: the names of the
packages that are missing, the mirror's URL, or LabUnavailableError with a sentence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.leftovers import RUNS

BUSYBOX = Path("/bin/busybox")
APT = Path("/etc/apt")


class LabUnavailableError(Exception):
    """This machine cannot run the lab; the text says why and what would help."""


def missing() -> list[str]:
    """Name the Debian packages that the lab needs on the outer host and that are not there."""
    wanted = {
        "debootstrap": shutil.which("debootstrap"),
        "systemd-container": shutil.which("systemd-nspawn"),
        "e2fsprogs": shutil.which("mkfs.ext4"),
        "busybox-static": _static_busybox(),
        "util-linux": shutil.which("nsenter"),
    }
    return [package for package, found in wanted.items() if not found]


def _static_busybox() -> bool:
    if not BUSYBOX.exists():
        return False
    # A dynamically linked program names its interpreter near the head of the file.
    with BUSYBOX.open("rb") as program:
        return b"/ld-linux" not in program.read(4096)


def require() -> None:
    """Raise LabUnavailableError, with a sentence, when this machine cannot run a lab host."""
    if os.geteuid() != 0:
        raise LabUnavailableError("the lab boots systemd: run it as root")
    if (distribution := _os_release().get("ID")) != "debian":
        raise LabUnavailableError(
            f"the lab needs Debian's own packages; this host is {distribution}"
        )
    if absent := missing():
        raise LabUnavailableError(f"missing packages: apt-get install {' '.join(absent)}")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        raise LabUnavailableError("root may not mount here: the lab needs a real machine")
    RUNS.mkdir(parents=True, exist_ok=True)
    kind = ["stat", "--file-system", "--format=%T", str(RUNS)]
    if "overlay" in subprocess.run(kind, capture_output=True, text=True, check=True).stdout:
        raise LabUnavailableError(f"{RUNS} is on an overlay: name another in DOCKERDOCTOR_LAB_RUNS")
    mirror()


def mirror(apt: Path = APT, codename: str | None = None) -> str:
    """Return the URL that this host's own apt takes its Debian suite (the codename) from."""
    codename = codename or _os_release().get("VERSION_CODENAME", "")
    for uri, suites, components in [*_deb822_sources(apt), *_one_line_sources(apt)]:
        if codename in suites and "main" in components and uri.startswith(("http", "file:")):
            return uri
    raise LabUnavailableError(f"apt's sources name no mirror for {codename or 'this host'}")


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {key: value.strip('"') for key, value in pairs}


def _deb822_sources(apt: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    for file in sorted((apt / "sources.list.d").glob("*.sources")):
        for stanza in file.read_text().split("\n\n"):
            lines = [line for line in stanza.splitlines() if not line.startswith("#")]
            fields = dict(line.split(":", 1) for line in lines if ":" in line and line[0] != " ")
            value = {key.strip().lower(): text.split() for key, text in fields.items()}
            if value.get("enabled", ["yes"]) == ["no"] or "deb" not in value.get("types", []):
                continue
            for uri in value.get("uris", []):
                yield uri, value.get("suites", []), value.get("components", [])


def _one_line_sources(apt: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    for line in (line for file in files if file.exists() for line in file.read_text().splitlines()):
        words = line.split()
        if not words or words[0] != "deb":
            continue
        rest = words[1:]
        if rest and rest[0].startswith("["):
            end = next(i for i, word in enumerate(rest) if word.endswith("]"))
            rest = rest[end + 1 :]
        if len(rest) >= 2:
            yield rest[0], [rest[1]], rest[2:]
