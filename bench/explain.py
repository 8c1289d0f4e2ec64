"""What `explain` costs on a dump of 100 MB: `python -m bench.explain`.

The dump is made of real ones (tests/dumps): their goroutines again and again, with new numbers and
new addresses, as an overloaded daemon has them. The figures wanted: < 10 s and < 200 MB.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DUMPS = Path(__file__).parent.parent / "tests" / "dumps"
SIZE = 100 << 20
NUMBER = re.compile(r"^goroutine \d+", re.MULTILINE)
ADDRESS = re.compile(r"0xc0[0-9a-f]{8}\b")


def make(path: Path, size: int = SIZE) -> int:
    """Write a dump of about `size` bytes; the number of goroutines in it."""
    source = random.Random(1)
    texts = [
        gzip.decompress(each.read_bytes()).decode() for each in sorted(DUMPS.glob("dockerd-*.gz"))
    ]
    blocks = [block for text in texts for block in text.strip().split("\n\n")]
    written = count = 0
    with path.open("w") as file:
        while written < size:
            for block in blocks:
                count += 1
                fresh = f"0xc0{source.randrange(1 << 31):08x}"
                text = NUMBER.sub(f"goroutine {count}", block, count=1)
                text = ADDRESS.sub(fresh, text, count=3) + "\n\n"
                written += file.write(text)
    return count


def main() -> None:
    """Make it, explain it in a process of its own, tell time and memory."""
    with tempfile.TemporaryDirectory() as directory:
        dump = Path(directory) / "goroutine-stacks.log"
        goroutines = make(dump)
        command = [sys.executable, "-m", "dockerdoctor", "explain", "--json", str(dump)]
        began = time.monotonic()
        told = subprocess.run(command, capture_output=True, check=True).stdout
        took = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        size = dump.stat().st_size / 1e6
    found = json.loads(told)
    assert found["goroutines"] == goroutines
    print(f"{size:.0f} MB, {goroutines:,} goroutines: {took:.1f} s (< 10), {peak:.0f} MB (< 200)")
    print(found["says"])


if __name__ == "__main__":
    main()
