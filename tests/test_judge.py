"""The fold from samples to a verdict, tested with values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dockerdoctor.judge import Condition, Judgement, Rule, judge
from dockerdoctor.model import Fault, Health, Sample, Severity
from tests.values import READINGS, at, rule, sample

DEAF = Condition("ping.answered", "==", False)
HEARS = Condition("ping.answered", "==", True)
LOW = Condition("disk.used_ratio", "<", 0.80)
UNIT = sample("unit", 0, active_state="active")


def looks(rules: tuple[Rule, ...], *samples: Sample) -> list[Judgement]:
    """Judge these ping samples one after the other."""
    judgements: list[Judgement] = []
    for each in samples:
        before = judgements[-1] if judgements else None
        known = {"unit": UNIT, each.probe: each}
        judgements.append(judge(rules, known, before, each.at, READINGS))
    return judgements


def rules_found(judgement: Judgement) -> list[str]:
    return [finding.rule for finding in judgement.verdict.findings]


def test_one_bad_look_never_fires_a_rule_that_asks_for_more() -> None:
    wary = rule(DEAF, for_s=0, looks=3)
    samples = [sample("ping", second, answered=False) for second in (0, 4, 8)]
    assert [rules_found(each) for each in looks((wary,), *samples)] == [[], [], ["a-rule"]]


def test_a_rule_fires_only_after_its_time() -> None:
    slow = rule(DEAF, for_s=8)
    samples = [sample("ping", second, answered=False) for second in (0, 4, 8)]
    assert [rules_found(each) for each in looks((slow,), *samples)] == [[], [], ["a-rule"]]


def test_what_is_certain_needs_two_looks_and_no_more() -> None:
    stopped = Condition("process.state", "==", "T")
    slow = rule(DEAF, for_s=8, looks=3, certain=(stopped,))
    judgement: Judgement | None = None
    for second, state, fires in ((0, "T", False), (1, "S", False), (2, "T", True)):
        known = {
            "unit": UNIT,
            "ping": sample("ping", second, answered=False),
            "process": sample("process", second, state=state),
        }
        judgement = judge((slow,), known, judgement, at(second), READINGS)
        assert bool(rules_found(judgement)) is fires


def test_what_was_certain_before_it_was_found_proves_nothing() -> None:
    stopped = Condition("process.state", "==", "T")
    slow = rule(DEAF, for_s=8, looks=3, certain=(stopped,))
    judgement: Judgement | None = None
    for second in (4, 5, 6):
        known = {
            "unit": UNIT,
            "ping": sample("ping", second, answered=False),
            "process": sample("process", 1, state="T"),
        }
        judgement = judge((slow,), known, judgement, at(second), READINGS)
        assert not rules_found(judgement)


def test_the_same_sample_seen_twice_is_one_look() -> None:
    wary = rule(DEAF, looks=2)
    only = sample("ping", 0, answered=False)
    assert rules_found(looks((wary,), only, only, only)[-1]) == []


def test_a_last_answer_seen_at_several_looks_is_one_good_look() -> None:
    plain = rule(DEAF, clear=(HEARS,))
    sick, last = sample("ping", 0, answered=False), sample("ping", 1, answered=True)
    counted = [each.watched["a-rule"].good for each in looks((plain,), sick, last, last, last)]
    assert counted == [0, 1, 1, 1]


def test_good_looks_count_in_a_row_and_only_those_that_show_something() -> None:
    plain = rule(DEAF, clear=(HEARS,))
    samples = [
        sample("ping", 0, answered=False),
        sample("ping", 1, answered=True),
        sample("ping", 2, answered=True),
        sample("ping", 3, Fault.DENIED),
        sample("ping", 4, answered=True),
    ]
    counted = [each.watched["a-rule"].good for each in looks((plain,), *samples)]
    assert counted == [0, 1, 2, 0, 1]


def test_neither_sick_nor_clear_is_no_good_look() -> None:
    full = rule(Condition("disk.used_ratio", ">=", 0.85), clear=(LOW,))
    samples = [sample("disk", n, used_ratio=each) for n, each in enumerate((0.9, 0.75, 0.82, 0.7))]
    counted = [each.watched["a-rule"].good for each in looks((full,), *samples)]
    assert counted == [0, 1, 0, 1]


def test_one_good_look_in_between_starts_the_count_again() -> None:
    wary = rule(DEAF, looks=2)
    answers = [False, True, False, True, False]
    samples = [sample("ping", n, answered=each) for n, each in enumerate(answers)]
    assert not any(rules_found(each) for each in looks((wary,), *samples))


def test_an_unseen_reading_neither_fires_nor_clears() -> None:
    plain = rule(DEAF)
    blind = sample("ping", 4, Fault.DENIED)
    fired, kept = looks((plain,), sample("ping", 0, answered=False), blind)
    assert rules_found(fired) == rules_found(kept) == ["a-rule"]
    assert rules_found(looks((plain,), blind)[0]) == []


def test_it_clears_by_its_own_conditions_and_not_before() -> None:
    low = Condition("disk.used_ratio", "<", 0.8)
    high = rule(Condition("disk.used_ratio", ">=", 0.85), clear=(low,))
    ratios = [0.86, 0.82, 0.81, 0.79]
    samples = [sample("disk", n, used_ratio=each) for n, each in enumerate(ratios)]
    assert [bool(rules_found(each)) for each in looks((high,), *samples)] == [
        True,
        True,
        True,
        False,
    ]


def test_clearing_takes_its_time_and_starts_again_when_interrupted() -> None:
    shy = rule(DEAF, clear=(HEARS,), clear_for_s=10)
    answers = [(0, False), (5, True), (10, False), (15, True), (20, True), (26, True)]
    samples = [sample("ping", second, answered=each) for second, each in answers]
    found = [bool(rules_found(each)) for each in looks((shy,), *samples)]
    assert found == [True, True, True, True, True, False]


def test_without_ping_or_unit_the_verdict_is_blind_whatever_else_was_found() -> None:
    full = rule(Condition("disk.used_ratio", ">=", 0.85))
    only_disk = {"disk": sample("disk", 0, used_ratio=0.9)}
    verdict = judge((full,), only_disk, None, at(0), READINGS).verdict
    assert verdict.health is Health.BLIND
    assert [finding.rule for finding in verdict.findings] == ["a-rule"]


def test_a_probe_that_fails_is_named_with_its_reason() -> None:
    samples = {"unit": UNIT, "ping": sample("ping", 0, Fault.DENIED)}
    assert judge((), samples, None, at(0)).verdict.unseen == ("ping: it said so",)


def test_the_worst_finding_comes_first_and_among_equals_the_one_that_can_be_healed() -> None:
    rules = (
        rule(DEAF, name="mild", severity=Severity.WARNING),
        rule(DEAF, name="told"),
        rule(DEAF, name="healed", ladder=("restart",)),
    )
    assert rules_found(looks(rules, sample("ping", 0, answered=False))[0]) == [
        "healed",
        "told",
        "mild",
    ]


def test_a_finding_says_its_readings_in_units_that_people_read() -> None:
    big = rule(Condition("process.rss_bytes", ">=", 1.0), says="uses {process.rss_bytes}")
    samples = {"unit": UNIT, "process": sample("process", 0, rss_bytes=4 * 1024**3)}
    found = judge((big,), samples, None, at(0), READINGS).verdict.findings[0]
    assert found.says == "uses 4 GiB"
    assert found.evidence == {"process.rss_bytes": 4 * 1024**3}


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=30))
def test_it_never_fires_without_enough_misses_in_a_row(answers: list[bool | None]) -> None:
    wary = rule(DEAF, looks=3, clear=(HEARS,))
    samples = [
        sample("ping", n, Fault.DENIED) if each is None else sample("ping", n, answered=each)
        for n, each in enumerate(answers)
    ]
    row = 0
    for each, judgement in zip(answers, looks((wary,), *samples), strict=True):
        fired = bool(rules_found(judgement))
        row = row + 1 if each is False else row if fired and each is None else 0
        assert not fired or row >= 3 or each is None
