"""`heal`: one incident by hand. The plan first, then a question, then the climb and its proof."""

from __future__ import annotations

import enum
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from dockerdoctor.cli.options import Options

if TYPE_CHECKING:
    from dockerdoctor.cli.healing import End
    from dockerdoctor.cli.plan import Plan
    from dockerdoctor.cli.report import Looked
    from dockerdoctor.config import Config
    from dockerdoctor.watch import Knowledge


class MaxImpact(enum.StrEnum):
    """The most that may be lost."""

    NONE = "none"
    DAEMON = "daemon"
    CONTAINERS = "containers"
    HOST = "host"


def heal(
    ctx: typer.Context,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be done, do nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    only: Annotated[
        str, typer.Option(metavar="RUNG", help="This rung alone, whatever the ladder.")
    ] = "",
    max_impact: Annotated[
        MaxImpact | None,
        typer.Option(help="The most that may be lost.  [the policy of the configuration]"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Plan or record for programs.")] = False,
) -> int:
    """Heal the daemon by hand: show the plan, ask, climb, prove the cure, print the record.

    The same ladder as the watchdog's, gentle rungs first, evidence before anything is destroyed.
    While a watchdog runs it has its turn: pause it first. Ctrl-C ends it after the rung that is
    being climbed; twice, at once (the next heal or watchdog goes on with the incident).

    Exit code: 0 well, 1 not healed, 64 it had to ask and may not, 75 somebody else is at it,
    77 not root.

    \b
    Examples:
      dockerdoctor heal --plan
      dockerdoctor heal --max-impact daemon
      dockerdoctor heal --only sigkill --yes
    """
    from dockerdoctor import compose
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.looking import look

    options: Options = ctx.obj
    config = _allowing(options.load(), max_impact)
    address = options.own_address(config)
    known = _wanted(compose.knowledge(config), only)
    if not plan:
        _may_act(config)
        _may_ask(options, yes)
        _refuse_a_taken_turn(config)
    looked = look(address, config, known)
    plans = _plans(looked, known, config)
    if plan or not plans:
        return _show(looked, plans, config, json)
    terminal.say(_text(plans, looked, config, terminal.width()))
    if not yes and not _agreed(plans[0]):
        terminal.say("nothing was done")
        return 1
    return _climb(config, known, bool(only), json)


def _allowing(config: Config, max_impact: MaxImpact | None) -> Config:
    """The configuration with what a person may."""
    from dockerdoctor.cli.healing import by_hand
    from dockerdoctor.model import Impact

    wanted = None if max_impact is None else Impact[max_impact.name]
    return replace(config, policy=by_hand(config.policy, wanted))


def _wanted(known: Knowledge, rung: str) -> Knowledge:
    """The rules with their ladders, or with one rung alone."""
    from dockerdoctor.cli import healing
    from dockerdoctor.cli.suggest import one_of

    if not rung:
        return known
    one_of(rung, known.rungs, "rung", "heal --plan")
    return healing.only(known, rung)


def _may_act(config: Config) -> None:
    """Root signals and restarts; a bare daemon of one's own needs none."""
    if os.geteuid() != 0 and config.daemon.pidfile is None:
        from dockerdoctor.errors import NotPermitted

        raise NotPermitted(
            "healing must be done as root: it signals and restarts the daemon",
            "`sudo dockerdoctor heal`; `dockerdoctor heal --plan` needs no root",
        )


def _may_ask(options: Options, yes: bool) -> None:
    if not yes and (options.no_input or not sys.stdin.isatty()):
        from dockerdoctor.errors import UsageError

        raise UsageError(
            "heal asks before it acts, and there is nobody to ask",
            "say --yes, or see what it would do with --plan",
        )


def _refuse_a_taken_turn(config: Config) -> None:
    """Before anybody is asked anything. The lock itself is taken later, and decides."""
    from dockerdoctor import compose
    from dockerdoctor.host import lock

    if holder := lock.holder(compose.lock_path(config)):
        raise _busy(config, holder)


def _busy(config: Config, holder: str) -> Exception:
    """Who is at it, what it does, and how to have one's turn."""
    from dockerdoctor.cli.history import watchdog
    from dockerdoctor.errors import Busy
    from dockerdoctor.host import clock

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


def _plans(looked: Looked, known: Knowledge, config: Config) -> list[Plan]:
    """One for each finding that has a ladder, worst first."""
    from dockerdoctor.cli.history import last_known, watchdog
    from dockerdoctor.cli.plan import plan
    from dockerdoctor.declare import Scene
    from dockerdoctor.glance import at_once
    from dockerdoctor.judge import judge
    from dockerdoctor.model import Outcome

    about = watchdog(config, looked.now)
    judgement = judge(at_once(known.rules), looked.samples, None, looked.now, looked.declared)
    then = last_known(config, looked.now)
    scene = Scene(judgement.readings, config.policy, looked.running or then.running)
    plans = []
    for finding in judgement.verdict.findings:
        if finding.ladder:
            incident = about.incident_of(finding.rule)
            goes_on = incident is not None and incident.outcome is Outcome.OPEN
            climbed = [each.rung for each in incident.attempts] if incident and goes_on else []
            plans.append(plan(finding, scene, known.rungs, climbed, then.live_restore))
    return plans


def _text(plans: list[Plan], looked: Looked, config: Config, columns: int | None) -> str:
    from dockerdoctor.cli.plantext import plan_text

    evidence = str(config.watch.evidence)
    return "\n\n".join(plan_text(each, looked.declared, evidence, columns) for each in plans)


def _show(looked: Looked, plans: list[Plan], config: Config, json: bool) -> int:
    """The plans, or why there is none. 0 when well or planned, 1 when no rung helps."""
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.history import watchdog
    from dockerdoctor.cli.plantext import plan_json
    from dockerdoctor.cli.report import SCHEMA_VERSION, State, report
    from dockerdoctor.cli.reportjson import pretty
    from dockerdoctor.cli.reporttext import text

    found = report(looked, watchdog(config, looked.now))
    if json:
        listed = [plan_json(each) for each in plans]
        told = {"schema_version": SCHEMA_VERSION, "state": found.state, "says": found.says}
        terminal.emit_raw(pretty({**told, "plans": listed}))
    elif plans:
        terminal.emit(_text(plans, looked, config, terminal.width()))
    elif found.state is State.OK:
        terminal.emit(f"OK: nothing to heal: {found.says}")
    else:
        clock = terminal.clock_of(found.at)
        terminal.emit(text(found, looked.declared, clock, terminal.width()))
        terminal.say("no rung of a ladder helps here: do what is written above")
    return 0 if plans or found.state is State.OK else 1


def _agreed(plan: Plan) -> bool:
    """Ask on the terminal."""
    from dockerdoctor.cli.plan import COSTS

    sys.stderr.write(f"Climb it? At worst it costs {COSTS[plan.worst]}. [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _climb(config: Config, known: Knowledge, anew: bool, json: bool) -> int:
    """With the lock held and the record open: climb, and show what is on record then."""
    from dockerdoctor import compose
    from dockerdoctor.cli.healing import Ending
    from dockerdoctor.errors import Busy
    from dockerdoctor.host.lock import held, holder

    path = compose.lock_path(config)
    try:
        with held(path, "heal"):
            end, incidents = _climb_with(config, known, anew)
    except Busy as busy:
        raise _busy(config, holder(path)) from busy
    _show_record(config, end, incidents, json)
    return {Ending.WELL: 0, Ending.STOPPED: 130}.get(end.ending, 1)


def _climb_with(config: Config, known: Knowledge, anew: bool) -> tuple[End, list[str]]:
    """The end, and the ids of the incidents it was about."""
    from dockerdoctor import compose
    from dockerdoctor.cli import healing
    from dockerdoctor.cli.progress import Progress
    from dockerdoctor.host.signals import Patience
    from dockerdoctor.store import Store
    from dockerdoctor.watch import Hooks

    host = compose.host(config)
    store = Store.open(config.watch.record, host.now())
    healing.take_over(store, host.now().wall, anew)
    progress = Progress(lambda: host.now().mono)
    for note in store.take_notes():
        progress.say(note)
    closed: list[str] = []
    hooks = Hooks(progress.looked, closed=lambda each: closed.append(each.id), say=progress.say)
    watch = compose.watch(config, known, host, store, lambda: config.policy, hooks)
    patience = Patience(lambda: progress.say("it ends after this rung; Ctrl-C again: at once"))
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
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.incidents import story
    from dockerdoctor.cli.report import SCHEMA_VERSION
    from dockerdoctor.cli.reportjson import incident_json, pretty
    from dockerdoctor.host import clock
    from dockerdoctor.record import Record

    record = Record(config.watch.record)
    found = [each for each in map(record.incident, dict.fromkeys(incidents)) if each]
    terminal.say(f"{end.ending.value}: {end.why}")
    if json:
        told = {"schema_version": SCHEMA_VERSION, "ending": end.ending, "why": end.why}
        terminal.emit_raw(pretty({**told, "incidents": [incident_json(each) for each in found]}))
        return
    for each in found:
        terminal.emit(story(record, each, clock.now().wall))
