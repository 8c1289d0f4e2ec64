"""`diagnose`: the five-minute tree in one read-only command, with causes ranked by evidence."""

from __future__ import annotations

from typing import Annotated

import typer

from dockerdoctor.cli.options import Options
from dockerdoctor.cli.symptoms import Symptom


def diagnose(
    ctx: typer.Context,
    symptom: Annotated[
        Symptom | None, typer.Option(help="Begin in the middle of the tree, with this.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> int:
    """Walk the tree of a diagnosis and rank the causes. Changes nothing.

    What people do by hand in five minutes: the unit, the last serious words of the journal, the
    disk, the vitals; then by symptom: start and configuration (daemon.json by line, flags that
    stand against it, pid file, start limit), hang, socket and permission, disk, storage (what
    cannot be read of containers, layers and databases), network (bridge, firewall, address ranges,
    name servers), memory and speed. Each cause comes with its evidence, the remedy, the wrong
    remedy to avoid, the time by hand and by dockerdoctor here, and the next command to type.

    Answers within 10 s, also while dockerd, containerd or the disk hang. Needs no root, but root
    sees more; what could not be seen is said.

    Exit code: as of check: 0 ok, 1 warning, 2 critical, 3 unknown.

    \b
    Examples:
      dockerdoctor diagnose
      dockerdoctor diagnose --symptom network
      dockerdoctor diagnose --json | jq '.causes[0]'
    """
    from dockerdoctor import compose
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.diagnosing import diagnose as walk
    from dockerdoctor.cli.report import EXIT
    from dockerdoctor.declare import known_readings

    options: Options = ctx.obj
    config = options.load()
    known = compose.knowledge(config)
    address = options.address(config)
    told = walk(compose.host(config, address), address, config, known, symptom)
    if json:
        from dockerdoctor.cli.diagnosejson import diagnosis_json

        terminal.emit_raw(diagnosis_json(told))
    else:
        from dockerdoctor.cli.diagnosetext import text

        clock = terminal.clock_of(told.report.at)
        terminal.emit(text(told, known_readings(known.probes), clock, terminal.width()))
    return EXIT[told.state]
