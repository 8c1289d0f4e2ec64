"""What a scrape shows, and that promtool has nothing to say against it."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dockerdoctor import holds, ladder
from dockerdoctor.around import Snapshot
from dockerdoctor.declare import Probe
from dockerdoctor.host.nouns import EventTally, Start
from dockerdoctor.judge import Judgement, flatten
from dockerdoctor.metricfamilies import PLAIN, REASONS, name_of
from dockerdoctor.metrics import Metrics, Sources
from dockerdoctor.model import (
    Attempt,
    Climb,
    Decision,
    Fault,
    Finding,
    Health,
    Hold,
    Impact,
    Incident,
    Kind,
    Outcome,
    Reading,
    Sample,
    Severity,
    Value,
    Verdict,
)
from tests.values import PROBES, READINGS, RUNGS, at, sample
from tools import metricsdoc

ROOT = Path(__file__).parents[1]

EXAMPLE: Mapping[Kind, Value] = {
    Kind.GAUGE: 1.5,
    Kind.COUNTER: 7,
    Kind.FLAG: True,
    Kind.STATE: "active",
    Kind.TEXT: "free text",
}


RULES = {"daemon-unresponsive": Severity.CRITICAL, "rss-high": Severity.WARNING}


def every_reading(probe: Probe, seconds: float = 0.0) -> Sample:
    """A sample with a value for all that a probe declares."""
    readings = {each.name: EXAMPLE[each.kind] for each in probe.readings}
    return Sample(probe.name, at(seconds), 0.001, readings)


def snapshot(
    *samples: Sample,
    seconds: float = 0.0,
    findings: tuple[Finding, ...] = (),
    incidents: tuple[Incident, ...] = (),
    decision: Decision | None = None,
    climbing: str = "",
) -> Snapshot:
    by_probe = {each.probe: each for each in samples}
    health = Health.SICK if findings else Health.WELL
    return Snapshot(
        by_probe,
        Judgement(Verdict(at(seconds), health, findings), flatten(by_probe)),
        decision or Hold("well", "all is well"),
        {each.rule: each for each in incidents},
        4,
        climbing,
    )


def incident(ident: str = "i1", *attempts: Attempt, opened: float = 0.0) -> Incident:
    return Incident(
        ident, at(opened).wall, "daemon-unresponsive", "deaf", Severity.CRITICAL, attempts
    )


def lines(metrics: Metrics) -> list[str]:
    return generate_latest(metrics.registry).decode().splitlines()


def value(metrics: Metrics, series: str) -> float | None:
    """The value of one series of a scrape, None when it is not there."""
    found = [line for line in lines(metrics) if line.rpartition(" ")[0] == series]
    return float(found[0].rpartition(" ")[2]) if found else None


def busy() -> Metrics:
    """A watchdog to which everything has happened."""
    tally = EventTally(True, 9, 0, 0, 2, 1, (Start("a", 1.0, 1.5), Start("b", 2.0, 40.0)))
    metrics = Metrics(PROBES, RULES, ["restart"], Sources(lambda: tally))
    deaf = Finding("daemon-unresponsive", "deaf", Severity.CRITICAL, at(0), {}, ("restart",))
    everything = [every_reading(probe, 1) for probe in PROBES.values()]
    metrics.looked(snapshot(*everything))
    climb = Climb("restart", "deaf for 10 s", deaf)
    climbed = Attempt("restart", at(2).wall, Impact.DAEMON, at(9).wall, True)
    metrics.looked(
        snapshot(
            *everything,
            seconds=4,
            findings=(deaf,),
            incidents=(incident("i1", climbed),),
            decision=climb,
            climbing="restart",
        )
    )
    metrics.closed(
        Incident(
            "i1",
            at(0).wall,
            "daemon-unresponsive",
            "deaf",
            Severity.CRITICAL,
            (climbed,),
            at(9).wall,
        )
    )
    return metrics


@pytest.mark.parametrize(
    ("reading", "name"),
    [
        (Reading("latency_s", Kind.GAUGE, ""), "dockerdoctor_ping_latency_seconds"),
        (Reading("rss_bytes", Kind.GAUGE, ""), "dockerdoctor_ping_rss_bytes"),
        (Reading("cpu_s", Kind.COUNTER, ""), "dockerdoctor_ping_cpu_seconds_total"),
        (Reading("starts_total", Kind.COUNTER, ""), "dockerdoctor_ping_starts_total"),
        (Reading("answered", Kind.FLAG, ""), "dockerdoctor_ping_answered"),
        (Reading("state", Kind.STATE, ""), "dockerdoctor_ping_state_info"),
    ],
)
def test_the_name_of_a_metric_follows_from_the_reading(reading: Reading, name: str) -> None:
    assert name_of("ping", reading) == name


def test_every_reading_but_free_text_is_scraped_under_its_name() -> None:
    scraped = {re.split(r"[{ ]", line)[0] for line in lines(busy()) if line[0] != "#"}
    for probe in PROBES.values():
        for reading in probe.readings:
            assert (name_of(probe.name, reading) in scraped) is (reading.kind is not Kind.TEXT)


def test_the_critical_metrics_come_from_readings_that_exist() -> None:
    assert {reading for reading, _ in PLAIN.values()} <= set(READINGS)
    metrics = busy()
    for name in PLAIN:
        assert value(metrics, f"dockerdoctor_{name}") is not None
    assert value(metrics, "dockerdoctor_docker_up") == 1
    assert value(metrics, "dockerdoctor_socket_response_seconds_count") == 1
    assert value(metrics, "dockerdoctor_container_start_seconds_count") == 2
    assert value(metrics, 'dockerdoctor_container_start_seconds_bucket{le="30.0"}') == 1


def test_a_failed_probe_shows_its_fault_and_no_old_reading() -> None:
    metrics = Metrics(PROBES)
    metrics.looked(snapshot(sample("ping", 0, answered=True, latency_s=0.002)))
    assert value(metrics, "dockerdoctor_ping_latency_seconds") == 0.002
    metrics.looked(snapshot(sample("ping", 4, Fault.DENIED), seconds=4))
    assert value(metrics, "dockerdoctor_ping_latency_seconds") is None
    assert value(metrics, "dockerdoctor_docker_up") == 0
    assert value(metrics, 'dockerdoctor_probe_success{probe="ping"}') == 0
    assert value(metrics, 'dockerdoctor_probe_runs_total{probe="ping"}') == 2
    assert value(metrics, 'dockerdoctor_probe_faults_total{fault="denied",probe="ping"}') == 1
    success = value(metrics, 'dockerdoctor_probe_last_success_timestamp_seconds{probe="ping"}')
    assert success == at(0).wall


def test_a_ping_without_answer_counts_as_a_slow_one_and_a_refused_one_does_not() -> None:
    metrics = Metrics(PROBES)
    slow = Sample("ping", at(0), 3.0, {"answered": False, "why": "timeout"})
    metrics.looked(snapshot(slow))
    metrics.looked(snapshot(slow, seconds=1))
    metrics.looked(snapshot(sample("ping", 8, answered=False, why="refused"), seconds=8))
    assert value(metrics, "dockerdoctor_socket_response_seconds_sum") == 3
    assert value(metrics, "dockerdoctor_socket_response_seconds_count") == 1


def test_the_verdict_the_budget_and_the_incident_are_shown() -> None:
    metrics = Metrics(PROBES, RULES)
    deaf = Finding("daemon-unresponsive", "deaf", Severity.CRITICAL, at(0))
    gave_up = Incident(
        "i9", at(0).wall, "daemon-unresponsive", "deaf", Severity.CRITICAL, outcome=Outcome.GAVE_UP
    )
    hold = Hold("gave-up", "no rung is left")
    metrics.looked(snapshot(findings=(deaf,), incidents=(gave_up,), decision=hold))
    assert value(metrics, 'dockerdoctor_health{health="sick"}') == 1
    assert value(metrics, 'dockerdoctor_health{health="well"}') == 0
    series = 'dockerdoctor_findings{rule="daemon-unresponsive",severity="critical"}'
    assert value(metrics, series) == 1
    assert value(metrics, 'dockerdoctor_findings{rule="rss-high",severity="warning"}') == 0
    assert value(metrics, 'dockerdoctor_hold{reason="gave-up"}') == 1
    assert value(metrics, 'dockerdoctor_hold{reason="paused"}') == 0
    assert value(metrics, "dockerdoctor_incident_open") == 1
    assert value(metrics, "dockerdoctor_given_up") == 1
    assert value(metrics, "dockerdoctor_climbs_left") == 4
    metrics.looked(snapshot(seconds=4))
    assert value(metrics, series) == 0
    assert value(metrics, "dockerdoctor_given_up") == 0
    assert value(metrics, "dockerdoctor_looks_total") == 2


def test_the_rung_under_way_is_shown_and_the_others_are_not() -> None:
    metrics = Metrics(PROBES, RULES, ["restart", "sigkill"])
    metrics.looked(snapshot(climbing="sigkill"))
    assert value(metrics, 'dockerdoctor_climbing{rung="sigkill"}') == 1
    assert value(metrics, 'dockerdoctor_climbing{rung="restart"}') == 0


def test_a_hold_is_counted_each_time_it_begins_and_not_at_each_look() -> None:
    metrics = Metrics(PROBES, RULES)
    paused, well = Hold("paused", "by me"), Hold("well", "well")
    for seconds, hold in enumerate((paused, paused, well, paused, well)):
        metrics.looked(snapshot(seconds=seconds, decision=hold))
    assert value(metrics, 'dockerdoctor_holds_total{reason="paused"}') == 2
    assert value(metrics, 'dockerdoctor_holds_total{reason="blind"}') == 0
    assert value(metrics, 'dockerdoctor_holds_total{reason="well"}') is None


def test_every_reason_for_which_a_decision_holds_is_in_the_closed_list() -> None:
    source = inspect.getsource(ladder)
    assert {*holds.HOLDS, *holds.HOLDS_OF_STRANGERS, *holds.HOLDS_OF_PEAKS} <= set(REASONS)
    assert {*re.findall(r'Hold\(\s*"([a-z-]+)"', source), ladder.FULL} <= set(REASONS)


def test_how_long_somebody_else_may_act_is_told_as_of_the_last_look() -> None:
    held_s = iter((0.0, 7.5))
    metrics = Metrics(PROBES, sources=Sources(lock_held_s=lambda: next(held_s)))
    metrics.looked(snapshot())
    assert value(metrics, "dockerdoctor_lock_held_seconds") == 0
    metrics.looked(snapshot(seconds=4))
    assert value(metrics, "dockerdoctor_lock_held_seconds") == 7.5


def test_whatever_a_scrape_would_show_otherwise_makes_a_new_generation() -> None:
    metrics = Metrics(PROBES, RULES)
    seen = [metrics.generation]
    metrics.looked(snapshot())
    seen.append(metrics.generation)
    metrics.closed(incident())
    seen.append(metrics.generation)
    metrics.learn({})
    seen.append(metrics.generation)
    assert seen == sorted(set(seen))


def test_new_rules_are_shown_from_the_next_scrape_on() -> None:
    metrics = Metrics(PROBES, RULES)
    metrics.looked(snapshot())
    metrics.learn({"my-own": Severity.INFO})
    assert value(metrics, 'dockerdoctor_findings{rule="my-own",severity="info"}') == 0
    assert value(metrics, 'dockerdoctor_findings{rule="rss-high",severity="warning"}') is None
    assert value(metrics, 'dockerdoctor_incidents_total{rule="my-own"}') == 0


def test_incidents_and_attempts_are_counted_once_however_often_they_are_shown() -> None:
    metrics = Metrics(PROBES, RULES, ["restart"])
    climbed, cured = (
        f'dockerdoctor_{name}_total{{rung="restart"}}' for name in ("attempts", "cures")
    )
    assert value(metrics, climbed) == value(metrics, cured) == 0
    under_way = Attempt("restart", at(1).wall, Impact.DAEMON)
    over = Attempt("restart", at(1).wall, Impact.DAEMON, at(5).wall, False)
    passed = Attempt("prune", at(1).wall, Impact.NONE, at(1).wall, False, skipped=True)
    metrics.looked(snapshot())
    for shown in (incident("i1"), incident("i1", under_way), incident("i1", over, passed)):
        for _ in range(2):
            metrics.looked(snapshot(incidents=(shown,)))
    metrics.closed(replace(shown, closed=at(9).wall, outcome=Outcome.PASSED))
    assert value(metrics, 'dockerdoctor_incidents_total{rule="daemon-unresponsive"}') == 1
    assert value(metrics, 'dockerdoctor_incidents_closed_total{outcome="passed"}') == 1
    assert (value(metrics, climbed), value(metrics, cured)) == (1, 0)
    assert value(metrics, 'dockerdoctor_passed_over_total{rung="prune"}') == 1


def test_a_cure_is_counted_beside_its_attempt() -> None:
    metrics = busy()
    assert value(metrics, 'dockerdoctor_attempts_total{rung="restart"}') == 1
    assert value(metrics, 'dockerdoctor_cures_total{rung="restart"}') == 1


def test_what_an_earlier_watchdog_did_is_not_counted_again() -> None:
    metrics = Metrics(PROBES, RULES, ["restart"])
    before = Attempt("restart", at(-50).wall, Impact.DAEMON, at(-40).wall, False)
    metrics.looked(snapshot(incidents=(incident("i1", before, opened=-60),)))
    assert value(metrics, 'dockerdoctor_incidents_total{rule="daemon-unresponsive"}') == 0
    assert value(metrics, 'dockerdoctor_attempts_total{rung="restart"}') == 0


def test_a_loop_that_does_not_advance_is_not_healthy() -> None:
    metrics = Metrics(PROBES, pace_s=4)
    assert metrics.ready() == "not looked yet"
    metrics.looked(snapshot())
    metrics.looked(snapshot(seconds=10))
    assert metrics.ready() == ""
    assert value(metrics, "dockerdoctor_loop_lag_seconds") == 6
    assert metrics.healthy(at(250)) == ""
    assert metrics.healthy(at(251)) == "the last look was 241 s ago"


def test_openmetrics_names_the_incident_beside_its_duration() -> None:
    encode, content_type = choose_encoder("application/openmetrics-text; version=1.0.0")
    text = encode(busy().registry).decode()
    assert content_type.startswith("application/openmetrics-text")
    assert list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    assert 'dockerdoctor_incident_seconds_bucket{le="10.0"} 1.0 # {incident="i1"} 9.0' in text


def test_no_life_of_a_watchdog_has_more_series_than_the_docs_say() -> None:
    said = re.search(r"\*\*(\d+) series\*\* at most", (ROOT / "docs/metrics.md").read_text())
    assert said
    watchdog = metricsdoc.everything()
    for seconds, (why, probe) in enumerate(itertools.product(Fault, PROBES)):
        watchdog.looked(snapshot(sample(probe, seconds, why), seconds=seconds))
    for seconds, (reason, climbing) in enumerate(itertools.product(REASONS, RUNGS)):
        everything = [every_reading(probe, seconds) for probe in PROBES.values()]
        hold = Hold(reason, "why")
        watchdog.looked(snapshot(*everything, seconds=seconds, decision=hold, climbing=climbing))
    assert len([line for line in lines(watchdog) if line[0] != "#"]) == int(said[1])
