"""Calls that may never return, at most one of a kind."""

from __future__ import annotations

import threading
import time

import pytest

from dockerdoctor.errors import HostFault
from dockerdoctor.host.lanes import MAX_HANGING, Lanes
from tests.sockets import LONG_S, eventually


def test_a_call_that_meets_another_in_good_time_waits_for_its_turn() -> None:
    lanes = Lanes()
    entered, go_on = threading.Event(), threading.Event()

    def first() -> str:
        entered.set()
        go_on.wait(LONG_S)
        return "first"

    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(lanes.run("x", first, LONG_S)))
    thread.start()
    entered.wait(LONG_S)
    second = threading.Thread(
        target=lambda: results.append(lanes.run("x", lambda: "second", LONG_S))
    )
    second.start()
    go_on.set()
    thread.join(LONG_S)
    second.join(LONG_S)
    assert sorted(results) == ["first", "second"]


def test_a_crowd_of_hanging_calls_is_not_joined() -> None:
    lanes = Lanes()
    end = threading.Event()
    for number in range(MAX_HANGING):
        with pytest.raises(HostFault):
            lanes.run(f"call {number}", lambda: end.wait(LONG_S), 0.01)
    with pytest.raises(HostFault, match="16 other calls hang"):
        lanes.run("one more", lambda: None, LONG_S)
    end.set()


def test_a_call_that_is_answered_after_all_was_slow_and_did_not_hang() -> None:
    lanes = Lanes()
    go_on = threading.Event()
    began = time.monotonic()
    with pytest.raises(HostFault):
        lanes.run("x", lambda: go_on.wait(LONG_S), 0.01)
    assert lanes.late_answer("x") < began
    go_on.set()
    eventually(lambda: lanes.late_answer("x") > began)
    lanes.run("x", lambda: None, LONG_S)
    assert lanes.late_answer("x") < began


def test_what_the_work_raises_comes_out_in_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        Lanes().run("x", lambda: 1 / 0, LONG_S)
