"""The pause file: what was written, what it means now, and what garbage means."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerdoctor.pausing import Pause, encode, parse, pause_path, paused, read

NOW = 1_800_000_000.0


def text(pause: Pause) -> str:
    return encode(pause).decode()


def test_without_a_file_nobody_is_paused(tmp_path: Path) -> None:
    assert paused(read(pause_path(tmp_path)), NOW) == ""


def test_a_pause_says_who_until_when_and_why() -> None:
    sentence = paused(text(Pause(NOW, NOW + 3600, "moving the data-root", "anna")), NOW)
    assert sentence.startswith("an operator (anna) wants no act until 20")
    assert sentence.endswith(": moving the data-root")


def test_a_pause_ends_by_itself() -> None:
    pause = text(Pause(NOW, NOW + 60))
    assert paused(pause, NOW + 59)
    assert paused(pause, NOW + 60) == ""


def test_a_clock_that_went_back_does_not_end_a_pause() -> None:
    assert paused(text(Pause(NOW, NOW + 60)), NOW - 86400)


def test_a_pause_without_an_end_ends_by_resume_only() -> None:
    assert "`dockerdoctor resume`" in paused(text(Pause(NOW)), NOW + 1e9)


def test_the_sentence_does_not_change_while_the_pause_lasts() -> None:
    pause = text(Pause(NOW, NOW + 60))
    assert paused(pause, NOW) == paused(pause, NOW + 30)


@pytest.mark.parametrize("garbage", ["{", "[]", "null", '{"since": "now"}', "\x00", "(empty)"])
def test_a_garbled_file_means_paused_and_says_so(garbage: str) -> None:
    assert "garbled" in paused(garbage, NOW)


def test_an_empty_file_means_paused(tmp_path: Path) -> None:
    pause_path(tmp_path).write_text("")
    assert "garbled" in paused(read(pause_path(tmp_path)), NOW)


def test_a_directory_in_its_place_means_paused(tmp_path: Path) -> None:
    pause_path(tmp_path).mkdir()
    assert "unreadable" in paused(read(pause_path(tmp_path)), NOW)


@given(st.text(), st.floats(allow_nan=True, allow_infinity=True))
def test_no_text_and_no_clock_make_it_fail(content: str, now: float) -> None:
    paused(content, now)


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=200))
def test_what_is_written_is_read_again(until: float, why: str) -> None:
    pause = Pause(NOW, until, why.encode("utf-8", "ignore").decode())
    assert parse(text(pause)) == pause
    assert isinstance(paused(text(pause), NOW), str)
