"""Booting a tree with systemd-nspawn, in a cgroup and a mount namespace of its own.

In: a run directory, the layers of the tree, wishes for the data-root. Out: the running
systemd-nspawn, and a keeper that kills the whole host when the process that booted it is gone.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.commands import ENVIRONMENT

SHARE = "/mnt/lab"
NSPAWN_ENVIRONMENT = {
    **ENVIRONMENT,
    # In the legacy mode the controllers are read-only inside and no container starts.
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes",
    "SYSTEMD_SECCOMP": "0",
    # Its lock files would outlive it; nobody else boots this directory.
    "SYSTEMD_NSPAWN_LOCK": "0",
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a test asks of a host before boot.

    `data_root_mb` puts /var/lib/docker on a loop-mounted ext4 of that size (MiB), `inodes` limits
    its inodes; `files` are written before boot (path → text).
    """

    data_root_mb: int | None = None
    inodes: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)


def prepare(run: Path, image: Path, wishes: Wishes) -> None:
    """Fill a run directory with what the host's mounts will be made of."""
    for name in ("root", "upper", "work", "share", "docker", "containerd"):
        (run / name).mkdir()
    shutil.copyfile(image, run / "share/busybox.tar")
    for path, text in wishes.files.items():
        file = run / "upper" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    if wishes.data_root_mb is not None:
        disk = run / "docker.ext4"
        with disk.open("wb") as empty:
            empty.truncate(wishes.data_root_mb << 20)
        limit = [] if wishes.inodes is None else ["-N", str(wishes.inodes)]
        # No blocks kept back for root: a full disk is full for dockerd as well.
        make = ["mkfs.ext4", "-q", "-F", "-m", "0", *limit, str(disk)]
        subprocess.run(make, check=True, capture_output=True)


def keep(cgroup: Path) -> subprocess.Popen[bytes]:
    """Start the keeper: a child whose input ends when we die, by SIGKILL too, kills the cgroup.

    PR_SET_PDEATHSIG will not do: nspawn would die of it and leave the host's systemd running.
    """
    kill = ["sh", "-c", 'read -r _; echo 1 >"$0"', str(cgroup / "cgroup.kill")]
    # A session of its own, here and below: Ctrl-C is for us, who then stop the host in order.
    return subprocess.Popen(
        in_cgroup(cgroup / "commands", kill), stdin=subprocess.PIPE, start_new_session=True
    )


def boot(name: str, run: Path, cgroup: Path, layers: Sequence[Path]) -> subprocess.Popen[bytes]:
    """Start systemd-nspawn over the layers (uppermost first); its console goes to console.log."""
    overlay = f"lowerdir={':'.join(map(str, layers))},upperdir={run}/upper,workdir={run}/work"
    disk = run / "docker.ext4"
    steps = [
        f"mount -t overlay overlay -o {overlay} {run}/root",
        f"mount -o loop {disk} {run}/docker" if disk.exists() else ":",
        "exec " + shlex.join(_nspawn(name, run)),
    ]
    private = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join(steps)]
    with (run / "console.log").open("wb") as console:
        return subprocess.Popen(
            in_cgroup(cgroup, private),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=NSPAWN_ENVIRONMENT,
            start_new_session=True,
        )


def _nspawn(name: str, run: Path) -> list[str]:
    return [
        *("systemd-nspawn", "-D", f"{run}/root", f"--machine=lab-{name}"),
        *("--register=no", "--keep-unit", "--private-network", "--capability=all"),
        "--system-call-filter=add_key keyctl bpf perf_event_open",
        *("--link-journal=no", "--console=read-only", "--bind=/dev/fuse"),
        # overlay2 cannot lie on an overlay.
        f"--bind={run}/docker:/var/lib/docker",
        f"--bind={run}/containerd:/var/lib/containerd",
        f"--bind={run}/share:{SHARE}",
        *("--boot", "systemd.unit=multi-user.target"),
    ]


def in_cgroup(group: Path, argv: Sequence[str]) -> list[str]:
    """Return the command line that runs argv as a member of a cgroup."""
    return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(group / "cgroup.procs"), *argv]
