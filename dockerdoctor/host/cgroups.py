"""Whether a process stands still because its cgroup is frozen (cgroup v2, pure or beside v1)."""

from __future__ import annotations

import functools
import re
from pathlib import Path, PurePosixPath

from dockerdoctor.host import procfile


def v2_path(cgroup: str) -> PurePosixPath | None:
    """The v2 line of /proc/PID/cgroup ("0::/system.slice/docker.service"); None without one."""
    for line in cgroup.splitlines():
        if line.startswith("0::"):
            return PurePosixPath(line[3:].removesuffix(" (deleted)"))
    return None


def v2_mount(mountinfo: str) -> tuple[Path, PurePosixPath] | None:
    """Where cgroup v2 is mounted, and which cgroup is that mount's root, from
    /proc/self/mountinfo; None when it is not mounted."""
    for line in mountinfo.splitlines():
        fields, dash, more = line.partition(" - ")
        if dash and more.split(" ", 1)[0] == "cgroup2":
            words = fields.split()
            return Path(unescape(words[4])), PurePosixPath(unescape(words[3]))
    return None


def members(cgroup: str) -> list[int]:
    """The processes in the v2 cgroup of this /proc/PID/cgroup, not those in cgroups below it;
    empty where there is none."""
    mount = _mounted()
    line = next((line for line in cgroup.splitlines() if line.startswith("0::")), "")
    if mount is None or not line:
        return []
    root = str(mount[1]).rstrip("/")
    text = procfile.text_if_there(f"{mount[0]}{line[3:].removeprefix(root)}/cgroup.procs")
    return [int(pid) for pid in text.split() if pid != "0"]


def frozen(cgroup: str) -> bool:
    """Whether the cgroup of this /proc/PID/cgroup, or one above it, is frozen or told to freeze."""
    path, mount = v2_path(cgroup), _mounted()
    if path is None or mount is None:
        return False
    place, root = mount
    if not path.is_relative_to(root):
        return False
    inside = path.relative_to(root)
    if "frozen 1" in procfile.text_if_there(f"{place}/{inside}/cgroup.events"):
        return True
    # A process in state D holds up the freezing, and "frozen" stays 0; what was asked for counts.
    # The root cgroup has no such file, and a cgroup may go away.
    above = (inside, *inside.parents)
    asked = (procfile.text_if_there(f"{place}/{each}/cgroup.freeze") for each in above)
    return any(text.strip() == "1" for text in asked)


@functools.cache
def _mounted() -> tuple[Path, PurePosixPath] | None:
    return v2_mount(Path("/proc/self/mountinfo").read_text())


def unescape(text: str) -> str:
    """As the path is: the kernel's tables of mounts write blanks as \\040."""
    return re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), text) if "\\" in text else text
