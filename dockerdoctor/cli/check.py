"""`check`: one look by all probes, and what it means. Ends with the exit codes of the monitoring
plugins: 0 ok, 1 warning, 2 critical, 3 unknown.
"""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from dockerdoctor.cli.options import Options


class Output(enum.StrEnum):
    """How the verdict is written."""

    TEXT = "text"
    JSON = "json"
    NAGIOS = "nagios"


def check(
    ctx: typer.Context,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="For people, programs or Nagios.")
    ] = Output.TEXT,
    json: Annotated[bool, typer.Option("--json", help="The same as --output json.")] = False,
) -> int:
    """Look once at everything and say what is wrong (the default).

    Looks at the daemon's socket, its unit, process and disks, and at what a running watchdog has on
    record. Changes nothing, and answers within 10 s on a daemon that hangs.

    Exit code: 0 ok, 1 warning (also: stopped by an operator, or starting), 2 critical, 3 unknown.

    \b
    Examples:
      dockerdoctor
      dockerdoctor check -H tcp://10.0.0.5:2376
      dockerdoctor check --json | jq .findings
      dockerdoctor check --output nagios
    """
    from dockerdoctor import compose
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.examine import examine
    from dockerdoctor.cli.history import Watchdog, since_in, watchdog
    from dockerdoctor.cli.looking import look
    from dockerdoctor.cli.report import EXIT

    options: Options = ctx.obj
    config = options.load()
    known = compose.knowledge(config, only_to_look=True)
    looked = look(options.address(config), config, known)
    about = watchdog(config, looked.now) if looked.whole else Watchdog()
    found = examine(looked, about, since_in(config, looked.now))
    if json or output is Output.JSON:
        from dockerdoctor import __version__
        from dockerdoctor.cli.reportjson import check_json

        terminal.emit_raw(check_json(found, __version__))
    elif output is Output.NAGIOS:
        from dockerdoctor.cli.reporttext import nagios

        terminal.emit(nagios(found, looked.rules))
    else:
        from dockerdoctor.cli.reporttext import text

        clock = terminal.clock_of(found.at)
        terminal.emit(text(found, looked.declared, clock, terminal.width()))
    return EXIT[found.state]
