"""What the daemons' messages tell: recorded lines of three engines, traps, and the reading on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.cli.explainsaid import meaning
from dockerdoctor.errors import HostFault
from dockerdoctor.host import journalwatch
from dockerdoctor.host.journalwatch import STARTED, STARTING, JournalWatch, Line, Tally
from dockerdoctor.host.nouns import Container
from dockerdoctor.host.traces import JournalTally
from dockerdoctor.model import Fault
from dockerdoctor.probes import journal
from dockerdoctor.signatures import MAX_SAID, SIGNATURES, essence, recognise
from tests.clirun import dockerdoctor
from tests.fakehost import FakeHost
from tests.story import RULES
from tests.values import PROBES

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parent / "recorded" / "journal.jsonl").read_text().splitlines()
]
BAD_JSON = (
    "unable to configure the Docker daemon with file /etc/docker/daemon.json: "
    "invalid character '}' looking for beginning of object key string"
)


@pytest.mark.parametrize("line", RECORDED, ids=lambda line: f"{line['engine']}-{line['signature']}")
def test_a_recorded_message_is_recognised(line: dict[str, str]) -> None:
    assert recognise(essence(line["message"])) == line["signature"]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (
            "failed to register layer: rename /var/lib/docker/image/overlay2/layerdb/tmp/"
            "write-set-1 /var/lib/docker/image/overlay2/layerdb/sha256/a: file exists",
            "layer_leftover",
        ),
        ('Resolver Setup/Start failed for container 0a1b, "Chain already exists"', "resolver"),
        ('Resolver Setup Function failed for container 0a1b, "no such file"', "resolver"),
        (
            "set up rule failed, [-t nat -I DOCKER_OUTPUT -d 127.0.0.11 -p udp --dport 53 -j DNAT "
            "--to-destination 127.0.0.11:38720]",
            "resolver_rules",
        ),
        ("panic: freepages: failed to get all reachable pages", "bolt_panic"),
        ("Container failed to exit within 10s of kill - trying direct SIGKILL", "ghost"),
        (
            'failed to start daemon: failed to dial "/run/containerd/containerd.sock": x',
            "no_containerd",
        ),
        ("failed to start containerd: timeout waiting for containerd to start", "no_containerd"),
        ("all predefined address pools have been fully subnetted", "address_pools"),
        (
            "failed to start daemon: Error initializing network controller: Error creating default "
            '"bridge" network: could not find an available, non-overlapping IPv4 address pool '
            "among the defaults to assign to the network",
            "address_pools",
        ),
    ],
)
def test_a_message_from_the_source_is_recognised(said: str, name: str) -> None:
    assert recognise(said) == name


@pytest.mark.parametrize(
    "line",
    [
        'level=info msg="Attempting next endpoint for pull after error: failed to register layer: '
        'rename /a /b: file exists"',
        'level=info msg="Not continuing with pull after error: failed to register layer: rename /a '
        '/b: directory not empty"',
        'level=info msg="Attempting next endpoint for pull after error" '
        'error="failed to register layer: rename /a /b: file exists"',
    ],
)
def test_a_pull_that_failed_is_serious_although_it_is_told_as_information(line: str) -> None:
    assert recognise(essence(f'time="2026-01-01T00:00:00Z" {line}')) == "layer_leftover"


NAME_TAKEN = (
    'Conflict. The container name "/twice" is already in use by container "1eec776de245". You have '
    "to remove (or rename) that container to be able to reuse that name."
)
TOO_OLD = (
    "client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade your "
    "client to a newer version"
)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (
            f"docker: Error response from daemon: {NAME_TAKEN}\nSee 'docker run --help'.",
            "name-taken",
        ),
        (f"Error response from daemon: {TOO_OLD}", "client-too-old"),
        ("Error response from daemon: a prune operation is already running", "prune-running"),
        (TOO_OLD, "client-too-old"),
        (
            "Error response from daemon: could not find an available, non-overlapping IPv4 address "
            "pool among the defaults to assign to the network",
            "address-pools-exhausted",
        ),
        ('time="2026-01-01T00:00:00Z" level=error msg="no space left on device"', "no-space-told"),
    ],
)
def test_an_error_that_somebody_was_shown_is_explained(said: str, name: str) -> None:
    found = meaning(said, RULES)
    assert found is not None
    assert (found.name, bool(found.says), bool(found.remedy), bool(found.avoid)) == (
        name,
        True,
        True,
        True,
    )


def test_what_is_not_known_is_said_to_be_so() -> None:
    assert meaning("hello", RULES) is None
    assert meaning("", RULES) is None
    told = dockerdoctor("explain", "--said", "hello")
    assert (told.code, "nothing is known" in told.err) == (65, True)
    told = dockerdoctor("explain", "--said", TOO_OLD, "--json")
    assert json.loads(told.out)["name"] == "client-too-old"
    assert dockerdoctor("explain").code == 64


@pytest.mark.parametrize(
    "line",
    [
        # A user's command line that says what a full disk would.
        'time="2026-01-01T00:00:00Z" level=error msg="Handler for POST /v1.45/containers/a/start '
        "returned error: failed to create task for container: OCI runtime create failed: exec: "
        '\\"no space left on device\\": executable file not found in $PATH: unknown"',
        'time="2026-01-01T00:00:00Z" level=error msg="Handler for GET /v1.45/images/failed to load '
        'container/json returned error: No such image"',
        'time="2026-01-01T00:00:00Z" level=info msg="failed to load container" error=EOF',
        'time="2026-01-01T00:00:00Z" level=error msg="Container not cleaned up from containerd '
        'from previous run" container=892e8ca39a34 error="id already in use"',
        'time="2026-01-01T00:00:00Z" level=warning msg="failed to load plugin '
        'io.containerd.snapshotter.v1.aufs" error="aufs is not supported: skip plugin"',
        'time="2026-01-01T00:00:00Z" level=error msg="x" note="failed to load container a"',
        "",
    ],
)
def test_what_only_looks_like_a_sign_is_none(line: str) -> None:
    assert recognise(essence(line)) == ""


def entry(message: object = "hello", **fields: object) -> str:
    return json.dumps(
        {
            "__CURSOR": "c1",
            "__REALTIME_TIMESTAMP": "1795648375027774",
            "MESSAGE": message,
            "_COMM": "dockerd",
            **fields,
        }
    )


def test_entries_are_read_with_their_time_and_the_last_cursor() -> None:
    text = "\n".join([entry(), entry([104, 105, 255], __CURSOR="c2"), entry(None, __CURSOR="c3")])
    lines, cursor = journalwatch.parse(text)
    assert [line.message for line in lines] == ["hello", "hi\ufffd", ""]
    assert lines[0].at == 1795648375.027774
    assert cursor == "c3"


@pytest.mark.parametrize("comm", ["", "(dockerd)", "dockerd"])
def test_a_program_that_failed_at_once_still_has_its_name(comm: str) -> None:
    lines, _ = journalwatch.parse(entry(_COMM=comm, SYSLOG_IDENTIFIER="dockerd"))
    assert [line.program for line in lines] == ["dockerd"]


def test_what_a_container_logs_under_the_daemons_unit_is_not_the_daemons_word() -> None:
    lines, cursor = journalwatch.parse(entry(BAD_JSON, CONTAINER_ID="0a1b", __CURSOR="c9"))
    assert lines == []
    assert cursor == "c9"


@pytest.mark.parametrize("text", ["", "garbage\n[]\n{}", entry()[:-20]])
def test_garbled_entries_are_left_out(text: str) -> None:
    assert journalwatch.parse(text) == ([], "")


def test_only_what_the_daemons_print_is_asked_for() -> None:
    assert journalwatch.matches(["docker.service"]) == [
        "_SYSTEMD_UNIT=docker.service",
        "_TRANSPORT=stdout",
        "+",
        "_PID=1",
        "UNIT=docker.service",
    ]


def said(message: str, at: float = 1000.0, program: str = "dockerd") -> Line:
    unit = "containerd.service" if program == "containerd" else "docker.service"
    return Line(at, message, program, unit=unit)


def systemd(
    message_id: str, at: float = 1000.0, unit: str = "docker.service", message: str = "…"
) -> Line:
    return Line(at, message, "systemd", message_id, unit)


def died(at: float = 1000.0, unit: str = "docker.service", how: str = "killed") -> Line:
    """Its main process has ended."""
    message = f"{unit}: Main process exited, code={how}, status=9/KILL"
    return systemd(journalwatch.ENDED, at, unit, message)


def folded(*lines: Line, now: float = 1000.0) -> JournalTally:
    tally = Tally("docker.service")
    tally.fold(lines)
    return tally.told(now)


def test_the_first_error_is_that_of_the_last_start_that_failed() -> None:
    failing = [systemd(STARTING), said(BAD_JSON), said("a second thought")]
    assert folded(*failing).first_error == BAD_JSON
    assert folded(*failing).cause == "bad_config"
    assert folded(*failing, systemd(STARTING), said("unknown flag: --x")).first_error == (
        "unknown flag: --x"
    )
    assert folded(*failing, systemd(STARTING), systemd(STARTED)).first_error == ""


def test_where_it_said_nothing_its_end_is_told_in_systemds_words() -> None:
    routine = 'time="2026-01-01T00:00:00Z" level=info msg="API listen on /run/docker.sock"'
    killed = folded(systemd(STARTED), said(routine), died())
    assert killed.first_error == "Main process exited, code=killed, status=9/KILL"
    assert killed.cause == ""
    for lines in ([said(BAD_JSON), died(how="exited")], [died(how="exited"), said(BAD_JSON)]):
        assert folded(systemd(STARTING), *lines).first_error == BAD_JSON
    assert folded(died(), systemd(STARTING)).first_error == ""
    assert folded(died(unit="containerd.service")).first_error == ""
    refused = "Failed to schedule restart job: Unit docker.socket is masked."
    again = systemd("", message=f"docker.service: {refused}")
    assert folded(died(), again).first_error == refused


def test_the_cause_is_known_by_the_whole_message_however_long_it_is() -> None:
    why = "failed to start daemon: Error initializing network controller: " + 300 * "x"
    seen = folded(systemd(STARTING), said(f"{why}: invalid database"))
    assert seen.cause == "network_db"
    assert len(seen.first_error) == MAX_SAID


KERNEL_KILLS, OOMD_KILLS = journalwatch.FOR_MEMORY


@pytest.mark.parametrize(
    ("message_id", "name"), [(KERNEL_KILLS, "oom_kills"), (OOMD_KILLS, "oomd_kills")]
)
def test_a_daemon_that_was_killed_for_memory_is_counted_by_systemds_word(
    message_id: str, name: str
) -> None:
    told = systemd(message_id, message="docker.service: a process was killed")
    for lines in ([told, died()], [told, died(), *start(1000.0)]):  # nor does the next one end it
        seen = folded(*lines)
        assert seen.counts_1h == {name: 1}
        assert seen.last == {name: "docker.service: a process was killed"}


@pytest.mark.parametrize(
    "after",
    [
        (),  # a docker-proxy was killed, the daemon lives
        (died(at=2000.0),),
        (died(unit="containerd.service"),),
        (died(how="exited"),),
        (said(died().message),),
    ],
)
def test_a_daemon_that_ended_otherwise_was_not_killed_for_memory(after: tuple[Line, ...]) -> None:
    assert folded(systemd(KERNEL_KILLS), *after).counts_1h == {}


def test_a_line_of_routine_is_no_first_error() -> None:
    lines = (
        'time="2026-01-01T00:00:00Z" level=warning msg="WARNING: No swap limit support"',
        "2026/01/01 00:00:00 http: Accept error: accept unix: accept4: too many open files",
        "",
    )
    assert folded(*(said(line) for line in lines)).first_error == ""


def test_messages_count_for_an_hour_and_their_words_go_with_them() -> None:
    line = said(BAD_JSON)
    assert folded(line, line).counts_1h == {"bad_config": 2}
    late = folded(line, now=1000.0 + journalwatch.HOUR_S)
    assert late.counts_1h == {"bad_config": 0}
    assert late.last == {}


def start(at: float, *meanwhile: Line, unit: str = "docker.service") -> list[Line]:
    """It begins and has started 5 s later."""
    return [systemd(STARTING, at, unit), *meanwhile, systemd(STARTED, at + 5, unit)]


FLUSHED = "Iptables failed: iptables --wait -t nat: No chain/target/match by that name"
UNREADABLE = "failed to load container 0a1b: EOF"


def test_what_a_daemon_said_is_over_once_another_one_serves() -> None:
    lines = [*start(900), said(FLUSHED, 950), said(FLUSHED, 960)]
    assert folded(*lines).counts_1h == {"firewall_chains": 2}
    again = [*lines, systemd(STARTING, 1000)]
    assert folded(*again).counts_1h == {"firewall_chains": 2}  # whether it will serve, nobody knows
    assert folded(*lines, *start(1000)).counts_1h == {"firewall_chains": 0}
    assert folded(*lines, *start(1000)).last == {}


def test_what_it_says_again_in_its_start_is_not_over() -> None:
    lines = [*start(900, said(UNREADABLE, 903)), *start(990, said(UNREADABLE, 993))]
    assert folded(*lines).counts_1h == {"container_unreadable": 1}
    assert folded(*lines[1:3]).counts_1h == {"container_unreadable": 1}  # cut: read from its middle


def test_a_start_of_containerd_forgives_dockerd_nothing() -> None:
    bad = "failed to load plugin io.containerd.metadata.v1.bolt: invalid database"
    lines = [said(FLUSHED, 950), said(bad, 950, "containerd")]
    seen = folded(*lines, *start(990, unit="containerd.service")).counts_1h
    assert seen == {"firewall_chains": 1, "containerd_db": 0}
    seen = folded(*lines, *start(990)).counts_1h
    assert seen == {"firewall_chains": 0, "containerd_db": 1}


def test_the_unit_of_an_entry_is_the_one_it_is_about() -> None:
    ours = entry(_SYSTEMD_UNIT="docker.service")
    theirs = entry(_PID="1", _SYSTEMD_UNIT="init.scope", UNIT="docker.service")
    assert [line.unit for line in journalwatch.parse(f"{ours}\n{theirs}")[0]] == [
        "docker.service",
        "docker.service",
    ]


def test_a_message_about_a_container_names_it() -> None:
    line = f'time="x" level=error msg="failed to load container" container={"e" * 64} error="EOF"'
    assert essence(line) == "failed to load container eeeeeeeeeeee: EOF"


def test_other_programs_in_the_daemons_unit_are_not_heard() -> None:
    assert folded(said(BAD_JSON, program="runc")).counts_1h == {}


def test_a_container_without_name_resolution_is_named_until_it_is_started_again() -> None:
    ident = "0a1b" * 16
    tally = folded(said(f'Resolver Start failed for container {ident}, "Chain already exists"'))
    assert tally.whom == {"resolver": {ident: 1000.0}}
    web = Container(ident, "web", "running", started_at=900.0, inspected=True)
    told = tally.whom["resolver"]
    assert journal.since_told([web, Container("c2", "other", "running")], told) == ["web"]
    assert journal.since_told([replace(web, started_at=1001.0)], told) == []
    assert journal.since_told([replace(web, state="exited")], told) == []
    only_listed = Container(ident, "web", "running")
    assert journal.since_told([only_listed], told) == []


def test_without_units_there_is_no_journal() -> None:
    assert JournalWatch(()).look(0.0, 1.0) == JournalTally(known=False)


def test_every_signature_is_a_reading_and_has_a_rule(tmp_path: Path) -> None:
    seen = journal.run(FakeHost(tmp_path))
    asked = {condition.reading for rule in RULES for condition in rule.when}
    causes = {
        condition.value
        for rule in RULES
        for condition in rule.when
        if condition.reading == "journal.cause"
    }
    for signature in SIGNATURES:
        assert seen[signature.name] == 0
        assert f"journal.{signature.name}" in asked or signature.name in causes
    assert set(seen) <= {reading.name for reading in PROBES["journal"].readings}


def test_a_journal_that_does_not_come_back_is_left_alone_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "journalctl"
    program.write_text(f"#!/bin/sh\necho asked >>{tmp_path}/asked\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "asked").touch()  # a loaded machine may not get as far as the echo
    watch = JournalWatch(["docker.service"])
    for now in (1000.0, 1001.0, 1000.0 + journalwatch.BACK_OFF_S):
        with pytest.raises(HostFault) as raised:
            watch.look(now, 0.5)
        assert raised.value.fault is Fault.TIMEOUT
    assert len((tmp_path / "asked").read_text().splitlines()) <= 2
