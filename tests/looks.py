"""One look at a fake host, as the commands take it."""

from __future__ import annotations

from pathlib import Path

from dockerdoctor.cli.examine import STREAMED
from dockerdoctor.cli.report import Looked
from dockerdoctor.glance import glance
from dockerdoctor.host.nouns import Service
from tests.fakehost import FakeHost
from tests.story import RULES, SETTLED_S
from tests.values import PROBES, READINGS

ADDRESS = "unix:///var/run/docker.sock"
UNITS = ("docker.service", "docker.socket")


def settled(directory: Path, bare: bool = False) -> FakeHost:
    """A host that has been up for a while."""
    host = FakeHost(directory, bare)
    host.advance(SETTLED_S)
    return host


def look(host: FakeHost) -> Looked:
    """What `check` sees of it."""
    samples = glance([PROBES[name] for name in PROBES if name not in STREAMED], host)
    running = tuple(each for each in host.roster() if each.state == "running")
    now, journal = host.now(), tuple(host.journals.get(Service.DOCKERD, ()))
    return Looked(samples, RULES, READINGS, now, ADDRESS, True, UNITS, running, journal)
