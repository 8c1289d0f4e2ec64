"""The commands on broken hosts, as a person types them: the cause in the first lines, the cure."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dockerdoctor.service import SURVEY, TIMER, UNIT
from tests.lab import faults
from tests.lab.conftest import Booted
from tests.lab.host import LabHost
from tests.lab.product import VENV

PROGRAM = f"{VENV}/bin/dockerdoctor"
STATE = "/var/lib/dockerdoctor"
WAIT_S = 180.0
IN_TIME_S = 60.0
"""The promise is 10 s; this machine may be busy with something else."""
CLOSED_TERMINAL = f"""
import os, pty
pid, fd = pty.fork()
if pid == 0:
    os.execv("{PROGRAM}", ["dockerdoctor", "heal", "--yes"])
said = b""
while b"climb sigkill" not in said:
    said += os.read(fd, 4096)
os.close(fd)
os.waitpid(pid, 0)
"""

ON_ONE_SUITE = True
"""The command line is the same on every suite."""


@pytest.fixture(scope="module")
def shared(lab: None, suite: str) -> Iterator[LabHost]:
    """A host with dockerdoctor installed, and no watchdog."""
    with LabHost(suite, product=True) as booted:
        booted.import_busybox()
        yield booted


@pytest.fixture
def seat(shared: LabHost) -> LabHost:
    """The same, well and with nothing on record."""
    shared.settle()
    shared.run("rm", "-rf", STATE)
    return shared


def ask(host: LabHost, *words: str, timeout: float = IN_TIME_S) -> tuple[int, str, str]:
    """A command's exit code and its two streams. One that hangs fails here."""
    ran = host.run(PROGRAM, *words, check=False, timeout=timeout)
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode, ran.stdout, ran.stderr


def test_a_host_that_is_well_is_ok_in_text_json_and_for_nagios(seat: LabHost) -> None:
    code, said, complained = ask(seat)
    assert (code, complained) == (0, "")
    assert said.startswith("OK: answers in ")
    for vital in ("ping", "unit", "process", "disk", "containerd", "api"):
        assert f"[ok] {vital}: " in said
    told = json.loads(ask(seat, "check", "--json")[1])
    assert (told["state"], told["findings"], told["unseen"]) == ("ok", [], [])
    assert ask(seat, "check", "-o", "nagios")[1].startswith("DOCKERD OK - answers in ")
    assert "nothing to heal" in ask(seat, "heal", "--plan")[1]


def test_a_frozen_daemon_and_its_cause_are_on_the_screen_in_time(seat: LabHost) -> None:
    with faults.frozen(seat):
        code, said, _ = ask(seat)
        assert code == 2
        assert said.startswith("CRITICAL: dockerd runs and does not answer (timeout)\n")
        assert "    cause   dockerd's cgroup is frozen\n" in said
        assert "    next    dockerdoctor heal --plan\n" in said


def test_a_debugger_is_named_and_the_plan_passes_over_what_would_not_help(seat: LabHost) -> None:
    with faults.traced(seat) as gdb:
        code, said, _ = ask(seat)
        assert code == 2
        assert f"    cause   dockerd is held by gdb (pid {gdb})\n" in said
        plan = ask(seat, "heal", "--plan")[1]
        assert f"-  sigkill: passed over: dockerd is held by gdb (pid {gdb})" in plan
        assert "Nothing is stopped." in plan


def test_a_hung_containerd_is_not_blamed_on_dockerd(seat: LabHost) -> None:
    with faults.stopped_unit(seat, "containerd.service"):
        code, said, _ = ask(seat)
        assert code == 2
        assert said.startswith("CRITICAL: containerd does not answer (timeout), dockerd does\n")
        assert "    avoid   restarting dockerd" in said
        plan = ask(seat, "heal", "--plan")[1]
        assert "restart-containerd" in plan
        assert "sigkill" not in plan


def test_a_broken_configuration_is_named_as_the_cause(seat: LabHost) -> None:
    with faults.bad_daemon_json(seat):
        code, said, _ = ask(seat)
        assert code == 2
        assert said.startswith("CRITICAL: docker.service is down and nobody stopped it")
        cause = next(line for line in said.splitlines() if line.startswith("    cause   "))
        assert "daemon.json" in cause


def test_what_an_operator_stopped_is_a_warning_and_is_not_woken_by_looking(seat: LabHost) -> None:
    seat.systemctl("stop", "docker.service", timeout=WAIT_S)
    code, said, _ = ask(seat)
    assert code == 1
    assert said.startswith("WARNING: docker.service was stopped on purpose")
    assert ask(seat, "heal", "--yes")[0] == 1
    assert faults.state(seat) == "inactive"


def test_a_user_without_permission_learns_who_may(seat: LabHost) -> None:
    ran = seat.run("runuser", "-u", "nobody", "--", PROGRAM, check=False)
    assert ran.returncode == 3
    assert ran.stdout.startswith("UNKNOWN: no permission on /var/run/docker.sock\n")
    assert "group docker" in ran.stdout
    ran = seat.run("runuser", "-u", "nobody", "--", PROGRAM, "heal", "--yes", check=False)
    assert (ran.returncode, ran.stdout) == (77, "")


def test_a_full_disk_comes_first(boot: Booted) -> None:
    host = boot(product=True, data_root_mb=300)
    with faults.full_data_root(host):
        code, said, _ = ask(host)
        assert code == 2
        assert said.startswith("CRITICAL: the data-root is ")
        assert "disk-full" in said


def test_a_frozen_daemon_is_healed_by_hand_and_the_story_is_told(seat: LabHost) -> None:
    with faults.frozen(seat):
        code, said, progress = ask(seat, "heal", "--yes", timeout=WAIT_S)
    assert code == 0
    assert said.startswith("CURED: dockerd runs and does not answer (timeout)\n")
    assert "passed over systemd-kill: dockerd has not even taken its SIGTERM" in progress
    assert ask(seat)[0] == 0
    told = json.loads(ask(seat, "incidents", "--json")[1])["incidents"]
    assert [each["outcome"] for each in told] == ["cured"]
    assert seat.run("ls", *told[0]["attempts"][0]["evidence"]).returncode == 0


def test_a_climb_goes_on_when_its_terminal_goes_away(seat: LabHost) -> None:
    with faults.frozen(seat):
        seat.run("python3", "-c", CLOSED_TERMINAL, timeout=WAIT_S)
    story = ask(seat, "incidents", "show", "2")[1]
    assert story.startswith("CURED: "), story


def test_a_watchdog_keeps_its_turn_until_it_is_paused(seat: LabHost) -> None:
    assert ask(seat, "service", "install", "--enable")[0] == 0
    try:
        seat.wait(lambda: "watchdog: runs (pid " in ask(seat)[1], WAIT_S, "the watchdog to run")
        code, _, busy = ask(seat, "heal", "--yes")
        assert code == 75
        assert "the watchdog (pid " in busy
        assert ask(seat, "pause", "--for", "1h", "--why", "I do it myself")[0] == 0
        with faults.frozen(seat):
            seat.wait(
                lambda: "no act until" in ask(seat)[1] and _turn_is_free(seat),
                WAIT_S,
                "the watchdog to let go",
            )
            code, said, _ = ask(seat, "heal", "--yes", timeout=WAIT_S)
        assert code == 0
        assert said.startswith("CURED: ")
        assert ask(seat, "resume")[0] == 0
        seat.wait(lambda: not _turn_is_free(seat), WAIT_S, "the watchdog to take its turn")
    finally:
        seat.systemctl("disable", "--now", UNIT, TIMER, timeout=WAIT_S)


def test_the_daily_survey_waits_for_its_hour_and_tells_what_eats_the_disk(seat: LabHost) -> None:
    assert ask(seat, "service", "install", "--enable")[0] == 0
    try:
        assert seat.show(TIMER, "SubState")["SubState"] == "waiting"
        seat.systemctl("start", SURVEY, timeout=WAIT_S)
        told = json.loads(seat.read(f"{STATE}/eaten.json"))
        assert told["bytes"]["images"] > 0
    finally:
        seat.systemctl("disable", "--now", UNIT, TIMER, timeout=WAIT_S)


def _turn_is_free(host: LabHost) -> bool:
    """Whether nobody may act now, as the kernel tells it."""
    inode = host.run("stat", "-c", "%i", "/run/dockerdoctor/act.lock", check=False).stdout.strip()
    return not inode or f":{inode} " not in host.read("/proc/locks")
