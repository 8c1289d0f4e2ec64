"""Goroutine dumps: real ones of real daemons, and what is no dump at all."""

from __future__ import annotations

import gzip
import io
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from dockerdoctor.stackjams import MAX_JAMS, Explanation, explain
from dockerdoctor.stacks import MAX_STACKS, NoDumpError, lines_of, read
from dockerdoctor.stacksigns import CONTAINERD, LOCK, SHIM, SIGNS
from tests.clirun import dockerdoctor

DUMPS = Path(__file__).parent / "dumps"
STUCK, SILENT, LOAD = (
    sorted(DUMPS.glob(f"dockerd-*-{name}.log.gz")) for name in ("stuck", "nocontainerd", "load")
)


def text_of(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def explained(text: str) -> Explanation:
    return explain(read(io.StringIO(text)))


def version(path: Path) -> str:
    return path.name.removesuffix(".log.gz")


def goroutine(number: int, state: str, *functions: str) -> str:
    frames = "".join(f"{each}\n\t/src/x.go:{place} +0x1d\n" for place, each in enumerate(functions))
    return f"goroutine {number} [{state}]:\n{frames}\n"


MAIN = goroutine(1, "chan receive", "main.main()").replace(
    "/src/x.go", "/src/cmd/dockerd/docker.go"
)
WAITER = (
    "sync.runtime_SemacquireMutex(0xc000001004?, 0x0?, 0x0?)",
    "sync.(*Mutex).lockSlow(0xc000001000)",
    "sync.(*Mutex).Lock(...)",
    "github.com/docker/docker/daemon.(*Daemon).ContainerInspect(0xc000002000)",
)


@pytest.mark.parametrize("path", STUCK, ids=version)
def test_a_stuck_container_is_told_with_who_holds_its_lock(path: Path) -> None:
    found = explained(text_of(path))
    assert found.dump.program == "dockerd"
    assert not found.dump.cut
    assert found.sign is not None
    assert found.sign.name == "container-waits-for-containerd"
    jam = found.jams[0]
    assert (jam.waits, jam.minutes >= 2) == (LOCK, True)
    assert jam.waiters >= 4
    assert "Inspect" in jam.places[0][0]
    assert jam.holder is not None
    assert jam.holder.function.endswith("killWithSignal")
    assert jam.holder.waits == CONTAINERD
    assert "#37910" in found.says


@pytest.mark.parametrize("path", SILENT, ids=version)
def test_a_silent_containerd_is_blamed_and_not_the_locks_that_wait_for_it(path: Path) -> None:
    found = explained(text_of(path))
    assert found.sign is not None
    assert found.sign.name == "containerd-silent"
    assert found.jams[0].waits == CONTAINERD
    assert found.jams[0].waiters >= 3
    assert any(jam.waits == LOCK for jam in found.jams)


def test_a_plugin_that_all_must_ask_first_is_blamed_and_not_the_daemon() -> None:
    text = text_of(DUMPS / "dockerd-20.10.24-authz.log.gz")
    found = explain(read(io.StringIO(text)), least=0)
    assert found.sign is not None
    assert found.sign.name == "authorization-plugin-silent"
    assert "4 wait for a channel in plugins.(*Client).callWithRetry" in found.says
    assert "an authorization plugin does not answer" in found.says


@pytest.mark.parametrize(
    "path", [*LOAD, *sorted(DUMPS.glob("containerd-*-load.log.gz"))], ids=version
)
def test_nothing_is_stuck_in_a_daemon_that_is_well(path: Path) -> None:
    found = explained(text_of(path))
    assert (found.jams, found.sign) == ((), None)
    assert "none of them stuck" in found.says
    assert path.name.startswith(found.dump.program)


@pytest.mark.parametrize("path", sorted(DUMPS.glob("containerd-*-stuck.log.gz")), ids=version)
def test_a_silent_shim_is_seen_in_containerd_too(path: Path) -> None:
    found = explained(text_of(path))
    assert found.dump.program == "containerd"
    assert found.sign is not None
    assert found.sign.name == "shim-silent"
    assert found.jams[0].waits == SHIM


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("path", STUCK[:1], ids=version)
def test_a_dump_cut_in_half_is_read_as_far_as_it_goes_and_said_to_be_cut(
    path: Path, share: float
) -> None:
    text = text_of(path)
    dump = read(io.StringIO(text[: int(len(text) * share)]))
    assert dump.cut
    assert 0 < dump.goroutines < read(io.StringIO(text)).goroutines


def test_equal_stacks_are_counted_whatever_their_addresses() -> None:
    text = MAIN + "".join(
        goroutine(number, "select", f"main.work({number:#x}, {{0xc0000{number:05x}, 0x3}})")
        for number in range(2, 1002)
    )
    dump = read(io.StringIO(text))
    assert (dump.goroutines, dump.stacks[0].count) == (1001, 1000)
    assert dump.stacks[0].functions == ("main.work",)
    assert len(dump.stacks[0].kept) < 100


def test_a_holder_is_known_by_the_address_of_the_lock() -> None:
    text = MAIN + "".join(
        goroutine(10 + each, "semacquire, 7 minutes", *WAITER) for each in range(3)
    )
    text += goroutine(
        50, "syscall, 8 minutes", "syscall.Lstat(0x1)", "main.strange(0xc000001000, 0x2)"
    )
    text += goroutine(
        51, "select, 9 minutes", "github.com/docker/docker/daemon.containerStart(0x1)"
    )
    jam = next(jam for jam in explained(text).jams if jam.waits == LOCK)
    assert (jam.address, jam.waiters, jam.minutes) == (0xC000001000, 3, 7)
    assert jam.holder is not None
    assert (jam.holder.number, jam.holder.of) == (50, 1)
    assert jam.sign is not None
    assert jam.sign.name == "mount-hangs"


def test_where_several_could_hold_a_lock_all_are_counted() -> None:
    start = "github.com/docker/docker/daemon.(*Daemon).containerStart(0xc000009000)"
    text = MAIN + goroutine(10, "sync.Mutex.Lock, 7 minutes", *WAITER)
    text += goroutine(50, "select, 7 minutes", start) + goroutine(51, "select, 8 minutes", start)
    text += goroutine(52, "select, 1 minutes", start)
    (jam,) = explained(text).jams
    assert jam.holder is not None
    assert (jam.holder.number, jam.holder.of) == (51, 2)


@pytest.mark.parametrize(
    ("functions", "kind"),
    [
        (("sync.runtime_SemacquireRWMutexR(0xc00000100c, 0x0)", "sync.(*RWMutex).RLock(...)"),
         "read lock"),
        (("sync.runtime_SemacquireRWMutex(0xc000001008?, 0x0)", "sync.(*RWMutex).Lock(...)"),
         "lock"),
        (("internal/sync.runtime_SemacquireMutex(0x7?)", "sync.(*RWMutex).Lock(0xc000001000)"),
         "lock"),
    ],
)  # fmt: skip
def test_every_kind_of_lock_is_known_by_one_address(functions: tuple[str, ...], kind: str) -> None:
    dump = read(io.StringIO(goroutine(1, "semacquire, 3 minutes", *functions, "main.f(0x1)")))
    assert [(lock.kind, lock.address) for lock in dump.locks] == [(kind, 0xC000001000)]


def test_a_crowd_is_a_jam_though_nobody_waits_for_long() -> None:
    events = "github.com/docker/docker/api/server/router/system.(*systemRouter).getEvents(0xc0)"
    text = MAIN + "".join(goroutine(each, "select", events) for each in range(2, 1002))
    found = explained(text)
    assert found.sign is not None
    assert found.sign.name == "event-clients"


def test_what_clients_wait_for_by_right_is_no_jam() -> None:
    wait = "docker/docker/api/server/router/container.(*containerRouter).postContainersWait(0x1)"
    served = "net/http.HandlerFunc.ServeHTTP(0x1)"
    assert not explained(MAIN + goroutine(7, "select, 900 minutes", wait, served)).jams


def test_another_go_program_is_read_and_said_to_be_another(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_text(goroutine(1, "chan receive, 90 minutes", "main.main()"))
    ran = dockerdoctor("explain", str(dump))
    assert ran.code == 0
    assert ran.out.startswith("[?] this is another Go program (/src/x.go)")
    assert json.loads(dockerdoctor("explain", "--json", str(dump)).out)["sign"] is None


def test_the_words_before_a_crash_are_kept() -> None:
    dump = read(io.StringIO("Nov 1 started\npanic: freepages: failed\n\n" + MAIN))
    assert dump.first_words == "panic: freepages: failed"


@pytest.mark.parametrize("content", [b"", b"hello\n", random.Random(1).randbytes(200_000)])
def test_rubbish_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(content)
    ran = dockerdoctor("explain", str(dump))
    assert (ran.code, ran.out) == (65, "")
    assert "is no goroutine dump" in ran.err


@given(data=some.data())
@settings(max_examples=60, deadline=None)
def test_a_garbled_dump_is_read_or_refused_and_nothing_else(data: some.DataObject) -> None:
    text = text_of(STUCK[0])[:20_000]
    for _ in range(data.draw(some.integers(1, 8))):
        place = data.draw(some.integers(0, len(text)))
        text = text[:place] + data.draw(some.text(max_size=40)) + text[place:]
    for least in (0, 1):
        assert explain(read(io.StringIO(text)), least).says


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    assert dockerdoctor("explain", str(tmp_path)).code == 74
    assert dockerdoctor("explain", str(tmp_path / "nope")).code == 74


def test_a_dump_is_read_from_stdin_and_from_gzip_cut_short(tmp_path: Path) -> None:
    told = dockerdoctor("explain", "-", given=text_of(STUCK[0]))
    assert told.out.startswith("[x] container-waits-for-containerd: ")
    assert "remedy  kill that container's shim" in told.out
    half = tmp_path / "half.gz"
    half.write_bytes(STUCK[0].read_bytes()[:4000])
    ran = dockerdoctor("explain", str(half))
    assert ran.code == 0
    assert "cut short" in ran.out


def test_memory_is_bounded_by_the_different_stacks() -> None:
    text = "".join(
        goroutine(each, "select", f"main.f{each}(0x1)") for each in range(MAX_STACKS + 50)
    )
    dump = read(io.StringIO(text))
    assert (dump.goroutines, len(dump.stacks)) == (MAX_STACKS + 50, MAX_STACKS)


def test_an_endless_line_comes_in_pieces_and_no_more_than_the_limit() -> None:
    assert [len(line) for line in lines_of(io.BytesIO(b"x" * 200_000), 150_000)] == [
        65536,
        65536,
        18928,
    ]
    with pytest.raises(NoDumpError):
        read(lines_of(io.BytesIO(b"goroutine " * 20_000)))


def test_every_sign_says_what_to_do_and_names_its_issues() -> None:
    for sign in SIGNS:
        assert sign.says and sign.remedy, sign.name
        assert all("#" in issue for issue in sign.issues), sign.name


def test_a_thousand_locks_are_not_a_thousand_searches() -> None:
    text = MAIN
    for each in range(2, 3000):
        own = [frame.replace("0xc000001000", hex(each << 40)) for frame in WAITER]
        text += goroutine(each, "semacquire, 7 minutes", *own)
    found = explained(text)
    assert len(found.dump.locks) == 2998
    assert len(found.jams) == MAX_JAMS
