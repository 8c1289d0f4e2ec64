"""`probes list`, `probes run NAME`: the looks that rules are made of, from their declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dockerdoctor.cli.options import Options

if TYPE_CHECKING:
    from dockerdoctor.cli.shapes import ProbeJson, ProbesJson, SampleJson

app = typer.Typer(rich_markup_mode=None, help="The looks that rules are made of.")
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    json: Json = False,
    readings: Annotated[
        bool, typer.Option("--readings", help="Each reading too, as rules name it.")
    ] = False,
) -> int:
    """List the probes, their pace and deadlines (the default).

    \b
    Examples:
      dockerdoctor probes
      dockerdoctor probes list --readings
    """
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
    from dockerdoctor.cli.table import table
    from dockerdoctor.declare import Probe, known_readings, load
    from dockerdoctor.units import plain_seconds

    probes = load("dockerdoctor.probes", Probe)
    if json:
        listed: list[ProbeJson] = [
            {
                "name": probe.name,
                "help": probe.help,
                "every_s": probe.every_s,
                "timeout_s": probe.timeout_s,
                "readings": list(probe.readings),
            }
            for probe in probes.values()
        ]
        every: ProbesJson = {"schema_version": SCHEMA_VERSION, "probes": listed}
        terminal.emit_raw(pretty(every))
    elif readings:
        rows = [
            (name, each.kind.value, each.unit or "-", each.help)
            for name, each in known_readings(probes).items()
        ]
        terminal.emit(table(("READING", "KIND", "UNIT", "WHAT"), rows, terminal.width()))
    else:
        rows = [
            (each.name, plain_seconds(each.every_s), plain_seconds(each.timeout_s), each.help)
            for each in probes.values()
        ]
        terminal.emit(table(("PROBE", "EVERY", "DEADLINE", "WHAT"), rows, terminal.width()))
    return 0


@app.command()
def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The probe's name.")],
    json: Json = False,
) -> int:
    """Take one sample and show its readings.

    Exit code 1 when the probe could not look.

    \b
    Examples:
      dockerdoctor probes run ping
    """
    from dockerdoctor import compose
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
    from dockerdoctor.cli.reportjson import readings_json
    from dockerdoctor.cli.suggest import one_of
    from dockerdoctor.cli.table import table
    from dockerdoctor.collect import run_probe
    from dockerdoctor.declare import Probe, load
    from dockerdoctor.units import plain, plain_seconds

    options: Options = ctx.obj
    probe = one_of(name, load("dockerdoctor.probes", Probe), "probe")
    config = options.load()
    sample = run_probe(probe, compose.host(config, options.address(config)))
    if json:
        told: SampleJson = {
            "schema_version": SCHEMA_VERSION,
            "probe": name,
            "at": terminal.iso(sample.at.wall),
            "took_s": sample.took_s,
            "fault": sample.fault,
            "detail": sample.detail,
            "readings": readings_json(sample.readings),
        }
        terminal.emit_raw(pretty(told))
    else:
        declared = {each.name: each for each in probe.readings}
        rows = [
            (f"{name}.{key}", plain(value, declared[key].unit), declared[key].help)
            for key, value in sample.readings.items()
        ]
        if rows:
            terminal.emit(table(("READING", "VALUE", "WHAT"), rows, terminal.width()))
        took = plain_seconds(sample.took_s)
        terminal.say(f"{name}: {sample.fault}: {sample.detail}" if sample.fault else f"took {took}")
    return 1 if sample.fault else 0
