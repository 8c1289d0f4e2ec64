"""What eats a data-root, beside `du -sx`: `python -m bench disk [LAYERS FILES CONTAINERS]`.

A synthetic data-root in docker's own formats (default 300 layers of 3,300 files, 200 containers: a
million files). Each look is a process of its own; the first has nothing remembered. Page cache:
dropped before what is called cold, where that is allowed.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.dataroot import DataRoot

SIZE = 2000
LOOK = """
import sys
from pathlib import Path
from dockerdoctor.account import account
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.survey import survey
remembered = Remembered(Path(sys.argv[2]))
whole = account(survey(Path(sys.argv[1]), remembered))
remembered.save()
print(whole.usage.bytes, whole.usage.inodes)
"""


def build(path: Path, layers: int, files: int, containers: int) -> None:
    """Images of ten layers each, a container for each image in turn."""
    root = DataRoot(path)
    images = [
        root.image(
            f"image:{number}",
            {f"layer {number}.{at}": SIZE for at in range(10)},
            1_700_000_000.0,
            files=files,
        )
        for number in range(layers // 10)
    ]
    for number in range(containers):
        root.container(f"c{number}", images[number % len(images)], "running", wrote=10_000)


def timed(argv: Sequence[str], cold: bool = False) -> tuple[float, str, float]:
    """Seconds, what it said, and the peak RSS of all children so far in MB."""
    if cold:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
    began = time.monotonic()
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return time.monotonic() - began, said, peak


def main(layers: int, files: int, containers: int) -> None:
    """Print the table."""
    top = Path(tempfile.mkdtemp(prefix="dockerdoctor-bench-", dir="/var/tmp"))
    try:
        build(top / "docker", layers, files, containers)
        du = ["du", "-sxB1", str(top / "docker")]
        look = [sys.executable, "-c", LOOK, str(top / "docker"), str(top / "sizes.json")]
        rows = [("du -sx, cold", *timed(du, cold=True)), ("du -sx, warm", *timed(du))]
        rows.append(("first look, cold", *timed(look, cold=True)))
        (top / "sizes.json").unlink()
        rows.append(("first look, warm", *timed(look)))
        rows.append(("second look, warm", *timed(look)))
        rows.append(("second look, cold", *timed(look, cold=True)))
        print(f"{layers} layers of {files} files, {containers} containers")
        for name, took, said, peak in rows:
            total = int(said.split()[0])
            print(f"  {name:18} {took:7.2f} s  {total / 1e9:.3f} GB  (peak RSS {peak:.0f} MB)")
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given or [300, 3300, 200]))
