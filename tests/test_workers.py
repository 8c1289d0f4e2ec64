"""Threads that are used again, whatever becomes of the work they were given."""

from __future__ import annotations

import threading

from dockerdoctor.host import workers

PATIENCE_S = 60.0


def thread_of(name: str, hold: threading.Event | None = None) -> int:
    """Who did a piece of work, once it is done (or has begun, where it holds)."""
    done = threading.Event()
    found: list[tuple[int, str]] = []

    def work() -> None:
        found.append((threading.get_ident(), threading.current_thread().name))
        done.set()
        if hold is not None:
            hold.wait(PATIENCE_S)

    workers.run(work, name)
    assert done.wait(PATIENCE_S)
    assert found[0][1] == name
    return found[0][0]


def test_many_pieces_of_work_one_after_the_other_need_few_threads() -> None:
    before = threading.active_count()
    for number in range(200):
        thread_of(f"work-{number}")
    # One that has done its work may not be back yet when the next is given out: a few more.
    assert threading.active_count() < before + 50


def test_work_that_hangs_keeps_no_other_waiting() -> None:
    go_on = threading.Event()
    hanging = {thread_of(f"hangs-{number}", go_on) for number in range(3 * workers.KEPT)}
    assert len(hanging) == 3 * workers.KEPT
    assert thread_of("free") not in hanging
    go_on.set()
