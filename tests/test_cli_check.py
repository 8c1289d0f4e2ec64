"""What one look means: the verdict, its reasons, and its three renderings."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dockerdoctor.cli.examine import examine
from dockerdoctor.cli.history import Watchdog, since_when
from dockerdoctor.cli.plain import wrap
from dockerdoctor.cli.report import EXIT, Found, Report, State, Unseen
from dockerdoctor.cli.reportjson import check_json
from dockerdoctor.cli.reporttext import nagios, text
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Place, Service
from dockerdoctor.model import Fault, Held, Incident, Outcome, Process, Severity
from tests.fakehost import disk_use
from tests.looks import look, settled
from tests.story import RULES
from tests.values import READINGS, at, sample

SHIPPED = Path(__file__).parents[1] / "dockerdoctor/shipped/schema/check.schema.json"


def clock(wall: float) -> str:
    return f"T{wall - 1_800_000_000:.0f}"


def names(report: Report) -> list[str]:
    return [found.rule for found in report.findings]


def printed(report: Report, columns: int | None = None) -> str:
    return text(report, READINGS, clock, columns)


def incident(rule: str = "daemon-unresponsive", outcome: Outcome = Outcome.OPEN) -> Incident:
    says = "dockerd runs and does not answer (timeout)"
    return Incident("20270115-x", 1_800_000_600.0, rule, says, Severity.CRITICAL, outcome=outcome)


# The verdict.


def test_a_daemon_that_is_well_is_ok_with_its_vitals_in_the_first_line(tmp_path: Path) -> None:
    report = examine(look(settled(tmp_path)), Watchdog())
    assert (report.state, EXIT[report.state], names(report)) == (State.OK, 0, [])
    first = printed(report).splitlines()[0]
    assert first.startswith("OK: answers in 2 ms, RSS 90 MiB, disk 50 %")


def test_a_hung_daemon_is_critical_at_the_first_look(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.dockerd_process.frozen = True
    report = examine(look(host), Watchdog())
    assert (report.state, names(report)) == (State.CRITICAL, ["daemon-unresponsive"])
    found = report.findings[0]
    assert found.cause == "dockerd's cgroup is frozen"
    assert found.avoid.startswith("prune")
    assert found.next == "dockerdoctor heal --plan"


def test_a_debugger_that_holds_the_daemon_is_named_as_the_cause(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.dockerd_process.tracer = Process(77, 7, "gdb")
    report = examine(look(host), Watchdog())
    assert "gdb (pid 77)" in report.findings[0].cause


def test_what_waits_behind_a_hung_daemon_is_not_told_as_unseen(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.dockerd_process.hung = True
    report = examine(look(host), Watchdog())
    assert report.unseen == ()


def test_a_daemon_that_an_operator_stopped_is_a_warning_and_stays_down(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.dockerd.stop()  # and not docker.socket, which would start it for whoever connects
    host.advance(60)
    report = examine(look(host), Watchdog())
    assert (report.state, names(report)) == (State.WARNING, ["stopped"])
    assert report.findings[0].next == "systemctl start docker.service docker.socket"
    assert host.ledger == []


@pytest.mark.parametrize(("answered", "found"), [(False, ["starting"]), (True, [])])
def test_a_daemon_that_starts_and_answers_already_is_well(
    tmp_path: Path, answered: bool, found: list[str]
) -> None:
    looked = look(settled(tmp_path))
    unit, ping = looked.samples["unit"], looked.samples["ping"]
    young = {"active_state": "activating", "since_start_s": 13.0}
    told = {"answered": answered, "why": "" if answered else "timeout"}
    seen = {
        "unit": replace(unit, readings={**unit.readings, **young}),
        "ping": replace(ping, readings={**ping.readings, **told}),
    }
    report = examine(replace(looked, samples={**looked.samples, **seen}), Watchdog())
    assert names(report) == found


def test_a_full_disk_beside_a_hang_is_told_too_and_the_worst_comes_first(tmp_path: Path) -> None:
    host = settled(tmp_path)
    path = host.all_places[Place.DATA_ROOT]
    host.disks[path] = disk_use(path, used_ratio=0.9)
    host.dockerd_process.frozen = True
    report = examine(look(host), Watchdog())
    assert names(report) == ["daemon-unresponsive", "disk-high"]
    assert report.findings[1].next == "dockerdoctor disk"


def test_a_containerd_that_hangs_is_not_taken_for_a_hung_dockerd(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.containerd_process.hung = True
    report = examine(look(host), Watchdog())
    assert names(report)[0] == "containerd-hung"


def test_without_systemds_answer_a_daemon_that_answers_is_unknown(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.faults["service"] = HostFault(Fault.TIMEOUT, "`systemctl show` did not end within 5 s")
    report = examine(look(host), Watchdog())
    assert report.state is State.UNKNOWN
    assert "`systemctl show` did not end" in report.says
    assert "[?] unit: not seen" in printed(report)


def test_a_host_without_that_unit_may_still_be_ok(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.faults["service"] = HostFault(Fault.MISSING, "there is no unit docker.service")
    report = examine(look(host), Watchdog())
    assert report.state is State.OK
    assert "[daemon] unit or pidfile" in printed(report)


def test_of_a_daemon_behind_tcp_that_is_silent_no_local_command_tells(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.faults["ping"] = HostFault(Fault.REFUSED, "nobody listens on tcp://192.0.2.1:2376")
    looked = replace(look(host), address="tcp://192.0.2.1:2376", whole=False, units=())
    samples = {"ping": looked.samples["ping"]}
    (found,) = examine(replace(looked, samples=samples), Watchdog()).findings
    assert found.next == "docker --host tcp://192.0.2.1:2376 version"


def test_without_permission_the_state_is_unknown_and_the_hint_says_who_may(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.faults["ping"] = HostFault(Fault.DENIED, "no permission for /var/run/docker.sock")
    report = examine(look(host), Watchdog())
    assert (report.state, report.says) == (State.UNKNOWN, "no permission for /var/run/docker.sock")
    assert "group docker" in printed(report)


def test_a_crashed_daemon_that_systemd_does_not_restart_is_critical(tmp_path: Path) -> None:
    host = settled(tmp_path)
    for _ in range(5):
        host.crash()
        host.advance(3)
    host.journals[Service.DOCKERD] = [
        "Starting up",
        "unable to configure the Docker daemon with file /etc/docker/daemon.json: invalid",
        "docker.service: Failed with result 'exit-code'.",
    ]
    report = examine(look(host), Watchdog())
    assert (report.state, names(report)) == (State.CRITICAL, ["daemon-down"])
    assert report.findings[0].cause.startswith("unable to configure the Docker daemon with file")


def test_a_prune_that_has_stood_still_for_long_is_told_at_the_first_look(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.live_prunes = 1
    assert examine(look(host), Watchdog()).state is State.OK
    host = settled(tmp_path)
    host.live_prunes, host.prune_stood_s = 1, 660.0
    report = examine(look(host), Watchdog())
    assert (report.state, names(report)) == (State.WARNING, ["prune-stuck"])
    assert "a prune has run for 11 min" in report.findings[0].says


# What a watchdog adds.


def test_an_open_incident_says_since_when_and_the_watchdog_is_looked_on(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.dockerd_process.frozen = True
    about = Watchdog(running="12 watch", open=(incident(),))
    found = examine(look(host), about).findings[0]
    assert found.since == incident().opened
    assert found.next == "dockerdoctor incidents show 20270115-x"
    gave_up = Watchdog(running="12 watch", open=(incident(outcome=Outcome.GAVE_UP),))
    assert examine(look(host), gave_up).findings[0].next == "dockerdoctor heal --plan"
    assert "gave up since" in printed(examine(look(host), gave_up))
    paused = Watchdog(running="12 watch", paused="an operator wants no act", open=(incident(),))
    assert examine(look(host), paused).findings[0].next == "dockerdoctor heal --plan"


def test_what_the_watchdog_waits_for_is_told(tmp_path: Path) -> None:
    held = Held("installing", "dpkg installs packages", 1_800_000_000.0)
    about = Watchdog(running="12 watch", held=held)
    assert "(installing): dpkg installs packages" in printed(
        examine(look(settled(tmp_path)), about)
    )


def test_an_incident_that_one_look_does_not_show_is_still_a_warning(tmp_path: Path) -> None:
    about = Watchdog(running="12 watch", open=(incident(),))
    report = examine(look(settled(tmp_path)), about)
    assert report.state is State.WARNING
    assert "still open" in report.says


def test_an_incident_left_open_by_a_dead_watchdog_is_only_history(tmp_path: Path) -> None:
    report = examine(look(settled(tmp_path)), Watchdog(open=(incident(),)))
    assert report.state is State.OK
    assert "open since" in printed(report)


def test_a_hang_that_nobody_watched_is_not_dated_by_an_older_one(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.dockerd_process.frozen = True
    found = examine(look(host), Watchdog(open=(incident(),)), lambda _: 1.0).findings[0]
    assert (found.since, found.incident) == (None, "")
    by_hand = Watchdog(healing="12 heal", open=(incident(),))
    assert examine(look(host), by_hand).findings[0].since == incident().opened
    assert "a heal by hand is under way (pid 12)" in printed(examine(look(host), by_hand))


def test_what_takes_longer_than_one_look_is_told_by_the_watchdogs_last(tmp_path: Path) -> None:
    host = settled(tmp_path)
    stuck = sample("locks", 0, stuck=1, stuck_s=50.0, stuck_name="web", stuck_names="web")
    report = examine(look(host), Watchdog(running="12 watch", samples=(stuck,)))
    assert (report.state, names(report)) == (State.CRITICAL, ["container-stuck"])
    assert report.findings[0].says == "container web has not answered for 50 s"
    assert examine(look(host), Watchdog(samples=(stuck,))).state is State.OK


def test_the_stream_of_a_running_watchdog_is_believed(tmp_path: Path) -> None:
    slow = sample("events", 0, alive=True, slowest_start_s=44.0, slow_container="web")
    report = examine(look(settled(tmp_path)), Watchdog(running="12 watch", samples=(slow,)))
    assert (report.state, names(report)) == (State.WARNING, ["container-start-slow"])
    assert examine(look(settled(tmp_path)), Watchdog(samples=(slow,))).state is State.OK


def test_since_when_is_the_beginning_of_the_last_streak_on_record() -> None:
    high = next(rule for rule in RULES if rule.name == "disk-high")
    record = [
        sample("disk", 0, used_ratio=0.9),
        sample("disk", 10, used_ratio=0.5),
        sample("disk", 20, used_ratio=0.86),
        sample("disk", 25, fault=Fault.TIMEOUT),
        sample("disk", 30, used_ratio=0.9),
    ]
    assert since_when(high, record) == at(20).wall
    assert since_when(high, record[:2]) is None
    assert since_when(high, []) is None


# The renderings.


@pytest.mark.parametrize("broken", ["well", "frozen", "stopped", "blind"])
def test_json_fits_its_schema(tmp_path: Path, broken: str) -> None:
    host = settled(tmp_path)
    if broken == "frozen":
        host.dockerd_process.frozen = True
    if broken == "stopped":
        host.operator_stops()
    if broken == "blind":
        host.faults["service"] = HostFault(Fault.TIMEOUT, "too late")
    about = Watchdog(running="12 watch", open=(incident(),), seen_at=at(0).wall)
    report = examine(look(host), about)
    told = json.loads(check_json(report, "1.2.3"))
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(
        json.loads(SHIPPED.read_bytes()), format_checker=checker
    ).validate(told)
    assert told["exit_code"] == EXIT[report.state]
    assert told["at"].endswith("Z")


def test_a_stop_without_a_time_out_is_the_word_infinity_in_json(tmp_path: Path) -> None:
    report = replace(examine(look(settled(tmp_path)), Watchdog()), readings={"a.b": float("inf")})
    assert json.loads(check_json(report, ""))["readings"] == {"a.b": "infinity"}


def test_nagios_gets_one_line_with_the_rules_own_thresholds(tmp_path: Path) -> None:
    line = nagios(examine(look(settled(tmp_path)), Watchdog()), RULES)
    assert line.startswith("DOCKERD OK - answers in 2 ms")
    assert "ping_seconds=0.002s;1;3;0" in line
    assert "rss_bytes=94371840B;4294967296;6442450944;0" in line
    assert "disk_used_ratio=0.5;0.85;0.95;0" in line
    assert "\n" not in line


def test_nothing_from_outside_breaks_the_line_of_nagios() -> None:
    says = "a | b\nc=1"
    report = Report(State.CRITICAL, says, 0.0, "x", (Found("r", says, State.CRITICAL),) * 3)
    assert nagios(report, RULES) == "DOCKERD CRITICAL - a / b c=1 (and 2 more)"


def test_the_report_fits_eighty_columns(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.dockerd_process.frozen = True
    host.faults["disk"] = HostFault(Fault.TIMEOUT, "cannot look at " + "a long way to " * 10)
    about = Watchdog(running="12 watch", paused="an operator " * 12, open=(incident(),))
    lines = printed(examine(look(host), about), 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert (
        "    remedy  keep the goroutine stacks, restart, and kill -9 only if it hears no" in lines
    )
    assert "            SIGTERM" in lines


@given(st.text(alphabet="ab -[]`", max_size=300), st.integers(20, 120))
def test_wrapping_loses_no_word(line: str, columns: int) -> None:
    assert " ".join(wrap(line, columns)).split() == line.split()


def test_what_was_not_seen_is_said_with_its_hint() -> None:
    unseen = (Unseen("ping", Fault.DENIED, "no permission", "run it as root"),)
    lines = printed(Report(State.UNKNOWN, "x", 0.0, "unix:///s", unseen=unseen)).splitlines()
    assert "[?] ping: not seen: no permission" in lines
    assert "    remedy  run it as root" in lines
