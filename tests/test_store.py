"""The record: what is written is read back, whatever happens to the process, file or disk."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockerdoctor import store as store_module
from dockerdoctor import storefile, storerows
from dockerdoctor.errors import StoreError, UsageError
from dockerdoctor.host.nouns import Container
from dockerdoctor.model import (
    Attempt,
    Fault,
    Impact,
    Incident,
    Instant,
    Outcome,
    Sample,
    Severity,
)
from dockerdoctor.store import Store, incident_id

WALL = 1_764_000_000.0
"""2025-11-24 16:00 UTC."""


def moment(seconds: float = 0.0) -> Instant:
    return Instant(WALL + seconds, 100.0 + seconds)


def incident(ident: str = "20251124-160000-aaaa", opened: float = WALL) -> Incident:
    return Incident(ident, opened, "daemon-unresponsive", "it is deaf", Severity.CRITICAL)


def sample(seconds: float, probe: str = "ping") -> Sample:
    return Sample(probe, moment(seconds), 0.01, {"latency_seconds": 0.01})


def opened(path: Path, seconds: float = 0.0) -> Store:
    return Store.open(path, moment(seconds))


def test_an_incident_is_read_back_as_it_was_told(tmp_path: Path) -> None:
    store = opened(tmp_path / "deep" / "record.sqlite")
    store.open_incident(incident())
    began = Attempt("dump-stacks", WALL + 1, Impact.NONE)
    store.began("20251124-160000-aaaa", began)
    store.skipped(
        "20251124-160000-aaaa",
        [Attempt("prune", WALL + 3, Impact.NONE, WALL + 3, False, True, "deaf", ())],
    )
    assert store.current_incident() == Incident(
        "20251124-160000-aaaa",
        WALL,
        "daemon-unresponsive",
        "it is deaf",
        Severity.CRITICAL,
        (began, Attempt("prune", WALL + 3, Impact.NONE, WALL + 3, False, True, "deaf", ())),
    )
    ended = Attempt("dump-stacks", WALL + 1, Impact.NONE, WALL + 2, False, False, "a", ("/e/x",))
    store.ended("20251124-160000-aaaa", ended)
    store.update("20251124-160000-aaaa", "no rung is left", Outcome.GAVE_UP)
    gave_up = store.current_incident()
    assert gave_up is not None
    assert (gave_up.outcome, gave_up.why) == (Outcome.GAVE_UP, "no rung is left")
    store.update("20251124-160000-aaaa", "still waiting")
    store.close("20251124-160000-aaaa", WALL + 9, Outcome.PASSED, "well again")
    assert store.current_incident() is None
    record = Store.read(store.path)
    [closed] = record.incidents()
    assert closed.attempts[0] == ended
    assert (closed.closed, closed.outcome, closed.why) == (WALL + 9, Outcome.PASSED, "well again")
    assert record.incident("20251124-160000-aaaa") == closed
    assert record.incident("20251124") is None


def test_the_budget_counts_costly_attempts_of_all_incidents(tmp_path: Path) -> None:
    store = opened(tmp_path / "record.sqlite")
    store.began("a", Attempt("restart", WALL - 100, Impact.DAEMON))
    store.began("b", Attempt("dump-stacks", WALL, Impact.NONE))
    store.skipped("b", [Attempt("restart", WALL + 1, Impact.DAEMON, skipped=True)])
    store.began("b", Attempt("sigkill", WALL + 2, Impact.CONTAINERS))
    costly = [(ident, attempt.rung) for ident, attempt in store.recent_attempts(WALL - 100)]
    assert costly == [("a", "restart"), ("b", "sigkill")]
    assert [ident for ident, _ in store.recent_attempts(WALL)] == ["b"]


def test_a_prefix_finds_one_incident_and_says_when_it_does_not(tmp_path: Path) -> None:
    store = opened(tmp_path / "record.sqlite")
    for ident in ("20251124-160000-aaaa", "20251124-160000-bbbb"):
        store.open_incident(incident(ident))
    assert store.find("20251124-160000-b").id == "20251124-160000-bbbb"
    with pytest.raises(UsageError, match="several incidents begin with 2025"):
        store.find("2025")
    with pytest.raises(UsageError, match="there is no incident 2024"):
        store.find("2024")
    with pytest.raises(UsageError, match="there is no incident %"):
        store.find("%")


def test_ids_sort_by_time_and_differ() -> None:
    ids = [incident_id(WALL) for _ in range(20)]
    assert len(set(ids)) > 15
    assert ids[0].startswith("20251124-160000-")
    assert incident_id(WALL) < incident_id(WALL + 1)


def test_a_calm_watch_keeps_one_sample_per_probe_in_15_s_and_writes_once_a_minute(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path / "record.sqlite")
    written = []
    for second in range(0, 124, 4):
        store.keep([sample(second), sample(second, "disk")], moment(second), urgent=False)
        written.append(len(Store.read(store.path).samples("ping")))
    assert written == [1] * 15 + [4] * 15 + [8]
    taken = [found.at.mono - 100 for found in store.samples("ping")]
    assert taken == [0, 16, 32, 48, 64, 80, 96, 112]


def test_an_urgent_look_writes_all_at_once_with_the_minute_before(tmp_path: Path) -> None:
    store = opened(tmp_path / "record.sqlite")
    for second in range(0, 40, 4):
        store.keep([sample(second)], moment(second), urgent=False)
    store.keep([sample(40)], moment(40), urgent=True)
    assert [found.at.mono - 100 for found in Store.read(store.path).samples()] == [*range(0, 44, 4)]
    assert len(store.samples(since=WALL + 20, until=WALL + 32)) == 4


def test_samples_older_than_two_days_or_from_a_wrong_clock_are_dropped(tmp_path: Path) -> None:
    store = opened(tmp_path / "record.sqlite")
    store.keep([sample(0), sample(10**8)], moment(10**8), urgent=True)
    store.keep([sample(1)], moment(1), urgent=True)
    store.keep([sample(48 * 3600 + 0.5)], moment(48 * 3600 + 0.5), urgent=True)
    assert [found.at.wall - WALL for found in store.samples()] == [1, 48 * 3600 + 0.5]


def test_the_ring_is_bounded_in_rows_and_the_file_gives_space_back(tmp_path: Path) -> None:
    path = tmp_path / "record.sqlite"
    store = opened(path)
    many = [sample(number / 1000) for number in range(20_000)]
    store.keep(many, moment(20), urgent=True)
    store.shut()
    full = path.stat().st_size
    database, _ = storefile.writable(path, moment())
    storefile.commit(database, storerows.drop_samples(0, math.inf, 100), durable=True)
    for _ in range(20):
        storefile.give_back_space(database)
    database.close()
    assert len(Store.read(path).samples()) == 100
    assert path.stat().st_size < full / 10


def test_facts_survive_a_restart_and_old_forms_are_not_known(tmp_path: Path) -> None:
    store = opened(tmp_path / "record.sqlite")
    running = (Container("c1", "web", "running", stop_timeout_s=3.0, networks=("bridge",)),)
    store.remember("running", running)
    store.remember("running", running)
    store.remember("live-restore", True)
    store.shut()
    again = opened(store.path)
    assert again.recall("running", tuple[Container, ...]) == running
    assert again.recall("live-restore", bool) is True
    assert again.recall("live-restore", dict[str, float]) is None
    assert again.recall("nothing", bool) is None


def test_half_characters_and_odd_numbers_are_kept_as_well_as_they_can_be(tmp_path: Path) -> None:
    store = opened(tmp_path / "record.sqlite")
    odd = Sample(
        "unit", moment(), 0.0, {"stop_timeout_seconds": math.inf, "word": "\udcff"}, detail="\udc80"
    )
    store.keep([odd], moment(), urgent=True)
    store.update("x", "\udcff")
    [kept] = store.samples()
    assert kept.readings == {"stop_timeout_seconds": math.inf, "word": "?"}
    assert kept.detail == "?"


values = st.one_of(
    st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=20)
)
times = st.floats(0, 4e9)
attempts = st.builds(
    Attempt,
    rung=st.sampled_from(["restart", "sigkill", "dump-stacks"]),
    began=times,
    impact=st.sampled_from(Impact),
    ended=st.none() | times,
    cured=st.none() | st.booleans(),
    skipped=st.booleans(),
    note=st.text(max_size=20),
    evidence=st.lists(st.text(max_size=10), max_size=2).map(tuple),
)
incidents = st.builds(
    Incident,
    id=st.text(min_size=1, max_size=20),
    opened=times,
    rule=st.text(max_size=10),
    says=st.text(max_size=10),
    severity=st.sampled_from(Severity),
    attempts=st.lists(attempts, max_size=4, unique_by=lambda a: (a.rung, a.began)).map(tuple),
    closed=st.none() | times,
    outcome=st.sampled_from(Outcome),
    why=st.text(max_size=10),
    evidence=st.dictionaries(st.text(max_size=10), values, max_size=3),
)
samples = st.builds(
    Sample,
    probe=st.text(max_size=10),
    at=st.builds(Instant, st.floats(WALL, WALL + 1000), times),
    took_s=times,
    readings=st.dictionaries(st.text(max_size=10), values, max_size=3),
    fault=st.none() | st.sampled_from(Fault),
    detail=st.text(max_size=20),
)


@given(incidents, st.lists(samples, max_size=5))
def test_every_value_goes_in_and_comes_out(told: Incident, taken: list[Sample]) -> None:
    database = storefile.in_memory()
    storefile.commit(
        database, storerows.put_incident(told) + storerows.put_samples(taken), durable=False
    )
    twice = storefile.in_memory()
    for _ in range(2):
        statements = storerows.everything(database, None)
        storefile.commit(twice, statements[: len(statements) - len(taken)], durable=False)
    storefile.commit(twice, storerows.put_samples(taken), durable=False)
    [row] = twice.execute("SELECT * FROM incident").fetchall()
    found = [
        storerows.attempt_of(entry)
        for entry in twice.execute("SELECT * FROM attempt ORDER BY rowid")
    ]
    assert storerows.incident_of(row, found) == told
    assert [storerows.sample_of(entry) for entry in twice.execute("SELECT * FROM sample")] == taken


CHILD = """
import sys, time
from pathlib import Path
from dockerdoctor.model import Attempt, Impact, Incident, Instant, Severity
from dockerdoctor.store import Store
store = Store.open(Path(sys.argv[1]), Instant(1764000000.0, 100.0))
store.open_incident(Incident("20251124-160000-aaaa", 1764000000.0, "r", "s", Severity.CRITICAL))
store.remember("live-restore", True)
store.began("20251124-160000-aaaa", Attempt("reboot", 1764000001.0, Impact.HOST))
print("began", flush=True)
time.sleep(600)
"""


def test_a_watchdog_killed_between_began_and_the_act_finds_its_attempt_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "record.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(store_module.__file__).parent.parent)},
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"began\n"
        child.send_signal(signal.SIGKILL)
        child.wait(60)
    before = sorted(entry.name for entry in tmp_path.iterdir())
    read = Store.read(path).current_incident()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before
    again = opened(path)
    found = again.current_incident()
    assert found is not None
    assert found == read
    assert [(attempt.rung, attempt.ended) for attempt in found.attempts] == [("reboot", None)]
    assert again.recall("live-restore", bool) is True
    assert [ident for ident, _ in again.recent_attempts(WALL)] == ["20251124-160000-aaaa"]


def test_reading_creates_nothing_and_says_when_there_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "record.sqlite"
    with pytest.raises(StoreError, match="there is no record at"):
        Store.read(path)
    assert list(tmp_path.iterdir()) == []
    store = opened(path)
    store.open_incident(incident())
    beside = Store.read(path)
    assert beside.current_incident() == incident()
    store.close("20251124-160000-aaaa", WALL + 1, Outcome.CURED, "well")
    assert beside.current_incident() is None
    store.shut()
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.sqlite"]
    assert len(beside.incidents()) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.sqlite"]
    again = opened(path)
    again.open_incident(incident("20251124-170000-bbbb"))
    assert len(beside.incidents()) == 2


@pytest.mark.parametrize(
    "content",
    [b"no database at all, but long enough to look like one" * 40, b"SQLite format 3\0" * 300],
)
def test_a_garbled_file_is_moved_aside_and_never_deleted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be read"):
        Store.read(path)
    store = opened(path)
    store.open_incident(incident())
    aside = tmp_path / "record.sqlite.garbled-20251124T160000Z"
    assert aside.read_bytes() == content
    [note] = store.notes
    assert "moved aside to record.sqlite.garbled-20251124T160000Z" in note
    assert store.trouble == ""
    assert Store.read(path).current_incident() == incident()
    store.shut()
    path.write_bytes(content)
    opened(path).shut()
    assert (tmp_path / "record.sqlite.garbled-20251124T160000Z-2").read_bytes() == content


def test_a_file_with_a_hole_and_somebody_elses_database_are_garbled_too(tmp_path: Path) -> None:
    path = tmp_path / "record.sqlite"
    store = opened(path)
    store.keep([sample(number / 100) for number in range(2000)], moment(20), urgent=True)
    store.shut()
    content = path.read_bytes()
    path.write_bytes(
        content[: len(content) // 2] + bytes(8192) + content[len(content) // 2 + 8192 :]
    )
    assert "garbled" in opened(path).notes[0]
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE theirs(x)")
    assert "somebody else's" in opened(foreign).notes[0]


def test_an_empty_file_is_a_new_record(tmp_path: Path) -> None:
    path = tmp_path / "record.sqlite"
    path.touch()
    store = opened(path)
    store.open_incident(incident())
    assert store.notes == []
    assert Store.read(path).current_incident() == incident()


def test_a_record_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "record.sqlite"
    opened(path).shut()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {storerows.VERSION + 1}")
    database.close()
    for use in (Store.read, opened):
        with pytest.raises(StoreError, match="newer dockerdoctor") as caught:
            use(path)
        assert "update dockerdoctor" in caught.value.hint
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.sqlite"]


def lose_the_disk(path: Path) -> None:
    """A file in the place of the directory: nothing can be opened, made or written there."""
    path.parent.rename(path.parent.with_name("away"))
    path.parent.touch()


def mend_the_disk(path: Path) -> None:
    path.parent.unlink()
    path.parent.with_name("away").rename(path.parent)


def test_a_file_deleted_beneath_the_watchdog_is_made_again_with_what_matters(
    tmp_path: Path,
) -> None:
    path = tmp_path / "record.sqlite"
    store = opened(path)
    store.open_incident(incident())
    for entry in tmp_path.iterdir():
        entry.unlink()
    store.began("20251124-160000-aaaa", Attempt("restart", WALL + 1, Impact.DAEMON))
    assert "somebody replaced" in store.trouble or "No such file" in store.trouble
    store.keep([], moment(59), urgent=False)
    assert store.trouble
    store.keep([], moment(60), urgent=False)
    assert store.trouble == ""
    found = Store.read(path).current_incident()
    assert found is not None
    assert [attempt.rung for attempt in found.attempts] == ["restart"]


ACTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["lose", "mend"]), st.just(0)),
        st.tuples(
            st.sampled_from(
                ["open", "began", "ended", "skipped", "update", "close", "remember", "keep"]
            ),
            st.integers(0, 2),
        ),
    ),
    max_size=25,
)


def act(store: Store, name: str, which: int, step: int) -> None:
    ident, at = f"i{which}", WALL + step
    if name in ("began", "ended", "skipped", "update", "close") and not store.incident(ident):
        store.open_incident(incident(ident, at))  # nobody climbs for one that was never opened
    attempt = Attempt(f"rung{which}", WALL + which, Impact.DAEMON)
    match name:
        case "open":
            store.open_incident(incident(ident, at))
        case "began":
            store.began(ident, attempt)
        case "ended":
            store.ended(ident, Attempt(f"rung{which}", WALL + which, Impact.DAEMON, at, False))
        case "skipped":
            store.skipped(ident, [Attempt("passed", at, Impact.NONE, skipped=True)])
        case "update":
            store.update(ident, f"step {step}")
        case "close":
            store.close(ident, at, Outcome.CURED, "well")
        case "remember":
            store.remember(ident, step)
        case _:
            store.keep([sample(step, ident)], moment(step), urgent=True)


def content(store: Store) -> tuple[object, ...]:
    record = Store.read(store.path)
    kept = record.incidents(1000)
    return (
        sorted(kept, key=lambda one: one.id),
        sorted((ident, one.rung, one.ended or 0) for ident, one in record.recent_attempts(0)),
        [record.recall(f"i{which}", int) for which in range(3)],
        sorted((one.probe, one.at.wall) for one in record.samples()),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(ACTS)
def test_whenever_the_disk_fails_and_comes_back_the_record_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]]
) -> None:
    base = tmp_path_factory.mktemp("fold")
    lucky, unlucky = opened(base / "lucky" / "r"), opened(base / "state" / "r")
    lost = False
    for step, (name, which) in enumerate(acts, start=1):
        if name in ("lose", "mend"):
            if lost != (name == "lose"):
                lost = not lost
                (lose_the_disk if lost else mend_the_disk)(unlucky.path)
            continue
        for store in (lucky, unlucky):
            act(store, name, which, step)
        assert lucky.current_incident() == unlucky.current_incident()
        assert [one for one, _ in lucky.recent_attempts(0)] == [
            one for one, _ in unlucky.recent_attempts(0)
        ]
        if lost:
            assert "carrying on in memory" in unlucky.trouble
    if lost:
        mend_the_disk(unlucky.path)
    for seconds in (1000, 1061):
        for store in (lucky, unlucky):
            store.keep([], moment(seconds), urgent=True)
    assert unlucky.trouble == ""
    assert content(lucky) == content(unlucky)
    for store in (lucky, unlucky):
        store.shut()
