"""The commands on broken hosts, as a person types them: the cause in the first lines, the cure."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator

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
RANKED = re.compile(r"^\[[^]]+\] \d+\. ([a-z-]+): ", re.MULTILINE)
"""The names of the causes in the text of `diagnose`."""
Measured = Callable[[str, object], None]
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


def diagnosed(host: LabHost, *words: str) -> tuple[str, list[str], str]:
    """The first line of `diagnose`, the causes as it ranks them, and all that it says."""
    _, said, complained = ask(host, "diagnose", *words)
    assert complained == ""
    return said.partition("\n")[0], RANKED.findall(said), said


def cause(said: str, number: int = 1) -> str:
    """All lines of one cause of a diagnosis, as one."""
    begin = said.index(f" {number}. ")
    lines = said[begin:].splitlines()
    end = next((n for n, line in enumerate(lines) if n and line.startswith("[")), len(lines))
    return " ".join(" ".join(lines[:end]).split())


def seconds(measured: Measured, host: LabHost, what: str, *words: str) -> None:
    """Measure, for people to read, how long a command takes from its start to its last line."""
    began = time.monotonic()
    ask(host, *words)
    measured(f"{what}_s", f"{time.monotonic() - began:.2f}")


def test_a_host_that_is_well_is_ok_in_text_json_and_for_nagios(
    seat: LabHost, record_property: Measured
) -> None:
    code, said, complained = ask(seat)
    assert (code, complained) == (0, "")
    assert said.startswith("OK: answers in ")
    for vital in ("ping", "unit", "process", "disk", "containerd", "api"):
        assert f"[ok] {vital}: " in said
    told = json.loads(ask(seat, "check", "--json")[1])
    assert (told["state"], told["findings"], told["unseen"]) == ("ok", [], [])
    assert ask(seat, "check", "-o", "nagios")[1].startswith("DOCKERD OK - answers in ")
    assert "nothing to heal" in ask(seat, "heal", "--plan")[1]
    first, causes, said = diagnosed(seat)
    assert first.startswith("OK: answers in "), said
    assert causes == []
    for station in ("unit", "disk", "vitals"):
        assert f"[ok] {station}: " in said
    seconds(record_property, seat, "check_of_a_well_host")
    seconds(record_property, seat, "diagnose_of_a_well_host", "diagnose")


def test_a_frozen_daemon_and_its_cause_are_on_the_screen_in_time(
    seat: LabHost, record_property: Measured
) -> None:
    with faults.frozen(seat):
        first, causes, whole = diagnosed(seat)
        assert first == "CRITICAL: dockerd runs and does not answer (timeout)"
        assert causes[0] == "daemon-unresponsive"
        assert "dockerd's cgroup is frozen: dockerd runs" in cause(whole)
        assert "(seen here and now)" in cause(whole)
        assert "sigkill: 10 min by hand" in cause(whole)
        assert "avoid prune, system df" in cause(whole)
        seconds(record_property, seat, "check_of_a_frozen_daemon")
        seconds(record_property, seat, "diagnose_of_a_frozen_daemon", "diagnose")
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
        first, causes, whole = diagnosed(seat)
        assert first == "CRITICAL: containerd does not answer (timeout), dockerd does"
        assert causes[0] == "containerd-hung"
        assert "remedy restart containerd" in cause(whole)
        plan = ask(seat, "heal", "--plan")[1]
        assert "restart-containerd" in plan
        assert "sigkill" not in plan


def test_a_broken_configuration_is_named_as_the_cause(seat: LabHost) -> None:
    with faults.bad_daemon_json(seat):
        code, said, _ = ask(seat)
        assert code == 2
        assert said.startswith("CRITICAL: docker.service is down and nobody stopped it")
        told = next(line for line in said.splitlines() if line.startswith("    cause   "))
        assert "daemon.json" in told
        first, causes, whole = diagnosed(seat)
        assert first.startswith("CRITICAL: docker.service is down and nobody stopped it")
        assert causes[:2] == ["bad-daemon-json", "daemon-down"], whole
        # Python up to 3.12 sees the mistake after the comma, a later one in it.
        assert re.search(r"seen /etc/docker/daemon.json: line [23], column ", cause(whole)), whole
        assert "next sudoedit /etc/docker/daemon.json" in cause(whole)


def test_a_flag_that_stands_against_daemon_json_is_named_with_its_file(seat: LabHost) -> None:
    with faults.flag_conflict(seat):
        _, causes, whole = diagnosed(seat, "--symptom", "start")
        assert causes[0] == "flag-and-file-conflict", whole
        assert "hosts (-H in " in cause(whole)
        assert "docker.service)" in cause(whole)


def test_a_start_limit_alone_is_told_and_an_emergency_forgives_it(seat: LabHost) -> None:
    with faults.start_limit_hit(seat):
        assert ask(seat)[1].startswith("CRITICAL: docker.service is down and nobody stopped it")
        first, causes, whole = diagnosed(seat)
        assert first.startswith("CRITICAL: docker.service is down and nobody stopped it")
        assert (causes[0], causes[-1]) == ("daemon-down", "bad-daemon-json"), whole
        assert "the start limit was hit" in cause(whole)
        assert "next systemctl reset-failed docker.service docker.socket" in cause(whole)
        assert "(told, but mended since)" in cause(whole, len(causes))
        code, said, _ = ask(seat, "heal", "--emergency", "--yes", timeout=WAIT_S)
        assert code == 0, said
        assert "its start limit forgiven" in said
    assert ask(seat)[0] == 0


def test_a_network_that_is_gone_is_seen_before_anybody_runs_into_it(seat: LabHost) -> None:
    with faults.flushed_firewall(seat):
        _, causes, whole = diagnosed(seat, "--symptom", "network")
        assert causes[0] == "firewall-flushed", whole
    with faults.no_bridge(seat):
        _, causes, whole = diagnosed(seat, "--symptom", "network")
        assert causes[0] == "bridge-gone", whole


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
    ran = seat.run("runuser", "-u", "nobody", "--", PROGRAM, "diagnose", check=False)
    assert ran.returncode == 3
    assert ran.stdout.startswith("UNKNOWN: no permission on /var/run/docker.sock\n")
    assert RANKED.findall(ran.stdout)[0] == "socket-permission", ran.stdout
    assert "not a member of the group docker" in cause(ran.stdout)
    assert "the group docker means root" in cause(ran.stdout)
    ran = seat.run("runuser", "-u", "nobody", "--", PROGRAM, "heal", "--yes", check=False)
    assert (ran.returncode, ran.stdout) == (77, "")


def test_a_full_disk_comes_first(boot: Booted) -> None:
    host = boot(product=True, data_root_mb=300)
    with faults.full_data_root(host):
        code, said, _ = ask(host)
        assert code == 2
        assert said.startswith("CRITICAL: the data-root is ")
        assert "disk-full" in said
        first, causes, whole = diagnosed(host)
        assert first.startswith("CRITICAL: the data-root is ")
        assert causes[0] == "disk-full", whole
        assert "avoid a restart" in cause(whole)


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


def test_an_emergency_kills_what_is_frozen_at_once_and_the_volumes_are_well(seat: LabHost) -> None:
    seat.docker("volume", "create", "kept")
    seat.start_container("keeper", "--restart", "always", "-v", "kept:/data")
    seat.docker("exec", "keeper", "sh", "-c", "echo precious >/data/it")
    with faults.frozen(seat):
        plan = ask(seat, "heal", "--emergency", "--plan")[1]
        assert "-  restart: passed over: dockerd's cgroup is frozen" in plan
        assert ". kill-all: costs its containers" in plan
        seat.systemctl("restart", "--no-block", "docker.service")  # as somebody did before
        code, said, progress = ask(seat, "heal", "--emergency", "--yes", timeout=WAIT_S)
    assert code == 0, progress
    assert "EMERGENCY: the shortest safe way back" in progress
    assert "sigkill: cured" in said
    assert "kill-all" not in said
    seat.wait(lambda: _runs(seat, "keeper"), WAIT_S, "the container to come back")
    with faults.frozen(seat):
        code, said, _ = ask(seat, "heal", "--only", "kill-all", "--yes", timeout=WAIT_S)
    assert code == 0, said
    assert "containerd-shim" in said
    seat.wait(lambda: _runs(seat, "keeper"), WAIT_S, "the container to come back")
    assert seat.docker("exec", "keeper", "cat", "/data/it").stdout == "precious\n"
    first, causes, _ = diagnosed(seat)
    assert (first.partition(":")[0], causes) == ("OK", [])
    with faults.frozen(seat):
        assert "by dockerdoctor here (1 cure)" in cause(diagnosed(seat)[2])
    seat.docker("rm", "--force", "--volumes", "keeper", timeout=WAIT_S)
    seat.docker("volume", "rm", "kept")


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
        assert ask(seat, "service", "uninstall", timeout=WAIT_S)[0] == 0
    for unit in (UNIT, TIMER, SURVEY):
        told = seat.show(unit, "LoadState,ActiveState")
        assert told == {"LoadState": "not-found", "ActiveState": "inactive"}
    assert json.loads(seat.read(f"{STATE}/eaten.json"))


# The last one: the journal tells of a lost container for an hour.


def test_corrupt_metadata_is_found_in_the_files_themselves(seat: LabHost) -> None:
    ident = seat.start_container("lost")
    with faults.garbled_container(seat, "lost"):
        told = ask(seat)[1]
        assert told.startswith("WARNING: dockerd has lost a container: it cannot read it"), told
        first, causes, whole = diagnosed(seat)
        assert first.startswith("WARNING: dockerd has lost a container: it cannot read it")
        assert causes[0] == "container-unreadable", whole
        assert f"seen 'containers/{ident[:12]}': its configuration cannot be read" in cause(whole)
        assert "avoid rm -rf while the daemon runs" in cause(whole)
    seat.docker("rm", "--force", "lost", timeout=WAIT_S)
    with faults.garbled_network_db(seat):
        _, causes, whole = diagnosed(seat, "--symptom", "storage")
        database = "/var/lib/docker/network/files/local-kv.db"
        assert "network-database-corrupt" in causes, whole
        assert f"{database} is no database" in " ".join(whole.split())
        assert f"mv {database} {database}.bad" in " ".join(whole.split())


def _runs(host: LabHost, name: str) -> bool:
    return name in host.docker("ps", "--format", "{{.Names}}").stdout.split()


def _turn_is_free(host: LabHost) -> bool:
    """Whether nobody may act now, as the kernel tells it."""
    inode = host.run("stat", "-c", "%i", "/run/dockerdoctor/act.lock", check=False).stdout.strip()
    return not inode or f":{inode} " not in host.read("/proc/locks")
