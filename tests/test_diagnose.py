"""`diagnose`: the way through the tree, and the causes in the order of their evidence."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest
from msgspec.structs import replace

from dockerdoctor.around import Knowledge
from dockerdoctor.cli.diagnosejson import DiagnosisJson, diagnosis_json
from dockerdoctor.cli.diagnosetext import path, text
from dockerdoctor.cli.diagnosing import diagnose
from dockerdoctor.cli.diagnosis import Cause, Diagnosis
from dockerdoctor.cli.report import EXIT, State
from dockerdoctor.cli.symptoms import ABOUT, BY_HAND, Grade, Symptom, branch_of, grade_of
from dockerdoctor.config import Config, WatchConfig
from dockerdoctor.declare import Check, load
from dockerdoctor.errors import HostFault
from dockerdoctor.host.address import for_watchdog, parse
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.traces import JournalTally
from dockerdoctor.model import Attempt, Fault, Impact, Incident, Instant, Outcome, Process, Severity
from dockerdoctor.store import Store
from tests.clirun import dockerdoctor, write_config
from tests.fakehost import BEGAN, FakeHost, disk_use
from tests.looks import settled
from tests.story import RULES
from tests.values import PROBES, READINGS, RUNGS

KNOWN = Knowledge(PROBES, RUNGS, RULES)
BY_NAME = {rule.name: rule for rule in RULES}


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return settled(tmp_path)


def config(directory: Path) -> Config:
    watch = WatchConfig(state_dir=directory / "state", run_dir=directory / "run")
    return Config(rules_dirs=(), watch=watch)


def walk(host: FakeHost, directory: Path, symptom: Symptom | None = None) -> Diagnosis:
    settings = config(directory)
    return diagnose(host, for_watchdog(settings.daemon.host), settings, KNOWN, symptom)


def printed(told: Diagnosis, columns: int | None = None) -> str:
    return text(told, READINGS, lambda wall: f"T{wall - BEGAN.wall:.0f}", columns)


def names(told: Diagnosis) -> list[str]:
    return [each.rule for each in told.causes]


def failed(host: FakeHost, cause: str = "", said: str = "") -> None:
    """It does not start; `cause` and `said` are what the journal tells of it."""
    for _ in range(4):
        host.crash()
        host.advance(2.5)
    assert host.dockerd.active == "failed"
    host.tidings = JournalTally(True, 9, {}, {}, {}, said, cause)


def test_a_host_that_is_well_has_no_cause(host: FakeHost, tmp_path: Path) -> None:
    told = walk(host, tmp_path)
    assert (told.state, told.causes) == (State.OK, ())
    said = printed(told)
    assert said.startswith("OK: answers in 2 ms")
    assert "[ok] unit: active/running" in said
    assert "[ok] also looked at: configuration and start, hang" in said
    assert "No cause was found" in said


def test_a_frozen_daemon_is_a_hang_and_what_holds_it_is_the_cause(
    host: FakeHost, tmp_path: Path
) -> None:
    host.dockerd_process.frozen = True
    told = walk(host, tmp_path)
    first = told.causes[0]
    assert (first.rule, first.grade, first.branch) == (
        "daemon-unresponsive",
        Grade.SEEN,
        Symptom.HANG,
    )
    assert first.says.startswith("dockerd's cgroup is frozen: ")
    said = printed(told)
    assert said.startswith("CRITICAL: dockerd runs and does not answer (timeout)\n")
    assert "[x] -> hang: dockerd's cgroup is frozen" in said
    assert (
        "    time    restart: 2 min by hand; systemd-kill: 5 min by hand; sigkill: 10 min" in said
    )
    assert "    next    dockerdoctor heal --plan" in said


def test_a_hang_without_a_seen_cause_is_a_symptom(host: FakeHost, tmp_path: Path) -> None:
    host.dockerd_process.hung = True
    assert walk(host, tmp_path).causes[0].grade is Grade.FOLLOWS


def test_a_full_disk_goes_before_the_hang_it_brings_about(host: FakeHost, tmp_path: Path) -> None:
    host.dockerd_process.hung = True
    root = Path("/var/lib/docker")
    host.disks[root] = disk_use(root, 0.999)
    told = walk(host, tmp_path)
    assert names(told) == ["disk-full", "daemon-unresponsive", "disk-high"]
    rungs = [time.remedy for time in told.causes[1].times]
    assert "restart" not in rungs  # it cannot help on a full disk


def test_a_warning_goes_before_a_hang_only_where_it_may_be_behind_it(
    host: FakeHost, tmp_path: Path
) -> None:
    host.dockerd_process.hung = True
    host.closeup.daemon_json("{")  # of the next start
    root = Path("/var/lib/docker")
    host.disks[root] = disk_use(root, 0.86)
    host.tidings = JournalTally(True, 9, {"port_foreign": 9})
    told = walk(host, tmp_path)
    assert names(told)[0] == "daemon-unresponsive"
    assert set(names(told)[1:3]) == {"disk-high", "bad-daemon-json"}
    assert names(told)[-1] == "port-foreign"
    host.kernel_log = replace(host.kernel_log, silent_nfs="filer")
    assert names(walk(host, tmp_path))[0] == "nfs-silent"


def test_the_line_of_a_bad_daemon_json_makes_the_rule_exact(host: FakeHost, tmp_path: Path) -> None:
    failed(host, "bad_config", "unable to configure the Docker daemon with file ...")
    host.closeup.daemon_json('{\n "a": 1,\n:}')
    told = walk(host, tmp_path)
    first, second = told.causes[:2]
    assert (first.rule, first.grade) == ("bad-daemon-json", Grade.SEEN)
    assert "line 3, column 1" in first.clues[0]
    assert first.remedy == BY_NAME["bad-daemon-json"].remedy
    assert first.next == "sudoedit /etc/docker/daemon.json"
    assert second.rule == "daemon-down"
    assert "    seen    /etc/docker/daemon.json: line 3" in printed(told)


def test_a_mistake_that_was_mended_goes_last_and_the_start_limit_first(
    host: FakeHost, tmp_path: Path
) -> None:
    failed(host, "bad_config", "unable to configure the Docker daemon with file ...")
    told = walk(host, tmp_path)
    assert names(told)[0] == "daemon-down"
    assert "the start limit was hit" in told.causes[0].clues[0]
    assert told.causes[0].next.startswith("systemctl reset-failed")
    assert names(told)[-1] == "bad-daemon-json"
    assert told.causes[-1].grade is Grade.AGAINST
    assert "(told, but mended since)" in printed(told)


def test_who_may_not_ask_learns_who_may(host: FakeHost, tmp_path: Path) -> None:
    host.faults["ping"] = HostFault(Fault.DENIED, "no permission on /var/run/docker.sock")
    host.closeup.is_called_by("ann", "ann")
    told = walk(host, tmp_path)
    assert told.state is State.UNKNOWN
    assert names(told) == ["socket-permission"]
    said = printed(told)
    assert said.startswith("UNKNOWN: no permission on /var/run/docker.sock\n")
    assert "means root" in said


def test_what_a_check_finds_on_a_host_that_is_well_is_the_verdict(
    host: FakeHost, tmp_path: Path
) -> None:
    host.closeup.daemon_json("{")
    told = walk(host, tmp_path)
    assert told.state is State.WARNING
    assert told.says.startswith("/etc/docker/daemon.json: line 1")


def test_a_symptom_begins_in_the_middle(host: FakeHost, tmp_path: Path) -> None:
    host.dockerd_process.frozen = True
    host.closeup.files[Path("/etc/resolv.conf")] = b""
    told = walk(host, tmp_path, Symptom.NETWORK)
    assert told.causes[0].rule == "dns-upstream"
    assert [step.name for step in path(told)] == ["-> network"]
    quiet = walk(host, tmp_path, Symptom.DISK)
    assert [(step.name, step.says) for step in path(quiet)] == [
        ("-> disk space", ("nothing found",))
    ]
    assert quiet.causes[0].rule == "daemon-unresponsive"


def test_nothing_under_a_symptom_points_to_the_whole_tree(host: FakeHost, tmp_path: Path) -> None:
    said = printed(walk(host, tmp_path, Symptom.MEMORY))
    assert "No cause was found under memory and speed" in said
    assert "`dockerdoctor diagnose`" in said


def test_the_last_serious_words_of_the_journal_are_told_once(
    host: FakeHost, tmp_path: Path
) -> None:
    host.journals[Service.DOCKERD] = [
        'time="x" level=info msg="all is well"',
        *['time="x" level=error msg="it hurts"'] * 5,
        'time="x" level=warning msg="Your kernel does not support cgroup blkio weight"',
        'time="x" level=warning msg="failed to load container" error="EOF"',
    ]
    told = walk(host, tmp_path)
    assert told.journal == ("it hurts", "failed to load container: EOF")
    assert "[!] journal: it hurts\n    failed to load container: EOF\n" in printed(told)


def test_what_could_not_be_seen_is_said(host: FakeHost, tmp_path: Path) -> None:
    host.faults["survey"] = HostFault(Fault.DENIED, "cannot look into /var/lib/docker")
    host.faults["journal"] = HostFault(Fault.TIMEOUT, "it hangs")
    told = walk(host, tmp_path)
    assert [(each.probe, each.fault) for each in told.unseen] == [("storage", Fault.DENIED)]
    assert "[?] journal: cannot be seen" in printed(told)
    said = printed(told)
    assert "[?] storage: not seen: cannot look into /var/lib/docker" in said
    assert "disk space, network, memory and speed: nothing found" in said


def test_somebody_elses_upgrade_is_a_reason_to_wait(host: FakeHost, tmp_path: Path) -> None:
    host.installer = "apt-get (pid 12)"
    assert walk(host, tmp_path).holds == ()
    host.dockerd_process.hung = True
    told = walk(host, tmp_path)
    assert "[!] wait: apt-get (pid 12) installs packages" in printed(told)


def test_another_daemons_host_is_not_examined(host: FakeHost, tmp_path: Path) -> None:
    host.closeup.entries.clear()
    settings = config(tmp_path)
    told = diagnose(host, parse("tcp://192.0.2.7:2376"), settings, KNOWN, None)
    assert told.causes == ()
    assert "only the API of" in printed(told)


def kept(directory: Path, *took_s: float) -> None:
    """A record in which sigkill has cured a hang, each time after so long."""
    store = Store.open(config(directory).watch.record, Instant(0.0, 0.0))
    for number, took in enumerate(took_s):
        begin = BEGAN.wall - 1000 * (number + 1)
        ident = f"i{number}"
        incident = Incident(ident, begin, "daemon-unresponsive", "it hung", Severity.CRITICAL)
        store.open_incident(incident)
        attempt = Attempt("sigkill", begin, Impact.DAEMON)
        store.began(ident, attempt)
        store.ended(ident, replace(attempt, ended=begin + took, cured=True))
        store.close(ident, begin + took, Outcome.CURED, "cured")
    store.shut()


def test_our_own_time_on_this_host_stands_beside_that_by_hand(
    host: FakeHost, tmp_path: Path
) -> None:
    kept(tmp_path, 10.0, 12.0, 14.0)
    host.dockerd_process.frozen = True
    told = walk(host, tmp_path)
    assert "sigkill: 10 min by hand, 12 s by dockerdoctor here (3 cures)" in " ".join(
        printed(told).split()
    )


@pytest.mark.parametrize("broken", ["well", "frozen", "down", "blind", "full"])
def test_json_has_the_shape_that_it_says(host: FakeHost, tmp_path: Path, broken: str) -> None:
    if broken == "frozen":
        host.dockerd_process.frozen = True
    if broken == "down":
        failed(host, "bad_config", "unable to configure")
    if broken == "blind":
        host.faults["service"] = HostFault(Fault.TIMEOUT, "too late")
    if broken == "full":
        host.disks[Path("/var/lib/docker")] = disk_use(Path("/var/lib/docker"), 0.999)
    told = walk(host, tmp_path)
    raw = diagnosis_json(told)
    jsonschema.Draft202012Validator(msgspec.json.schema(DiagnosisJson)).validate(json.loads(raw))
    said = json.loads(raw)
    assert said["schema_version"] == 1
    assert said["exit_code"] == EXIT[told.state]
    assert [each["rule"] for each in said["causes"]] == names(told)


def test_the_text_fits_eighty_columns(host: FakeHost, tmp_path: Path) -> None:
    host.dockerd_process.tracer = Process(77, 7, "gdb")
    host.closeup.is_called_by("ann", "ann")
    host.closeup.daemon_json('{"a": ' + "1" * 300)
    host.faults["survey"] = HostFault(Fault.DENIED, "cannot look " + "a long way " * 20)
    host.journals[Service.DOCKERD] = [f'time="x" level=error msg="{"it hurts so " * 30}"']
    lines = printed(walk(host, tmp_path), 80).splitlines()
    assert max(map(len, lines)) <= 80, [line for line in lines if len(line) > 80]


def test_every_shipped_rule_has_a_branch_and_a_grade() -> None:
    for rule in RULES:
        assert branch_of(rule.name, rule) in ABOUT
        assert grade_of(rule) is not Grade.AGAINST
    assert branch_of("disk-full", BY_NAME["disk-full"]) is Symptom.DISK
    assert branch_of("daemon-down", BY_NAME["daemon-down"]) is Symptom.START
    assert branch_of("socket-slow", BY_NAME["socket-slow"]) is Symptom.MEMORY
    assert branch_of("bad-daemon-json", BY_NAME["bad-daemon-json"]) is Symptom.START
    assert branch_of("netdev-leak", BY_NAME["netdev-leak"]) is Symptom.NETWORK
    assert branch_of("container-unreadable", BY_NAME["container-unreadable"]) is Symptom.STORAGE


def test_each_check_belongs_to_a_branch_and_each_branch_has_a_time_by_hand() -> None:
    for check in load("dockerdoctor.checks", Check).values():
        assert Symptom(check.symptom) in BY_HAND


def test_a_cause_that_nobody_can_name_still_has_its_place(host: FakeHost, tmp_path: Path) -> None:
    host.units[Service.SOCKET].active = "inactive"
    host.faults["ping"] = HostFault(Fault.MISSING, "there is no socket")
    host.closeup.entries.clear()
    told = walk(host, tmp_path)
    assert names(told)[0] == "socket-missing"
    assert isinstance(told.causes[0], Cause)


def test_a_wrong_symptom_names_the_right_ones(tmp_path: Path) -> None:
    ran = dockerdoctor("diagnose", "--symptom", "toothache", config=write_config(tmp_path))
    assert ran.code == 3
    assert "'memory'" in ran.err


def test_where_no_daemon_is_it_says_so_and_does_not_fail(tmp_path: Path) -> None:
    ran = dockerdoctor("diagnose", config=write_config(tmp_path))
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("WARNING: ")
    assert "The way through the tree" in ran.out
    told = json.loads(dockerdoctor("diagnose", "--json", config=write_config(tmp_path)).out)
    assert told["state"] == "warning"
