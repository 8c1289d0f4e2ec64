"""What a lab host owns on the outer machine, and how all of it is taken away again.

In: a host's name. Out: nothing left of it: no process, cgroup, mount, loop device or directory.

A name carries its owner, `SUITE-PID-STARTED-N` (STARTED in clock ticks since boot), so a later run
tells the hosts of a dead run from those of a live one. Every process of a host lives in one cgroup
of that name; every mount lives in a mount namespace that ends with the last of those processes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

RUNS = Path(os.environ.get("DOCKERDOCTOR_LAB_RUNS", "/var/tmp/dockerdoctor-lab"))
PREFIX = "dockerdoctor-lab-"
GONE_TIMEOUT_S = 60.0


class LabError(Exception):
    """The lab itself did not do what it should; the text says what, with the last output."""


def cgroup_root() -> Path:
    """Return where the unified hierarchy is mounted (beside cgroup v1 it is not /sys/fs/cgroup)."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise LabError("no cgroup2 file system is mounted: the lab needs unified cgroups")


def cgroup_of(name: str) -> Path:
    """Return the cgroup of a host, whether or not it exists."""
    return cgroup_root() / f"{PREFIX}{name}"


def started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def new_name(suite: str) -> str:
    """Claim a name that no other host has, and make its run directory."""
    RUNS.mkdir(parents=True, exist_ok=True)
    owner = os.getpid()
    for number in range(10_000):
        name = f"{suite}-{owner}-{started(owner)}-{number}"
        with contextlib.suppress(FileExistsError):
            (RUNS / name).mkdir(mode=0o755)
            return name
    raise LabError(f"{RUNS} holds 10,000 hosts of this process")


def owned_by_a_live_process(name: str) -> bool:
    """Tell whether the process that made this host still runs; an odd name counts as alive."""
    try:
        _, pid, ticks, _ = name.split("-")
        return started(int(pid)) == int(ticks)
    except ValueError:
        return True


def sweep() -> list[str]:
    """Remove the hosts whose owners are dead, and return their names. Live runs are not touched."""
    RUNS.mkdir(parents=True, exist_ok=True)
    with (RUNS / ".sweep.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        dead = [name for name in _names() if not owned_by_a_live_process(name)]
        for name in dead:
            kill(name)
            clean(name)
    return dead


def _names() -> list[str]:
    runs = {run.name for run in RUNS.iterdir() if run.is_dir()}
    groups = {group.name.removeprefix(PREFIX) for group in cgroup_root().glob(f"{PREFIX}*")}
    return sorted(runs | groups)


def kill(name: str) -> None:
    """Thaw whatever a test froze and kill all of a host's processes."""
    group, run = cgroup_of(name), RUNS / name
    for frozen in group.glob("**/cgroup.freeze"):
        with contextlib.suppress(OSError):
            frozen.write_text("0")
    for device in loops(run):
        thaw(device, run)
    if group.exists():
        (group / "cgroup.kill").write_text("1")
        until(lambda: not populated(group), f"the processes of {name} to end")


def clean(name: str) -> None:
    """Take away all that a killed host had; raise LabError if something stays."""
    run = RUNS / name
    until(lambda: all(map(_rmdir_tree, _cgroups(name))), f"the cgroups of {name} to go")
    until(lambda: not loops(run) or _detach(run), f"the loop devices of {name} to go")

    def gone() -> bool:
        for trace in (run, *_nspawn_traces(name)):
            if trace.is_dir():
                shutil.rmtree(trace, ignore_errors=True)
            else:
                trace.unlink(missing_ok=True)
        return not remains(name)

    # A process that is dying has left its cgroup already, and may still write and be seen.
    try:
        until(gone, f"all of {name} to go")
    except LabError as late:
        raise LabError(f"the lab host {name} left behind: {', '.join(remains(name))}") from late


def remains(name: str) -> list[str]:
    """List what is still there of a host: `process 12`, `mount …`, `loop …`, `cgroup …`, paths."""
    run = RUNS / name
    found = [f"process {pid}" for pid in _processes(name)]
    found += [f"mount in the namespace of {pid}" for pid in _mounted(run)]
    found += [f"loop {device}" for device in loops(run)]
    found += [str(path) for path in (*_cgroups(name), run, *_nspawn_traces(name)) if path.exists()]
    return found


def _cgroups(name: str) -> list[Path]:
    # nspawn makes the same path in the hierarchy that systemd names on a machine with cgroup v1.
    in_v1 = Path("/sys/fs/cgroup").glob(f"*/{PREFIX}{name}")
    return sorted({cgroup_of(name), *in_v1})


def _processes(name: str) -> Iterator[int]:
    for pid, groups in proc("cgroup"):
        if f"{PREFIX}{name}" in groups and started(pid) is not None:
            yield pid


def _mounted(run: Path) -> Iterator[int]:
    for pid, mounts in proc("mountinfo"):
        if f"{run}/" in mounts:
            yield pid


def proc(file: str) -> Iterator[tuple[int, str]]:
    """Give /proc/PID/`file` of every process, by pid; those that end meanwhile are left out."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                yield int(process.name), (process / file).read_text(errors="replace")


def _nspawn_traces(name: str) -> list[Path]:
    home = Path("/run/systemd/nspawn")
    return [path for path in home.glob(f"*/*{name}*") if path.exists()]


def loops(run: Path) -> list[Path]:
    """Return the loop devices whose backing files lie in this run directory."""
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if backing.read_text().startswith(f"{run}/"):
                found.append(Path("/dev") / backing.parents[1].name)
    return found


def thaw(device: Path, run: Path) -> None:
    """Thaw the file system on a loop device, where nobody may be left to reach it by a path."""
    where = run / "thaw"
    where.mkdir(exist_ok=True)
    script = f"mount {device} {where} && fsfreeze --unfreeze {where}"
    private = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    # It fails, and may, where nothing is frozen.
    subprocess.run(["timeout", "-k", "5", "20", *private], capture_output=True, check=False)


def populated(group: Path) -> bool:
    """Tell whether a cgroup or one below it holds a process."""
    try:
        return "populated 1" in (group / "cgroup.events").read_text()
    except OSError:
        return False


def _rmdir_tree(group: Path) -> bool:
    below = sorted(group.glob("**/"), key=lambda path: len(path.parts), reverse=True)
    for directory in below:
        with contextlib.suppress(OSError):
            directory.rmdir()
    return not group.exists()


def _detach(run: Path) -> bool:
    for device in loops(run):
        subprocess.run(["losetup", "--detach", str(device)], capture_output=True, check=False)
    return not loops(run)


def until(condition: Callable[[], object], what: str, timeout_s: float = GONE_TIMEOUT_S) -> None:
    """Wait until the condition holds; raise LabError, naming what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout_s:g} s for {what}")
        time.sleep(0.1)
