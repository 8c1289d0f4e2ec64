"""Numbers with units, in and out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerdoctor.model import Value
from dockerdoctor.units import (
    parse,
    parse_bytes,
    parse_ratio,
    parse_seconds,
    plain,
    plain_bytes,
    plain_ratio,
    plain_seconds,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512),
        ("0", 0),
        ("17 B", 17),
        ("4GiB", 4 * 2**30),
        ("4 gib", 4 * 2**30),
        ("4GB", 4e9),
        ("1.5MB", 1.5e6),
        ("10m", 10 * 2**20),
        ("10M", 10 * 2**20),
        ("1k", 1024),
        ("2TiB", 2 * 2**40),
    ],
)
def test_sizes_are_read_as_docker_reads_them(text: str, size: float) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "4 X", "4iB", "1e5", "4GiBs", "4,5GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size: write it like 4GiB"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5min", 300),
        ("5m", 300),
        ("1h30m", 5400),
        ("1 min 35 s", 95),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("2d", 172800),
        ("10us", 1e-5),
        ("infinity", math.inf),
    ],
)
def test_durations_are_read_as_go_and_systemd_write_them(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "-3s", "3 x", "3s!", "3S", "1h 30", "1h,30m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration: write it like 30s"):
        parse_seconds(text)


def test_shares_are_read_with_and_without_a_percent_sign() -> None:
    assert parse_ratio("85%") == parse_ratio("85 %") == parse_ratio("0.85") == 0.85
    with pytest.raises(ValueError, match="is no share"):
        parse_ratio("85 pc")


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, True),
        (3, 3.0),
        (0.85, 0.85),
        ("4GiB", 4 * 2.0**30),
        ("30s", 30.0),
        ("10m", 600.0),
        ("10MB", 1e7),
        ("4G", 4 * 2.0**30),
        ("85%", 0.85),
        ("-2", -2.0),
        ("failed", "failed"),
        ("start-limit-hit", "start-limit-hit"),
        ("20.10.24", "20.10.24"),
        ("", ""),
        ("D", "D"),
    ],
)
def test_a_rules_value_is_a_number_with_a_unit_or_a_word(value: Value, meant: Value) -> None:
    parsed = parse(value)
    assert parsed == meant
    assert type(parsed) is type(meant)


@pytest.mark.parametrize("text", ["4GX", "30 secs", "85%%", "1h30", "-5s", "5 apples"])
def test_a_number_with_an_unknown_unit_is_a_mistake_and_no_word(text: str) -> None:
    with pytest.raises(ValueError, match="has no unit that is known"):
        parse(text)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (4 * 2**30, "bytes", "4 GiB"),
        (4.3 * 2**30, "bytes", "4.3 GiB"),
        (512 * 2**20, "bytes", "512 MiB"),
        (1023.99 * 2**20, "bytes", "1 GiB"),
        (17, "bytes", "17 B"),
        (-2048, "bytes", "-2 KiB"),
        (0, "bytes", "0 B"),
        (0.0123, "seconds", "12 ms"),
        (0, "seconds", "0 ms"),
        (0.9999, "seconds", "1 s"),
        (1.54, "seconds", "1.5 s"),
        (0.004, "s", "4 ms"),
        (59.97, "seconds", "1 min"),
        (95, "seconds", "1 min 35 s"),
        (3600, "seconds", "1 h"),
        (7500, "seconds", "2 h 5 min"),
        (3 * 86400 + 4 * 3600 + 50, "seconds", "3 d 4 h"),
        (math.inf, "seconds", "for ever"),
        (0.85, "ratio", "85 %"),
        (0.8531, "ratio", "85.3 %"),
        (0.99999, "ratio", "99.9 %"),
        (0.00001, "ratio", "0.1 %"),
        (0, "ratio", "0 %"),
        (1, "ratio", "100 %"),
        (10041, "", "10,041"),
        (1.5, "", "1.50"),
        (3, "restarts", "3 restarts"),
        (True, "", "yes"),
        (False, "", "no"),
        ("failed", "", "failed"),
        (math.nan, "bytes", "not known"),
    ],
)
def test_readings_are_written_for_people(value: Value, unit: str, text: str) -> None:
    assert plain(value, unit) == text


@given(st.floats(0, 2**49))
def test_a_size_that_is_written_is_read_as_about_the_same(size: float) -> None:
    assert parse_bytes(plain_bytes(size)) == pytest.approx(size, rel=0.051, abs=0.51)


@given(st.floats(0.001, 1e8))
def test_a_duration_that_is_written_is_read_as_about_the_same(seconds: float) -> None:
    assert parse_seconds(plain_seconds(seconds)) == pytest.approx(seconds, rel=0.051, abs=0.0006)


@given(st.floats(0, 1))
def test_a_share_that_is_written_is_read_as_about_the_same(ratio: float) -> None:
    assert parse_ratio(plain_ratio(ratio)) == pytest.approx(ratio, abs=0.0011)


@given(st.text(max_size=12))
def test_any_text_is_parsed_or_refused_with_a_sentence(text: str) -> None:
    try:
        parse(text)
    except ValueError as error:
        assert "write sizes like" in str(error)
