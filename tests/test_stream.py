"""The bytes of an event stream: lines, and what is no event."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerdoctor.host.stream import MAX_EVENT, Lines, decode


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b'{"Type":"container","Action":"start","timeNano":1}',
        b'{"Type":"container","Action":"start","Actor":null,"timeNano":1}',
        b'{"Type":"container","Action":"start","Actor":{"ID":7},"timeNano":1}',
        b'{"Type":"container","Action":"start","Actor":{"ID":"x"},"timeNano":-1}',
        b'{"Type":"container","Action":"start","Actor":{"ID":"x"},"timeNano":1e300}',
        b'{"Type":"container","Action":"start","Actor":{"ID":"x"},"timeNano":99999999999999999999}',
        b'{"Type":"container","Action":"start","Actor":{"ID":"x","Attributes":[]},"timeNano":1}',
        b'{"Type":"container","Action":"st\xffart","Actor":{"ID":"x"},"timeNano":1}',
        b'{"Type":"container","Action":"start","Actor":{"ID":"' + b"x" * 300 + b'"},"timeNano":1}',
        b'{"Type":"container","Action":"start","Actor":{"ID":"x"},"x":' + b"[" * 100_000,
    ],
)
def test_a_line_that_no_daemon_would_send_is_no_event(line: bytes) -> None:
    assert decode(line) is None


def test_labels_and_odd_names_are_no_trouble() -> None:
    labels = {f"label{n}": "x" * 50 for n in range(1000)} | {"name": "--help", "container": "y"}
    actor = {"ID": "x", "Attributes": labels}
    line = {"Type": "container", "Action": "start", "Actor": actor, "timeNano": 5}
    event = decode(json.dumps(line).encode())
    assert event is not None
    assert (event.ident, event.name) == ("x", "--help")


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40)), st.integers(1, 30))
def test_lines_are_cut_alike_however_they_arrive(chunks: list[bytes], step: int) -> None:
    data = b"".join(chunks) + b"\n"
    lines = Lines(MAX_EVENT)
    cut = [line for i in range(0, len(data), step) for line in lines.feed(data[i : i + step])]
    assert cut == [line for line in data.split(b"\n") if line]


def test_a_line_without_end_is_dropped_and_the_next_one_read() -> None:
    lines = Lines(longest=100)
    assert lines.feed(b"a\n" + b"x" * 80) == [b"a"]
    assert lines.feed(b"x" * 80) == []
    assert lines.feed(b"x" * 1000) == []
    assert lines.feed(b"x\nb\n") == [b"b"]
    assert (lines.take_dropped(), lines.take_dropped()) == (1, 0)
