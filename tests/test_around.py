"""What goes on around the daemon: pressure as the kernel tells it, locks as packagers hold them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dockerdoctor.host import pressure, upkeep

PSI = """some avg10=12.50 avg60=3.00 avg300=1.00 total=36053815
full avg10=6.47 avg60=2.30 avg300=2.02 total=28837017
"""
HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def test_pressure_is_read_as_shares_of_ten_seconds() -> None:
    assert pressure.parse_psi(PSI) == {"some": 0.125, "full": 0.0647}


def test_a_line_that_is_no_pressure_is_no_pressure() -> None:
    assert pressure.parse_psi("some avg10=much\nfull\n\n") == {}


def test_a_kernel_that_tells_no_pressure_is_not_taken_for_an_idle_one(tmp_path: Path) -> None:
    seen = pressure.look(tmp_path)
    assert not seen.known
    assert seen.io_full_ratio == 0


def test_a_kernel_without_pressure_tells_how_long_processors_waited_for_disks(
    tmp_path: Path,
) -> None:
    watch = pressure.PressureWatch(tmp_path)
    shares = []
    for line in (
        "cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1\n",
        "cpu  20 0 20 80 80 0 0 0 900 0\n",  # 100 ticks, 70 of them; those of guests are in user's
        "cpu  20 0 20 80 80 0 0 0 900 0\n",
        "cpu  much\n",
        "",
        "cpu  20 0 20 80 80 0 0 0 900 0\n",
    ):
        (tmp_path / "stat").write_text(line)
        shares.append(watch.look().iowait_ratio)
    assert shares == [0, 0.7, 0, 0, 0, 0]


def test_load_is_told_per_processor(tmp_path: Path) -> None:
    (tmp_path / "loadavg").write_text("900.00 1.00 1.00 90/900 1\n")
    assert pressure.look(tmp_path).load_per_cpu * (os.cpu_count() or 1) == 900
    assert pressure.parse_load("much\n") == 0


def test_who_holds_the_package_lock_is_named_and_the_lock_is_not_taken(tmp_path: Path) -> None:
    lock = tmp_path / "lock-frontend"
    lock.touch()
    assert upkeep.at_work((lock,)) == ""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        assert f"(pid {holder.pid})" in upkeep.at_work((tmp_path / "missing", lock))
        holder.communicate()
    assert upkeep.at_work((lock,)) == ""
