"""`top`: the vitals, the verdict, the ladder and what grows, as they are now."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dockerdoctor.cli.options import Options
from dockerdoctor.cli.topsort import Sort

if TYPE_CHECKING:
    from dockerdoctor.cli.toplook import Looker


def top(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Print one screen, and end.")] = False,
    every: Annotated[
        float, typer.Option(min=0.5, max=3600, help="Between two looks.", metavar="SECONDS")
    ] = 2.0,
    sort: Annotated[Sort, typer.Option(help="Which of what grows comes first.")] = Sort.GROWTH,
    json: Annotated[bool, typer.Option("--json", help="One look for programs.")] = False,
) -> int:
    """Show the vitals, the verdict, the ladder and what grows, live.

    From the record of a running watchdog, and beside it from cheap looks of its own (ping, unit,
    process, disk); without a watchdog by all probes. Changes nothing. What is piped is printed
    once.

    Keys: q quits, p pauses the display (not the watchdog), s sorts by growth, size or name.

    \b
    Examples:
      dockerdoctor top
      dockerdoctor top --once --sort size
      dockerdoctor top --json | jq .vitals
    """
    from dockerdoctor import compose
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.toplook import Looker

    options: Options = ctx.obj
    config = options.load()
    address = options.address(config)
    host = compose.host(config, address)
    looker = Looker(config, address, compose.knowledge(config), host)
    try:
        if json:
            from dockerdoctor.cli.topjson import top_json

            terminal.emit_raw(top_json(looker.look(), sort))
            return 0
        if once or not _is_terminal():
            _print(looker, sort)
            return 0
        from dockerdoctor.cli.toplive import live

        return live(looker, every, sort)
    finally:
        host.close()


def _is_terminal() -> bool:
    """Whether there are keys to read and a screen to draw on."""
    both = (sys.stdin, sys.stdout)
    return os.environ.get("TERM", "dumb") != "dumb" and all(each and each.isatty() for each in both)


def _print(looker: Looker, sort: Sort) -> None:
    """One screen, of a terminal's width and as long as it is."""
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.topscreen import screen

    view = looker.look()
    clock = terminal.clock_of(view.report.at)
    terminal.emit("\n".join(screen(view, clock, sort, terminal.width())))
