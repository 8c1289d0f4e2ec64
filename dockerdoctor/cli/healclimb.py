"""The climb of `heal`: with the lock held and the record open, until it is well or gives up."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from dockerdoctor import compose
from dockerdoctor.around import Hooks, Knowledge
from dockerdoctor.cli import healing, terminal
from dockerdoctor.cli.healing import End, Ending
from dockerdoctor.cli.history import watchdog
from dockerdoctor.cli.incidents import story
from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
from dockerdoctor.cli.progress import Progress
from dockerdoctor.cli.report import Looked
from dockerdoctor.cli.reportjson import incident_json
from dockerdoctor.config import Config
from dockerdoctor.errors import Busy
from dockerdoctor.host import clock
from dockerdoctor.host.lock import held, holder
from dockerdoctor.host.signals import Patience
from dockerdoctor.record import Record
from dockerdoctor.store import Store

if TYPE_CHECKING:
    from dockerdoctor.cli.shapes import HealJson


def climb_now(
    config: Config,
    known: Knowledge,
    anew: Collection[str],
    json: bool,
    first: Looked | None = None,
) -> int:
    """With the lock held and the record open: climb, and show what is on record then. `anew` are
    the rules whose open incidents are closed first; `first` is a look that counts already."""
    path = compose.lock_path(config)
    try:
        with held(path, "heal"):
            end, incidents = _climb_with(config, known, anew, first)
    except Busy as taken:
        raise busy(config, holder(path)) from taken
    _show_record(config, end, incidents, json)
    return {Ending.WELL: 0, Ending.STOPPED: 130}.get(end.ending, 1)


def _climb_with(
    config: Config, known: Knowledge, anew: Collection[str], first: Looked | None
) -> tuple[End, list[str]]:
    """The end, and the ids of the incidents it was about."""
    host = compose.host(config)
    store = Store.open(config.watch.record, host.now())
    healing.take_over(store, host.now().wall, anew)
    patience = Patience()
    progress = Progress(lambda: host.now().mono, sys.stderr, lambda: patience.wished)
    for note in store.take_notes():
        progress.say(note)
    progress.say("looking closer: a rung is climbed only for what lasts")
    closed: list[str] = []
    hooks = Hooks(progress.looked, closed=lambda each: closed.append(each.id), say=progress.say)
    seen = first.samples if first else {}
    watch = compose.watch(config, known, host, store, lambda: config.policy, hooks, seen)
    if first:
        watch.saw(first.samples, first.now)
    try:
        end = healing.climb_until_well(
            watch, host.pause, lambda: host.now().mono, lambda: patience.wished, progress.say
        )
        return end, [*closed, *(each.id for each in watch.episodes.open.values())]
    finally:
        progress.done()
        patience.restore()
        store.shut()
        host.close()


def _show_record(config: Config, end: End, incidents: list[str], json: bool) -> None:
    record = Record(config.watch.record)
    found = [each for each in map(record.incident, dict.fromkeys(incidents)) if each]
    if not found or end.ending in (Ending.HELD, Ending.STOPPED):
        says = end.why.removeprefix(f"{end.ending.value}: ")
        terminal.say(f"{end.ending.value}: {says}")
    if json:
        told: HealJson = {
            "schema_version": SCHEMA_VERSION,
            "ending": end.ending,
            "why": end.why,
            "incidents": [incident_json(each) for each in found],
        }
        terminal.emit_raw(pretty(told))
        return
    for each in found:
        terminal.emit(story(record, each, clock.now().wall))


def busy(config: Config, holder: str) -> Exception:
    """Who is at it, what it does, and how to have one's turn."""
    pid, _, what = holder.partition(" ")
    at_work = watchdog(config, clock.now()).open
    doing = f": {at_work[0].why or at_work[0].says}" if at_work else ""
    if what == "watch":
        return Busy(
            f"the watchdog (pid {pid}) is on it{doing}",
            "to do it by hand: `dockerdoctor pause`, wait some seconds, then heal again; "
            "`dockerdoctor resume` gives it back",
        )
    return Busy(f"{what or 'somebody'} (pid {pid}) is at it{doing}", "wait for it to end")
