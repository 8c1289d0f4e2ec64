"""From fault to serving, ours beside what people do: `python -m bench heal [SUITE [WORDS]]`.

One lab host, a container that is deaf to SIGTERM (its stop takes 10 s) and one that is not,
live-restore off. Each fault is met by the watchdog with its default rules, by its fast preset, and
by nobody but one command (or systemd). Needs root, and a minute or two for each line.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

from tests.lab import faults
from tests.lab.host import LabHost
from tests.lab.watchdog import POLICY, Watchdog, rungs

Cure: TypeAlias = Callable[[Watchdog], None]
Fault: TypeAlias = Callable[[LabHost], contextlib.AbstractContextManager[object]]

FAST = (
    POLICY + '[watch]\npace = "1s"\nclose_pace = "500ms"\nping_timeout = "1s"\n',
    '[daemon-unresponsive]\nfor = "2s"\n',
)
LIMIT_S = 600.0
ATTEMPTS = 3


def ours(watchdog: Watchdog) -> None:
    """The watchdog as it comes, but for the cool-down between two incidents."""
    watchdog.begin()


def fast(watchdog: Watchdog) -> None:
    """The fast preset."""
    watchdog.begin(*FAST)


def nobody(watchdog: Watchdog) -> None:
    """Only systemd."""
    watchdog.stop()


@contextlib.contextmanager
def killed(host: LabHost) -> Iterator[None]:
    """kill -9 of dockerd."""
    faults.kill_unit(host)
    yield


def kill(host: LabHost) -> None:
    """What a person in a hurry does."""
    host.systemctl("kill", "--signal=KILL", "docker.service")


def restart(host: LabHost) -> None:
    """What a person with time does."""
    host.systemctl("restart", "--no-block", "docker.service")


def measure(
    watchdog: Watchdog, fault: Fault, cure: Cure, by_hand: Callable[[LabHost], None] | None = None
) -> tuple[float, str]:
    """Fault to serving, s, and what was climbed."""
    host = watchdog.host
    cure(watchdog)
    host.settle()
    wanted = len(host.docker("ps", "--all", "--quiet").stdout.split())
    host.wait(lambda: len(host.docker("ps", "-q").stdout.split()) == wanted, LIMIT_S, "containers")
    time.sleep(10)  # the start is over, and no cool-down of ours runs
    before, began = host.main_pid(), time.time()
    with fault(host):
        if by_hand:
            by_hand(host)
        host.wait(lambda: host.serving() and host.main_pid() not in (0, before), LIMIT_S, "serving")
        took = time.time() - began
    climbed = ""
    if cure is not nobody:
        time.sleep(8)
        climbed = "; ".join(" ".join(rungs(each)) for each in watchdog.incidents(began))
    return took, climbed


LINES: tuple[tuple[str, Fault, Cure, Callable[[LabHost], None] | None], ...] = (
    ("frozen: default rules", faults.frozen, ours, None),
    ("frozen: fast preset", faults.frozen, fast, None),
    ("frozen: SIGKILL at once, by hand (the floor)", faults.frozen, nobody, kill),
    ("stopped: default rules", faults.stopped_unit, ours, None),
    ("killed: with the watchdog", killed, ours, None),
    ("killed: systemd alone", killed, nobody, None),
    ("frozen: systemctl restart alone", faults.frozen, nobody, restart),
)
WITHOUT_THE_DEAF: tuple[tuple[str, Fault, Cure, Callable[[LabHost], None] | None], ...] = (
    ("nobody deaf, stopped: default rules", faults.stopped_unit, ours, None),
    ("nobody deaf, stopped: fast preset", faults.stopped_unit, fast, None),
    ("nobody deaf, stopped: systemctl restart alone", faults.stopped_unit, nobody, restart),
    ("nobody deaf, frozen: default rules", faults.frozen, ours, None),
)


def main(suite: str, words: str) -> None:
    """Print the table, line by line as it is measured: those lines that have these words."""
    with LabHost(suite, product=True) as host:
        version = host.docker("version", "--format", "{{.Server.Version}}").stdout.strip()
        print(f"docker {version} ({suite}): fault → serving\n")
        watchdog = Watchdog(host)
        host.start_container("deaf", "--restart", "always", cmd=("sleep", "1000000"))
        host.start_container("kind", "--restart", "always")
        for line in LINES:
            show(watchdog, words, *line)
        host.docker("rm", "--force", "deaf")
        for line in WITHOUT_THE_DEAF:
            show(watchdog, words, *line)


def show(
    watchdog: Watchdog,
    words: str,
    name: str,
    fault: Fault,
    cure: Cure,
    by_hand: Callable[[LabHost], None] | None,
) -> None:
    """Measure one line and print it."""
    if words in name:
        seen = [measure(watchdog, fault, cure, by_hand) for _ in range(ATTEMPTS)]
        took = " ".join(f"{each:5.1f}" for each in sorted(each for each, _ in seen))
        print(f"{name:45} {took} s  {seen[-1][1]}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "trixie", " ".join(sys.argv[2:]))
