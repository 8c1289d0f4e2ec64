"""The other commands as a person runs them: incidents, rules, probes, pause, service, watch."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.cli.history import Watchdog, last_known, watchdog
from dockerdoctor.cli.incidenttext import incident_text, incidents_table, turns
from dockerdoctor.cli.options import Options
from dockerdoctor.cli.rules import rule_lines
from dockerdoctor.cli.table import table
from dockerdoctor.cli.watch import daemon_words, environment
from dockerdoctor.compose import watch_lock_path
from dockerdoctor.config import Config
from dockerdoctor.host.lock import held
from dockerdoctor.host.nouns import Container
from dockerdoctor.model import Attempt, Fault, Impact, Incident, Outcome, Severity
from dockerdoctor.pausing import pause_path
from dockerdoctor.store import Store
from tests.clirun import Ran, dockerdoctor, write_config
from tests.story import RULES
from tests.values import READINGS, at, sample

SAYS = "dockerd runs and does not answer (timeout)"


def clock(wall: float) -> str:
    return f"T{wall - at(0).wall:.0f}"


def an_incident(ident: str = "20270115-080000-aaaa") -> Incident:
    attempts = (
        Attempt("dump-stacks", at(9).wall, Impact.NONE, at(10).wall, False, note="kept 1",
                evidence=("/evidence/stacks.log",)),
        Attempt("systemd-kill", at(10).wall, Impact.NONE, at(10).wall, False, True, "deaf"),
        Attempt("sigkill", at(11).wall, Impact.CONTAINERS, at(24).wall, True, note="killed it"),
    )  # fmt: skip
    return Incident(
        ident, at(0).wall, "daemon-unresponsive", SAYS, Severity.CRITICAL, attempts,
        at(24).wall, Outcome.CURED, "daemon-unresponsive: cured by sigkill after 24 s",
        {"ping.answered": False, "process.pid": 1234},
    )  # fmt: skip


def recorded(config: Path, *incidents: Incident) -> Store:
    """A record with these incidents, as a watchdog left it."""
    store = Store.open(config.parent / "state" / "record.sqlite", at(0))
    for each in incidents:
        store.open_incident(each)
        store.skipped(each.id, each.attempts)
        if each.closed:
            store.close(each.id, each.closed, each.outcome, each.why)
    return store


# Incidents.


def test_an_incident_is_told_as_a_timeline_with_its_evidence() -> None:
    samples = [
        sample("ping", -3, answered=True),
        sample("ping", 1, answered=False),
        sample("process", 12, pid=77),
        sample("process", 14, pid=99),
    ]
    lines = incident_text(an_incident(), samples, at(60).wall, clock, None).splitlines()
    assert lines[0] == f"CURED: {SAYS}"
    assert "    seen    ping.answered = no, process.pid = 1234" in lines
    timeline = [line for line in lines if line.startswith("T")]
    assert [line.split("  ")[0] for line in timeline] == [
        "T0",
        "T1",
        "T9",
        "T10",
        "T11",
        "T14",
        "T24",
    ]
    assert "T9  dump-stacks: kept 1 (1 s)" in timeline
    assert "T10  passed over systemd-kill: deaf" in timeline
    assert "T11  sigkill: cured, killed it (13 s)" in timeline
    assert lines[-2:] == ["kept:", "    /evidence/stacks.log"]


def test_an_incident_that_is_not_over_says_so() -> None:
    cut_short = Attempt("restart", at(9).wall, Impact.CONTAINERS)
    still = replace(an_incident(), closed=None, outcome=Outcome.OPEN, attempts=(cut_short,))
    text = incident_text(still, [], at(60).wall, clock, None)
    assert text.startswith("OPEN: ")
    assert "    closed  not yet" in text
    assert "restart: under way, or cut short" in text
    gave_up = replace(still, outcome=Outcome.GAVE_UP)
    assert incident_text(gave_up, [], at(60).wall, clock, None).startswith("GAVE UP: ")
    assert "gave up" in incidents_table([gave_up], at(60).wall, clock, None)


def test_only_changes_of_what_matters_are_turns() -> None:
    same = [sample("ping", each, answered=True, latency_s=each / 1000) for each in range(5)]
    assert list(turns(same)) == []
    assert list(turns([sample("ping", 0, fault=Fault.TIMEOUT)])) == []


def test_incidents_are_listed_and_shown_by_the_beginning_of_their_id(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    recorded(config, an_incident(), an_incident("20270116-080000-bbbb")).shut()
    listed = dockerdoctor("incidents", config=config)
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == [
        "20270116-080000-bbbb",
        "20270115-080000-aaaa",
    ]
    shown = dockerdoctor("incidents", "show", "20270115", config=config)
    assert shown.out.startswith("CURED: ")
    told = json.loads(dockerdoctor("incidents", "show", "20270115", "--json", config=config).out)
    assert told["incident"]["attempts"][2]["cured"] is True
    assert told["incident"]["opened"].endswith("Z")
    several = dockerdoctor("incidents", "show", "2027", config=config)
    assert (several.code, several.out) == (64, "")
    assert dockerdoctor("incidents", "show", "nope", config=config).code == 64
    page = tmp_path / "page.html"
    nobody = dockerdoctor("incidents", "report", "nope", "--html", str(page), config=config)
    assert (nobody.code, nobody.out, page.exists()) == (64, "", False)
    assert "there is no incident nope" in nobody.err


def test_no_incident_is_no_error_and_no_record_is_one(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    missing = dockerdoctor("incidents", config=config)
    assert (missing.code, missing.out) == (74, "")
    recorded(config).shut()
    empty = dockerdoctor("incidents", config=config)
    assert (empty.code, empty.out, empty.err) == (0, "", "no incident is on record\n")
    assert json.loads(dockerdoctor("incidents", "--json", config=config).out)["incidents"] == []


def test_a_garbled_record_is_said_and_does_not_keep_check_from_looking(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "record.sqlite").write_text("no record at all, and long enough " * 10)
    assert dockerdoctor("incidents", config=config).code == 74
    checked = dockerdoctor("check", config=config)
    assert "its record could not be read" in checked.out
    assert checked.code == 1


def test_a_record_of_a_newer_version_is_named_and_left_alone_by_every_command(
    tmp_path: Path,
) -> None:
    config = write_config(tmp_path)
    recorded(config, an_incident()).shut()
    path = tmp_path / "state" / "record.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    for words in (["incidents"], ["incidents", "show", "2027"], ["incidents", "stats"]):
        ran = dockerdoctor(*words, config=config)
        assert (ran.code, ran.out) == (74, "")
        assert "was written by a newer dockerdoctor" in ran.err
        assert "update dockerdoctor" in ran.err
    for words in (["check"], ["top", "--once"]):
        ran = dockerdoctor(*words, config=config)
        assert ran.code in (0, 1)
        assert "was written by a newer dockerdoctor" in ran.out
    assert dockerdoctor("watch", "--once", config=config).code == 74
    assert path.read_bytes() == before


# What check knows of a watchdog.


def configured(directory: Path) -> Config:
    config = Config()
    watch = replace(config.watch, state_dir=directory / "state", run_dir=directory / "run")
    return replace(config, watch=watch)


def test_a_watchdog_is_known_by_its_lock_its_record_and_its_pause(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert watchdog(config, at(0)) == Watchdog()
    store = Store.open(config.watch.record, at(0))
    store.open_incident(replace(an_incident(), closed=None, outcome=Outcome.OPEN, attempts=()))
    store.keep([sample("ping", 5, answered=False)], at(5), urgent=True)
    store.remember("running", (Container("1", "web", "running"),))
    store.keep([sample("api", 6, answered=True)], at(6), urgent=True)
    store.remember("facts", {"api.live_restore": True})
    pause_path(config.watch.state_dir).write_text("garbage")
    with held(watch_lock_path(config), "watch"):
        about = watchdog(config, at(10))
    assert about.running == f"{os.getpid()} watch"
    assert [each.id for each in about.open] == [an_incident().id]
    assert about.seen_at == at(6).wall
    assert "garbled" in about.paused
    then = last_known(config, at(10))
    assert [each.name for each in then.running] == ["web"]
    assert then.facts == {"api.live_restore": True}
    store.shut()


def test_what_was_never_recorded_is_not_known(tmp_path: Path) -> None:
    then = last_known(configured(tmp_path), at(0))
    assert (then.running, then.facts) == ((), {})


# Rules and probes.


def test_rules_are_listed_shown_and_checked(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    listed = dockerdoctor("rules", config=config)
    assert listed.out.splitlines()[0].split() == ["RULE", "SEVERITY", "WHEN", "LADDER"]
    assert len(listed.out.splitlines()) == len(RULES) + 1
    told = json.loads(dockerdoctor("rules", "--json", config=config).out)
    assert {rule["name"] for rule in told["rules"]} == {rule.name for rule in RULES}
    shown = dockerdoctor("rules", "show", "rss-high", config=config)
    assert "process.rss_bytes >= 4 GiB" in shown.out
    checked = dockerdoctor("rules", "check", config=config)
    assert (checked.code, checked.out) == (0, "")
    assert "rules are fine" in checked.err


def test_every_shipped_rule_can_be_shown() -> None:
    for rule in RULES:
        lines = rule_lines(rule, READINGS)
        assert lines[0].startswith(f"{rule.name} (")
        assert any(line.startswith("    when    ") for line in lines)


def test_all_mistakes_of_rules_that_are_not_installed_yet_are_told(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    more = tmp_path / "more"
    more.mkdir()
    (more / "mine.toml").write_text(
        '[mine]\nsays = "x"\nwhen = ["ping.rtt > 1s"]\nladder = ["rm"]\n'
    )
    ran = dockerdoctor("rules", "check", str(more), config=config)
    assert (ran.code, ran.out) == (78, "")
    for mistake in ("`severity` is missing", "no probe reads `ping.rtt`", "no rung is called `rm`"):
        assert mistake in ran.err


def test_probes_are_listed_with_all_their_readings_and_run_one_by_one(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    listed = dockerdoctor("probes", config=config).out
    assert [line.split()[0] for line in listed.splitlines()[1:]] == sorted(
        {name.partition(".")[0] for name in READINGS}
    )
    readings = dockerdoctor("probes", "--readings", config=config).out
    assert all(name in readings for name in READINGS)
    ran = dockerdoctor("probes", "run", "disk", "--json", config=config)
    assert ran.code == 0
    assert 0 < json.loads(ran.out)["readings"]["used_ratio"] <= 1
    assert dockerdoctor("probes", "run", "dsk", config=config).code == 64


# Pause.


def pause(config: Path, *words: str) -> Ran:
    return dockerdoctor("pause", *words, config=config)


def test_a_pause_is_written_shown_by_check_and_ended(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    began = pause(config, "--for", "2h", "--why", "moving\nthe data-root")
    assert (began.code, began.out) == (0, "")
    assert "wants no act until" in began.err
    assert "moving the data-root" in dockerdoctor("check", config=config).out
    told = json.loads(dockerdoctor("check", "--json", config=config).out)
    assert "moving the data-root" in told["watchdog"]["paused"]
    assert "acting is allowed again" in dockerdoctor("resume", config=config).err
    assert "there was no pause" in dockerdoctor("resume", config=config).err


@pytest.mark.parametrize("span", ["1", "soon", "0s", "-5min"])
def test_a_pause_of_no_time_or_of_no_sense_is_refused(tmp_path: Path, span: str) -> None:
    config = write_config(tmp_path)
    assert pause(config, f"--for={span}").code == 64
    assert not pause_path(tmp_path / "state").exists()


def test_a_pause_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "state").write_text("a file where the directory should be")
    ran = pause(config)
    assert (ran.code, ran.out) == (74, "")


def test_a_garbled_pause_is_removed_by_resume(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "state").mkdir()
    pause_path(tmp_path / "state").write_text("{")
    assert "garbled" in dockerdoctor("resume", config=config).err
    assert not pause_path(tmp_path / "state").exists()


# Service and watch.


def test_the_unit_is_printed_to_be_piped(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    ran = dockerdoctor("service", "print", config=config)
    assert (ran.code, ran.err) == (0, "")
    assert "-m dockerdoctor.daemon" in ran.out
    assert str(config) in ran.out


def test_a_unit_that_cannot_run_is_not_installed(tmp_path: Path) -> None:
    """Installed only where the interpreter of the unit can import us; told where it cannot."""
    config = write_config(tmp_path)
    ran = dockerdoctor("service", "install", "--into", str(tmp_path), config=config)
    written = (tmp_path / "dockerdoctor.service").exists()
    assert (ran.code, written) in ((0, True), (1, False))
    if not written:
        assert "install dockerdoctor for it first" in ran.err


def test_units_of_ours_are_removed_and_no_other(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    names = ("dockerdoctor.service", "dockerdoctor-disk.timer", "docker.service")
    for name in names:
        (tmp_path / name).write_text("[Unit]\n")
    words = ("service", "uninstall", "--into", str(tmp_path))
    told = dockerdoctor(*words, "--dry-run", config=config)
    assert (told.code, told.err) == (0, "")
    assert told.out == "".join(f"would remove {tmp_path / name}\n" for name in names[:2])
    assert all((tmp_path / name).exists() for name in names)
    ran = dockerdoctor(*words, config=config)
    assert (ran.code, ran.out) == (0, "")
    assert f"its record stays in {tmp_path / 'state'}" in ran.err
    assert [name for name in names if (tmp_path / name).exists()] == ["docker.service"]
    again = dockerdoctor(*words, config=config)
    assert (again.code, "nothing to do" in again.err) == (0, True)


def test_the_watchdog_gets_its_options_and_no_module_from_where_root_stands() -> None:
    words = daemon_words(Options(config=Path("/etc/x.toml")), dry_run=True, once=False)
    assert words == ["-P", "-m", "dockerdoctor.daemon", "--config", "/etc/x.toml", "--dry-run"]
    assert daemon_words(Options(), dry_run=False, once=True)[3:] == ["--once"]
    root = str(Path(__file__).parents[1])
    assert environment({"PYTHONPATH": "/x"}) == {"PYTHONPATH": f"{root}:/x"}


def test_watch_becomes_the_watchdog(tmp_path: Path) -> None:
    ran = dockerdoctor("watch", "--dry-run", "--once", config=write_config(tmp_path))
    assert (ran.code, ran.out) == (0, "")
    assert "watching unix://" in ran.err


def test_a_second_watchdog_is_refused(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with held(tmp_path / "run" / "watch.lock", "watch"):
        ran = dockerdoctor("watch", "--once", config=config)
    assert ran.code == 75
    assert f"watch (pid {os.getpid()})" in ran.err


def test_the_watchdogs_daemon_is_named_by_its_configuration_only() -> None:
    ran = dockerdoctor("watch", "-H", "unix:///x.sock")
    assert ran.code == 64


# Tables.


def test_columns_stand_under_each_other_and_long_lines_are_cut() -> None:
    text = table(("A", "B"), [("long one", "x"), ("y", "z" * 50)], 20)
    assert text.splitlines() == ["A         B", "long one  x", "y         zzzzzzzzz…"]
