"""dockerdoctor as a real service of a lab host, and its record as the outer machine reads it.

In: a host booted with `product=True`. Out: a unit that runs, is killed and is configured as a test
wants; its incidents as values, its log as lines. The state directory lies on the share, so that the
outer machine opens the same files, locks included.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from dockerdoctor.config import Config
from dockerdoctor.host.nouns import Container
from dockerdoctor.model import Attempt, Incident, Outcome
from dockerdoctor.record import Record
from dockerdoctor.service import UNIT, unit_text
from tests.lab import boot
from tests.lab.host import LabHost
from tests.lab.product import VENV

UNIT_FILE = f"/etc/systemd/system/{UNIT}"
CONFIG = "/etc/dockerdoctor/dockerdoctor.toml"
RULES = "/etc/dockerdoctor/rules.d/lab.toml"
STATE = "/var/lib/dockerdoctor"
PROGRAM = (f"{VENV}/bin/python", "-I", "-m", "dockerdoctor.daemon")
COMMAND = f"{VENV}/bin/dockerdoctor"
FED = "WatchdogTimestampMonotonic"
STATUS = "StatusText"
METRICS = "http://127.0.0.1:10073/metrics"
WAIT_S = 180.0
"""For anything that the watchdog does by itself, on a machine that is busy with something else."""

CHECK_S = 60.0

OVERLAP_S = 4.0
"""A ping that was under way when a fault began is the first to show it, and its incident is as old
as that ping."""

POLICY = """[policy]
cooldown = "5s"
window = "10s"
max_climbs = 100
"""
"""So that several incidents can share a host: they are minutes apart in real life."""


class Watchdog:
    """dockerdoctor.service on a host, by the unit that the product ships; not started yet."""

    def __init__(self, host: LabHost) -> None:
        """Write the unit, and put the state directory where the outer machine can read it."""
        self.host = host
        self.state = host.dir / "share" / "state"
        self.state.mkdir()
        host.run("mkdir", "-p", STATE)
        host.run("mount", "--bind", f"{boot.SHARE}/state", STATE)
        host.put(UNIT_FILE, unit_text(Config(), Path(PROGRAM[0])))
        host.systemctl("daemon-reload")

    @property
    def record(self) -> Record:
        """What it wrote down."""
        return Record(self.state / "record.sqlite")

    def configure(self, text: str = POLICY, rules: str = "") -> None:
        """Write its configuration and the operator's rules; a running one does not know of it."""
        self.host.put(CONFIG, text)
        self.host.put(RULES, rules)

    def begin(self, text: str = POLICY, rules: str = "") -> None:
        """Start it as on its first day: nothing on record, and so configured."""
        self.stop()
        for left in self.state.iterdir():  # it is mounted: emptied, not replaced
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        self.configure(text, rules)
        self.start()

    def start(self) -> None:
        """Start it, and wait for its first look."""
        self.host.systemctl("reset-failed", UNIT, check=False)
        self.host.systemctl("start", UNIT, timeout=WAIT_S)

    def stop(self) -> None:
        """Stop it; a climb is ended first."""
        self.host.systemctl("stop", UNIT, timeout=WAIT_S)

    def kill(self) -> None:
        """SIGKILL, as fast as can be; systemd starts it again unless the unit was told not to."""
        process = os.pidfd_open(self.host.main_pid(UNIT))
        signal.pidfd_send_signal(process, signal.SIGKILL)
        os.close(process)

    def log(self, since: float = 0.0) -> list[str]:
        """Its sentences since then (wall clock, s)."""
        asked = ("-o", "cat", "--no-pager", "-u", UNIT, "--since", f"@{since:.6f}")
        return self.host.run("journalctl", *asked).stdout.splitlines()

    def incidents(self, since: float, rule: str = "") -> list[Incident]:
        """Those that were opened since then, oldest first; of one rule, or of all."""
        began = since - OVERLAP_S
        found = self.record.incidents()[::-1]
        return [each for each in found if each.opened >= began and rule in ("", each.rule)]

    def acts(self, since: float) -> list[str]:
        """The rungs that were climbed since then, those that only keep evidence left out."""
        return [
            attempt.rung
            for incident in self.record.incidents()[::-1]
            for attempt in incident.attempts
            if attempt.began >= since and not attempt.skipped and attempt.rung != "dump-stacks"
        ]

    def wait_for(
        self, since: float, rule: str, condition: Callable[[Incident], object]
    ) -> Incident:
        """The incident of this rule opened since then, once the condition holds for it."""
        found: list[Incident] = []

        def there() -> bool:
            found[:] = [each for each in self.incidents(since, rule) if condition(each)]
            return bool(found)

        try:
            self.host.wait(there, WAIT_S, f"the record of {rule}")
        except Exception as error:
            error.add_note("\n".join(self.log(since)))
            raise
        return found[0]

    def wait_closed(self, since: float, rule: str) -> Incident:
        """The incident of this rule opened since then, once it is closed."""
        return self.wait_for(since, rule, lambda incident: incident.closed is not None)

    def wait_said(self, since: float, words: str) -> str:
        """The first sentence since then that has these words, once it is said."""

        def said() -> str:
            return next((line for line in self.log(since) if words in line), "")

        self.host.wait(said, WAIT_S, f"“{words}” to be said")
        return said()

    def wait_says(self, words: str) -> None:
        """Until the sentence of its last look has these words; the log only tells what is new."""
        self.host.wait(
            lambda: words in self.host.show(UNIT, STATUS)[STATUS],
            WAIT_S,
            f"“{words}” to be its word",
        )

    def metric(self, name: str) -> float:
        """A metric without labels, as it is served now."""
        fetch = f"import urllib.request as u; print(u.urlopen('{METRICS}').read().decode())"
        lines = self.host.run(PROGRAM[0], "-c", fetch).stdout.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def wait_known(self, *names: str) -> None:
        """Wait until it has on record that these containers run, and whether they come back."""

        def known() -> bool:
            roster = self.record.recall("running", tuple[Container, ...]) or ()
            return {each.name for each in roster if each.inspected} >= set(names)

        self.host.wait(known, WAIT_S, f"{', '.join(names)} to be on record")

    def watch_for(self, seconds: float) -> None:
        """Let it look for so long, s, and make sure that it does: each look feeds systemd."""
        began = time.time()
        self.host.wait(lambda: time.time() - began >= seconds, WAIT_S + seconds, "time to pass")
        fed = self._fed()
        self.host.wait(lambda: self._fed() != fed, WAIT_S, "it to go on looking")

    def _fed(self) -> str:
        """When it was that its unit heard of a look."""
        return self.host.show(UNIT, FED)[FED]


def found(host: LabHost) -> Mapping[str, str]:
    """What `check` finds now: rules, with what each says."""
    told = host.run(COMMAND, "check", "--json", check=False, timeout=CHECK_S).stdout
    return {finding["rule"]: finding["says"] for finding in json.loads(told)["findings"]}


def wait_found(host: LabHost, rule: str) -> str:
    """Wait until `check` finds it; returns what it says."""
    host.wait(lambda: rule in found(host), WAIT_S, f"check to find {rule}")
    return found(host)[rule]


def rungs(incident: Incident) -> list[str]:
    """What was climbed, in order; `(name)` was passed over."""
    return [_shown(attempt) for attempt in incident.attempts]


def climbed(incident: Incident) -> list[str]:
    """The same without those that were passed over."""
    return [attempt.rung for attempt in incident.attempts if not attempt.skipped]


def _shown(attempt: Attempt) -> str:
    return f"({attempt.rung})" if attempt.skipped else attempt.rung


def has_given_up(incident: Incident) -> bool:
    """Whether it was left to people; whether it is over is another question."""
    return incident.outcome is Outcome.GAVE_UP


def note(incident: Incident, rung: str) -> str:
    """What an attempt says of itself."""
    return next(attempt.note for attempt in incident.attempts if attempt.rung == rung)


def vitals(host: LabHost, *units: str) -> Mapping[str, str]:
    """Who runs now: main process and automatic restarts of docker.service or the units named."""
    told = {}
    for unit in units or ("docker.service",):
        for name, value in host.show(unit, "MainPID", "NRestarts", "InvocationID").items():
            told[f"{unit} {name}"] = value
    return told


def volume_file(host: LabHost, volume: str, name: str) -> Path:
    """A file in a named volume, by its outer path."""
    return host.outside(f"/var/lib/docker/volumes/{volume}/_data/{name}")
