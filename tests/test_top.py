"""`top`: what one screen tells, how it fits, and the terminal that is as before when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.around import Knowledge
from dockerdoctor.cli.topjson import top_json
from dockerdoctor.cli.toplook import Looker
from dockerdoctor.cli.topscreen import screen
from dockerdoctor.cli.topsort import Sort
from dockerdoctor.cli.topview import Grower, History, View, ordered
from dockerdoctor.compose import watch_lock_path
from dockerdoctor.config import Config
from dockerdoctor.host.address import for_watchdog
from dockerdoctor.host.lock import held
from dockerdoctor.host.nouns import Container, Place
from dockerdoctor.model import Attempt, Impact, Incident, Severity
from dockerdoctor.store import Store
from tests import stock
from tests.clirun import PATIENCE_S, dockerdoctor, write_config
from tests.fakehost import FakeHost, disk_use
from tests.looks import settled
from tests.story import RULES
from tests.terminals import Terminal
from tests.values import PROBES, RUNGS, at, sample

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
KNOWN = Knowledge(PROBES, RUNGS, RULES)


def clock(wall: float) -> str:
    return f"T{wall - at(0).wall:.0f}"


def configured(directory: Path) -> Config:
    config = Config()
    watch = replace(config.watch, state_dir=directory / "state", run_dir=directory / "run")
    return replace(config, watch=watch)


def looker(host: FakeHost, directory: Path) -> Looker:
    config = configured(directory)
    return Looker(config, for_watchdog(config.daemon.host), KNOWN, host)


def shown(view: View, columns: int | None = 80, rows: int | None = 23) -> str:
    return "\n".join(screen(view, clock, Sort.GROWTH, columns, rows))


def line_of(text: str, beginning: str) -> str:
    return next(line for line in text.splitlines() if beginning in line)


# One screen.


def test_the_five_vitals_stand_with_their_thresholds_under_the_verdict(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.all_containers = [Container("1", "web", "running")]
    text = shown(looker(host, tmp_path).look(60))
    assert text.startswith("OK: answers in 2 ms, RSS 90 MiB, disk 50 %")
    assert line_of(text, "socket response").split()[:5] == ["[ok]", "socket", "response", "2", "ms"]
    assert "4 GiB     6 GiB" in line_of(text, "RSS of dockerd")
    assert "none lately      30 s" in line_of(text, "container start")
    assert line_of(text, "failed starts").split()[-3:] == ["0", "5", "-"]
    assert "85 %      95 %" in line_of(text, "data-root ")
    assert "holds: well, nothing to do" in text
    assert "no watchdog" in text


def test_a_hung_daemon_shows_its_ladder_and_who_must_climb_it(tmp_path: Path) -> None:
    host = settled(tmp_path)
    look = looker(host, tmp_path)
    look.look(60)
    host.dockerd_process.frozen = True
    host.advance(60)
    text = shown(look.look(60))
    assert text.startswith("CRITICAL: dockerd runs and does not answer")
    assert line_of(text, "socket response").startswith("[x]")
    assert "no answer" in line_of(text, "socket response")
    assert "next: dump-stacks (no watchdog runs: `dockerdoctor heal`)" in text
    assert "dump-stacks > restart" in line_of(text, "ladder")
    assert host.ledger == []


def test_what_the_watchdog_holds_and_climbs_is_told_beside_it(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.dockerd_process.frozen = True
    config = configured(tmp_path)
    now = host.now()
    store = Store.open(config.watch.record, now)
    climbed = Attempt("dump-stacks", now.wall - 9, Impact.NONE, now.wall - 8, False)
    under_way = Attempt("restart", now.wall - 7, Impact.CONTAINERS)
    open_one = Incident(
        "20270115-x", now.wall - 20, "daemon-unresponsive", "it hangs", Severity.CRITICAL
    )
    store.open_incident(open_one)
    store.skipped(open_one.id, [climbed, under_way])
    seen = replace(sample("events", 0, starts=7, events=40, alive=True), at=now)
    store.keep([seen], now, urgent=True)
    with held(watch_lock_path(config), "watch"):
        view = looker(host, tmp_path).look(60)
    text = shown(view)
    assert f"watchdog pid {os.getpid()} (wrote just now)" in text
    assert "climbing: restart, for 7 s" in text
    assert "climbed  dump-stacks (1 s), restart (under way)" in text
    assert "4 of 5 costly climbs left in 20 min" in text
    assert "7 starts seen" in text
    store.shut()


def test_a_hold_is_told_with_its_reason(tmp_path: Path) -> None:
    host = settled(tmp_path)
    host.operator_stops()
    text = shown(looker(host, tmp_path).look(60), None, None)
    assert "holds: stopped: docker.service was stopped on purpose" in text


def test_the_growth_of_a_log_is_that_of_the_looks_so_far(tmp_path: Path) -> None:
    host = settled(tmp_path)
    image = stock.image("app", ["base"])
    box = stock.box("web", image, "running")
    host.stock = replace(stock.survey([image], [box], logs={"web": stock.MIB}), taken=1000.0)
    look = looker(host, tmp_path)
    assert "?" in line_of(shown(look.look(60)), "log of web")
    host.advance(60)
    host.stock = replace(stock.survey([image], [box], logs={"web": 3 * stock.MIB}), taken=1060.0)
    view = until(lambda: look.look(60), lambda seen: "120 MiB/h" in shown(seen))
    assert "3 MiB" in line_of(shown(view), "log of web")


def until(again: Callable[[], View], good: Callable[[View], bool]) -> View:
    """What `again` gives once it is good: logs are looked at in a thread."""
    deadline = time.monotonic() + PATIENCE_S
    while not good(seen := again()):
        assert time.monotonic() < deadline, shown(seen)
        time.sleep(0.02)
    return seen


@pytest.mark.parametrize(("columns", "rows"), [(80, 23), (60, 16), (40, 6), (200, 60)])
def test_a_screen_fits_its_terminal_however_much_there_is_to_tell(
    tmp_path: Path, columns: int, rows: int
) -> None:
    host = settled(tmp_path)
    host.dockerd_process.frozen = True
    path = host.all_places[Place.DATA_ROOT]
    host.disks[path] = disk_use(path, used_ratio=0.97, inodes_used_ratio=0.99)
    image = stock.image("app", ["base"])
    boxes = [stock.box(f"{'very-long-name-' * 5}{each}", image) for each in range(50)]
    host.stock = stock.survey([image], boxes, logs={box.id: stock.MIB for box in boxes})
    view = looker(host, tmp_path).look(60)
    lines = screen(view, clock, Sort.SIZE, columns, rows)
    assert max(len(line) for line in lines) <= columns
    if rows > 20:
        assert len(lines) <= rows
        assert any(line.startswith("GROWS") for line in lines)
    assert lines[0].startswith("CRITICAL: ")


def test_growers_are_sorted_as_wished() -> None:
    fast, large, other = Grower("b", 1, 9.0), Grower("c", 9, 1.0), Grower("a", 5)
    every = [other, large, fast]
    assert ordered(every, Sort.GROWTH) == [fast, large, other]
    assert ordered(every, Sort.SIZE) == [large, other, fast]
    assert ordered(every, Sort.NAME) == [other, fast, large]
    assert [each.next for each in Sort] == [Sort.SIZE, Sort.NAME, Sort.GROWTH]


def test_what_root_alone_may_take_is_not_used_space(tmp_path: Path) -> None:
    host = settled(tmp_path)
    path = host.all_places[Place.DATA_ROOT]
    host.disks[path] = replace(disk_use(path, used_ratio=0.5), free_bytes=25_000_000_000)
    grown = {each.name: each.bytes for each in looker(host, tmp_path).look(60).growers}
    assert grown["disk of the data-root"] == 25_000_000_000


def test_rates_are_of_the_last_minute_and_a_counter_that_began_anew_has_none() -> None:
    history = History()
    assert history.rate("events.events") is None
    history.see([sample("events", each, events=each * 2) for each in range(0, 200, 8)])
    history.see([sample("events", 8, events=1_000_000)])  # known already
    assert history.rate("events.events") == 2.0
    assert history.per_hour("events.events") == 7200.0
    history.see([sample("events", 208, events=3)])
    assert history.rate("events.events") is None
    before = history.copy()
    history.forget(["events"])
    assert history.rate("events.events") is None
    assert before.span_s() == 208.0
    history.see([sample("events", 5000, events=3)])
    assert history.span_s() == 0.0  # the hour before is forgotten


def test_json_has_the_same_and_times_in_utc(tmp_path: Path) -> None:
    told = json.loads(top_json(looker(settled(tmp_path), tmp_path).look(60), Sort.SIZE))
    assert [each["name"] for each in told["vitals"]][:2] == ["socket response", "RSS of dockerd"]
    assert told["vitals"][1]["critical"] == 6 << 30
    assert told["decision"] == {"kind": "hold", "reason": "well", "rung": None, "why": "well"}
    assert told["at"].endswith("Z")


# The command.


@pytest.mark.parametrize("words", [["top", "--once"], ["top"]])
def test_one_screen_without_escape_codes_when_piped(tmp_path: Path, words: list[str]) -> None:
    ran = dockerdoctor(*words, config=write_config(tmp_path), env={"COLUMNS": "40"})
    assert (ran.code, ran.err) == (0, "")
    assert "\x1b" not in ran.out
    assert "VITAL" in ran.out
    assert "GROWS" in ran.out


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    seat = Terminal(write_config(tmp_path), "top")
    try:
        yield seat
    finally:
        seat.destroy()


def restored(seat: Terminal) -> bool:
    """Whether the terminal is as it was: its modes, the cursor, the screen of before."""
    last = seat.text.rfind(LEAVE)
    return (
        termios.tcgetattr(seat.slave) == seat.before
        and last > seat.text.rfind(ENTER) >= 0
        and seat.text.rfind("\x1b[?25h") > seat.text.rfind("\x1b[?25l")
        and "Traceback" not in seat.text
    )


def test_q_quits_and_the_terminal_is_as_before(terminal: Terminal) -> None:
    terminal.shows("VITAL")
    terminal.types("q")
    assert terminal.ends() == 0
    assert restored(terminal)


def test_keys_sort_and_pause_the_display(terminal: Terminal) -> None:
    terminal.shows("VITAL")
    terminal.types("s")
    terminal.shows("now: size")
    terminal.types("p")
    terminal.shows("THE DISPLAY IS PAUSED")
    terminal.types("\x1b[Ap")  # an arrow is no key of ours
    terminal.text = ""
    terminal.shows("p pause the display")
    terminal.types("q")
    assert terminal.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_as_before(terminal: Terminal, number: int) -> None:
    terminal.shows("VITAL")
    terminal.child.send_signal(number)
    assert terminal.ends() == 128 + number
    assert restored(terminal)


def test_ctrl_c_is_a_signal_of_the_terminal(terminal: Terminal) -> None:
    terminal.shows("VITAL")
    terminal.types("\x03")
    assert terminal.ends() == 130
    assert restored(terminal)


def test_another_size_is_another_drawing(terminal: Terminal) -> None:
    terminal.shows("VITAL")
    terminal.resize(40, 120)
    terminal.shows(r"\x1b\[H([^\n]*\n){39}[^\n]*q quit")


def test_a_terminal_that_closes_ends_it(terminal: Terminal) -> None:
    terminal.shows("VITAL")
    terminal.closes()
    assert terminal.child.wait(PATIENCE_S) == 128 + signal.SIGHUP


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(terminal: Terminal) -> None:
    terminal.shows("VITAL")
    terminal.types("\x1a")
    terminal.shows(re.escape(LEAVE))
    _, status = os.waitpid(terminal.child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert restored(terminal)
    terminal.text = ""
    terminal.child.send_signal(signal.SIGCONT)
    terminal.shows("VITAL")
    terminal.types("q")
    assert terminal.ends() == 0


def test_without_colour_the_screen_says_the_same(tmp_path: Path) -> None:
    plain = Terminal(write_config(tmp_path), "top", NO_COLOR="1")
    try:
        plain.shows("VITAL")
        plain.types("q")
        assert plain.ends() == 0
        assert not re.search(r"\x1b\[\d*(;\d+)*m", plain.text)
        assert re.search(r"\[(x|!|\?|ok)\]", plain.text)
    finally:
        plain.destroy()
