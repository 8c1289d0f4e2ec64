"""A real incident tells what the stacks of its daemon waited for, and its report and bundle too."""

from __future__ import annotations

import time

from tests.lab import faults
from tests.lab.watchdog import Watchdog


def test_the_incident_of_a_stuck_container_names_the_lock_its_holder_and_the_container(
    watchdog: Watchdog,
) -> None:
    host = watchdog.host
    host.start_container("web")
    host.start_container("other")
    began = time.time()
    with faults.stuck_container(host, "web"):
        for _ in range(3):
            host.spawn("docker", "inspect", "web")
        incident = watchdog.wait_closed(began, "container-stuck")
    note = incident.attempts[0].note
    assert incident.attempts[0].rung == "dump-stacks"
    assert "wait for a lock" in note
    assert "killWithSignal, which waits for containerd's answer" in note
    assert "(the container that hangs: web)" in note
    (dump,) = [path for path in incident.attempts[0].evidence if "goroutine-stacks" in path]
    told = host.run("dockerdoctor", "explain", dump).stdout
    assert "dockerd, " in told
    host.run("dockerdoctor", "incidents", "report", incident.id, "--html", "/tmp/page.html")
    page = host.outside("/tmp/page.html").read_text()
    assert page.count("<svg") == 3
    assert "killWithSignal" in page
    assert "1 incident" in host.run("dockerdoctor", "incidents", "stats").stdout
