"""What eats a data-root, beside `du -sx` and `docker system df -v`: `python -m bench disk`.

A data-root as a real engine makes it (root; overlay2): 30 images of ten layers of 3,000 files are
loaded into a private dockerd, 200 containers are created, and 500 files copied into each: a million
files. Arguments: images, files of a layer, containers, files of a container. Each look is the whole
command, `dockerdoctor disk --json`, in a process of its own; the first has nothing remembered. Page
cache: dropped before what is called cold. `docker system df` answers from its daemon's memory, so
it is also asked as the first thing after a start of the daemon.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.baredaemon import BareDaemon, engine_path

SIZE = 2000
LAYERS = 10
TIMES = 5
"""Of what is warm the median of so many is told."""


def archive(count: int, mark: str) -> bytes:
    """A tar of `count` files, 100 to a directory, without its end."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for number in range(count):
            member = tarfile.TarInfo(f"{mark}{number // 100}/f{number}")
            member.size = SIZE
            tar.addfile(member, io.BytesIO(b"x" * SIZE))
        end = tar.offset
    return packed.getvalue()[:end]


def image(number: int, common: bytes) -> bytes:
    """An image for `docker load`, whose layers differ by one file."""
    layers = [common + _file(f"only{number}.{at}", b"y") + b"\0" * 1024 for at in range(LAYERS)]
    diffs = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["true"]}}
    config["rootfs"] = {"type": "layers", "diff_ids": diffs}
    names = [f"{at}.tar" for at in range(LAYERS)]
    told = [{"Config": "config.json", "RepoTags": [f"image:{number}"], "Layers": names}]
    files = {"manifest.json": json.dumps(told).encode(), "config.json": json.dumps(config).encode()}
    files |= dict(zip(names, layers, strict=True))
    return b"".join(_file(name, content) for name, content in files.items()) + b"\0" * 1024


def _file(name: str, content: bytes) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member.tobuf() + content + b"\0" * (-len(content) % 512)


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Tells the largest of its processes, in KiB."""


class Docker:
    """The engine's own client, for one private daemon."""

    def __init__(self, daemon: BareDaemon) -> None:
        self.daemon = daemon
        self._environment = os.environ | {"PATH": engine_path()}

    def argv(self, *words: str) -> list[str]:
        return ["docker", "-H", f"unix://{self.daemon.socket}", *words]

    def __call__(self, *words: str, given: bytes = b"") -> str:
        done = subprocess.run(
            self.argv(*words), input=given, capture_output=True, check=True, env=self._environment
        )
        return done.stdout.decode()

    def started(self) -> None:
        """Wait for its first answer."""
        while subprocess.run(
            self.argv("version"), capture_output=True, env=self._environment
        ).returncode:
            time.sleep(0.2)

    def restart(self) -> None:
        """SIGTERM, and start it again."""
        process = self.daemon.process()
        assert process is not None
        os.kill(process.pid, 15)
        while self.daemon.process() is not None:
            time.sleep(0.1)
        self.daemon.start()
        self.started()


def build(docker: Docker, images: int, files: int, containers: int, own: int) -> None:
    """Fill the data-root."""
    common = archive(files - 1, "d")
    for number in range(images):
        docker("load", given=image(number, common))
    written = archive(own, "own") + b"\0" * 1024
    for number in range(containers):
        docker("create", "--name", f"c{number}", f"image:{number % images}")
        docker("cp", "-", f"c{number}:/", given=written)


def timed(run: Callable[[], str], cold: bool = False, times: int = 1) -> tuple[float, str]:
    """Seconds (the median), and what it said last."""
    took = []
    said = ""
    for _ in range(times):
        if cold:
            os.sync()
            Path("/proc/sys/vm/drop_caches").write_text("3")
        began = time.monotonic()
        said = run()
        took.append(time.monotonic() - began)
    return statistics.median(took), said


def ran(argv: Sequence[str]) -> str:
    # As installed: with its modules compiled.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    return subprocess.run(argv, capture_output=True, text=True, check=True, env=environment).stdout


def measure(docker: Docker, top: Path) -> None:
    """Print the table."""
    root = docker.daemon.data_root
    config = top / "dockerdoctor.toml"
    config.write_text(
        f'[daemon]\nhost = "unix://{docker.daemon.socket}"\npidfile = "{docker.daemon.pidfile}"\n'
        f'data_root = "{root}"\n[watch]\nstate_dir = "{top}/state"\nrun_dir = "{top}/run"\n'
    )
    look = [sys.executable, "-m", "dockerdoctor", "--config", str(config), "disk", "--json"]

    def first() -> str:
        (top / "state/sizes").unlink(missing_ok=True)
        return ran(look)

    def du() -> str:
        # As the last in every queue, as our own command is: else a busy machine tells lies.
        return ran(["nice", "-n", "10", "ionice", "-c", "3", "du", "-sxB1", str(root)])

    rows: dict[str, float] = {}

    def row(name: str, run: Callable[[], str], cold: bool = False, times: int = 1) -> None:
        rows[name], _ = timed(run, cold, times)

    docker.restart()
    row("docker system df -v, after its start, cold", lambda: docker("system", "df", "-v"), True)
    row("du -sx, cold", du, True)
    row("first look, cold", first, True)
    row("second look, cold", lambda: ran(look), True)
    row("python -c pass, cold", lambda: ran([sys.executable, "-c", "pass"]), True)
    row("du -sx, warm", du, times=TIMES)
    row("first look, warm", first, times=TIMES)
    row("second look, warm", lambda: ran(look), times=TIMES)
    docker.restart()
    row("docker system df -v, after its start, warm", lambda: docker("system", "df", "-v"))
    row("docker system df -v, warm", lambda: docker("system", "df", "-v"), times=TIMES)
    row("python -c pass, warm", lambda: ran([sys.executable, "-c", "pass"]), times=TIMES)
    counted = int(du().split()[0])
    print(f"  load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name, took in rows.items():
        print(f"  {name:44} {took:7.3f} s")
    for cache in ("cold", "warm"):
        for other in ("du -sx", "docker system df -v, after its start", "docker system df -v"):
            name = f"{other}, {cache}"
            if name in rows:
                times = rows[name] / rows[f"second look, {cache}"]
                print(f"  second look, {cache}: {times:.1f} times as fast as {other}")
    told = json.loads(ran(look))["places"][0]
    print(f"  total: {told['bytes'] / counted:.4%} of du's; {told['inodes']:,} inodes")
    (top / "state/sizes").unlink()
    for name in ("first", "second"):
        print(f"  {name} look: {int(ran([sys.executable, '-c', PEAK, *look])) / 1024:.0f} MB")


def main(images: int, files: int, containers: int, own: int) -> None:
    """Build, measure, remove."""
    top = Path(tempfile.mkdtemp(prefix="dockerdoctor-bench-", dir="/var/tmp"))
    daemon = BareDaemon(top)
    docker = Docker(daemon)
    try:
        daemon.start()
        docker.started()
        began = time.monotonic()
        build(docker, images, files, containers, own)
        version = docker("version", "-f", "{{.Server.Version}}").strip()
        print(
            f"{version}: {images * LAYERS} layers of {files} files, {containers} containers "
            f"of {own} (made in {time.monotonic() - began:.0f} s)"
        )
        measure(docker, top)
    finally:
        daemon.destroy()


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given or [30, 3000, 200, 500]))
