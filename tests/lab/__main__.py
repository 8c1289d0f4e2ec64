"""python -m tests.lab missing | build [SUITE ...] | shell SUITE [COMMAND ...] | sweep
   python -m tests.lab soak [--minutes N] [SUITE]

missing: print the Debian packages that the lab still needs on this machine.
build: make the trees and the environments that are not there yet (a minute each).
shell: boot a host with dockerdoctor in it, run a command (or bash) there, stop it at exit.
soak: a busy day on a host, in so many minutes (60); the watchdog must not act.
sweep: remove what dead runs left behind, bare daemons too; what lives is not touched.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tests import baredaemon
from tests.lab import leftovers, product, soak, sources, tree
from tests.lab.host import LabHost


def build(names: list[str]) -> int:
    """Build what the named suites (default: all) need, and tell how long it took."""
    for name in names or tree.SUITES:
        began = time.monotonic()
        tree.tree(name)
        product.dependencies(name)
        say(f"{name}: ready after {time.monotonic() - began:.0f} s")
    tree.busybox_image()
    return 0


def shell(name: str, command: list[str]) -> int:
    """Boot a host and hand it to a person; return the command's exit code."""
    with LabHost(name, product=True) as host:
        say(f"{host.name} is up; it goes away when this command ends")
        host.import_busybox()
        return subprocess.call(host.inside(*(command or ["bash", "-l"])))


def sweep() -> int:
    """Remove the hosts and the bare daemons of dead runs, and name them."""
    for name in (*leftovers.sweep(), *baredaemon.sweep()):
        say(f"removed {name}")
    return 0


def soaked(words: list[str]) -> int:
    """Run the soak: 1 when the watchdog acted."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab soak")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("suite", nargs="?", default="trixie", choices=tree.SUITES)
    told = parser.parse_args(words)
    return 0 if soak.soak(told.suite, told.minutes, say) else 1


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(words: list[str]) -> int:
    """Do what the command line asks."""
    match words:
        case ["build", *names] if set(names) <= set(tree.SUITES):
            return build(names)
        case ["shell", name, *command] if name in tree.SUITES:
            return shell(name, command)
        case ["soak", *rest]:
            return soaked(rest)
        case ["missing"]:
            sys.stdout.write(" ".join(sources.missing()) + "\n")
            return 0
        case ["sweep"]:
            return sweep()
    say(__doc__ or "")
    return 64


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (sources.LabUnavailableError, leftovers.LabError) as why:
        sys.exit(f"{why}")
