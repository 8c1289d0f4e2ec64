"""`heal`: one incident by hand. The plan first, then a question, then the climb and its proof."""

from __future__ import annotations

import enum
import os
from typing import TYPE_CHECKING, Annotated

import typer

from dockerdoctor.cli.options import Options

if TYPE_CHECKING:
    from dockerdoctor.around import Knowledge
    from dockerdoctor.config import Config


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
    emergency: Annotated[
        bool, typer.Option("--emergency", help="The shortest safe way back; see above.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Plan or record for programs.")] = False,
) -> int:
    """Heal the daemon by hand: plan, question, climb, proof.

    The same ladder as the watchdog's, gentle rungs first, evidence before anything is destroyed.
    While a watchdog runs it has its turn: pause it first. Ctrl-C ends it after the rung that is
    being climbed; twice, at once (the next heal or watchdog goes on with the incident).

    --emergency is for 3 AM: the shortest safe way back. Evidence first, then the first rung that
    can help: what cannot (a restart of a daemon that is frozen, or that was told to stop already)
    is passed over, no stop is waited for longer than dockerd itself promises, a start limit is
    forgiven once. Its end, where all else has failed, is what people do by hand: kill -9 dockerd,
    containerd and its shims (each by pid and start time), start again; every container ends by
    that, and what ran is started again. It asks once, and says what it costs. It never touches a
    volume, never reboots, waits for a package upgrade, and leaves alone what an operator has
    stopped and what the kernel or a debugger holds.

    Exit code: 0 well, 1 not healed, 64 it had to ask and may not, 75 somebody else is at it,
    77 not root.

    \b
    Examples:
      dockerdoctor heal --plan
      dockerdoctor heal --max-impact daemon
      dockerdoctor heal --only sigkill --yes
      dockerdoctor heal --emergency
    """
    from dockerdoctor import compose
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.asking import agreed
    from dockerdoctor.cli.healclimb import climb_now
    from dockerdoctor.cli.healing import hurried
    from dockerdoctor.cli.healplan import left_open, plans_for, plans_text, show
    from dockerdoctor.cli.looking import look, look_with

    options: Options = ctx.obj
    if emergency and only:
        raise _either_or()
    config = _allowing(options.load(), max_impact, emergency)
    address = options.own_address(config)
    known = _wanted(compose.knowledge(config), only, emergency)
    if not plan:
        _may_act(config)
        _may_ask(options, yes)
        _refuse_a_taken_turn(config)
    view = compose.host(config, address)
    looked = look_with(view, address, config, known)
    plans = plans_for(looked, known, config, view)
    if plan or not (plans or left_open(looked, config)):
        return show(looked, plans, config, json)
    if plans:
        if emergency:
            terminal.say(EMERGENCY)
        terminal.say(plans_text(plans, looked, config, terminal.width()))
        if not yes and not agreed(f"Climb it? At worst it costs {plans[0].costs}."):
            terminal.say("nothing was done")
            return 1
    anew = [each.finding.rule for each in plans if only or each.anew]
    if not emergency:
        return climb_now(config, known, anew, json)
    seen = [each.finding.rule for each in plans]
    again = look(address, config, known)  # whoever was asked may have thought for an hour
    return climb_now(config, hurried(known, seen), anew, json, first=again)


EMERGENCY = """\
EMERGENCY: the shortest safe way back. It ends with the first rung that cures.
No volume is touched. Why it is ill: `dockerdoctor diagnose`.
"""


def _either_or() -> Exception:
    from dockerdoctor.errors import UsageError

    return UsageError(
        "--emergency has its own ladder, and --only is one rung",
        "say one of them",
    )


def _allowing(config: Config, max_impact: MaxImpact | None, emergency: bool) -> Config:
    """The configuration with what a person may."""
    from msgspec.structs import replace

    from dockerdoctor.cli.healing import by_hand
    from dockerdoctor.model import Impact

    wanted = None if max_impact is None else Impact[max_impact.name]
    return replace(config, policy=by_hand(config.policy, wanted, emergency))


def _wanted(known: Knowledge, rung: str, emergency: bool) -> Knowledge:
    """The rules with their ladders, with those of an emergency, or with one rung alone."""
    from dockerdoctor.cli import healing
    from dockerdoctor.cli.suggest import one_of

    if not rung:
        return healing.emergency(known) if emergency else known
    one_of(rung, known.rungs, "rung")
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
    from dockerdoctor.cli.asking import may_ask

    if not yes and not may_ask(options):
        from dockerdoctor.errors import UsageError

        raise UsageError(
            "heal asks before it acts, and there is nobody to ask",
            "say --yes, or see what it would do with --plan",
        )


def _refuse_a_taken_turn(config: Config) -> None:
    """Before anybody is asked anything. The lock itself is taken later, and decides."""
    from dockerdoctor import compose
    from dockerdoctor.cli.healclimb import busy
    from dockerdoctor.host import lock

    if holder := lock.holder(compose.lock_path(config)):
        raise busy(config, holder)
