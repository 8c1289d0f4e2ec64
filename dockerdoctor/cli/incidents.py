"""`incidents list`, `incidents show ID`: what was wrong, what was done, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dockerdoctor.cli.options import Options

if TYPE_CHECKING:
    from dockerdoctor.model import Incident
    from dockerdoctor.record import Record

app = typer.Typer(rich_markup_mode=None, help="What was wrong, what was done, how it ended.")
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    json: Json = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
) -> int:
    """List the latest incidents, newest first (the default)."""
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.incidenttext import incidents_table
    from dockerdoctor.cli.report import SCHEMA_VERSION
    from dockerdoctor.cli.reportjson import incident_json, pretty
    from dockerdoctor.host import clock

    found = _record(ctx.obj).incidents(limit)
    if json:
        listed = [incident_json(each) for each in found]
        terminal.emit_raw(pretty({"schema_version": SCHEMA_VERSION, "incidents": listed}))
    elif found:
        now = clock.now().wall
        terminal.emit(incidents_table(found, now, terminal.clock_of(now), terminal.width()))
    else:
        terminal.say("no incident is on record")
    return 0


@app.command()
def show(
    ctx: typer.Context,
    ident: Annotated[str, typer.Argument(metavar="ID", help="The id, or how it begins.")],
    json: Json = False,
) -> int:
    """Show one incident as a timeline: what was seen, climbed, kept, and how it ended."""
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.report import SCHEMA_VERSION
    from dockerdoctor.cli.reportjson import incident_json, pretty
    from dockerdoctor.host import clock

    record = _record(ctx.obj)
    found = record.find(ident)
    if json:
        told = {"schema_version": SCHEMA_VERSION, "incident": incident_json(found)}
        terminal.emit_raw(pretty(told))
        return 0
    terminal.emit(story(record, found, clock.now().wall))
    return 0


def story(record: Record, incident: Incident, now: float) -> str:
    """The incident as a timeline, with the samples round it."""
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.incidenttext import AROUND_S, incident_text

    since, until = incident.opened - AROUND_S, (incident.closed or now) + AROUND_S
    samples = record.samples(since=since, until=until)
    clock = terminal.clock_of(incident.opened)
    return incident_text(incident, samples, now, clock, terminal.width())


def _record(options: Options) -> Record:
    from dockerdoctor.store import Store

    return Store.read(options.load().watch.record)
