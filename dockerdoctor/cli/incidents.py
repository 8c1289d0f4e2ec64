"""`incidents list | show ID | report ID | stats`: what was wrong, what was done, how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dockerdoctor.cli.options import Options

if TYPE_CHECKING:
    from dockerdoctor.cli.incidentreport import Report
    from dockerdoctor.cli.shapes import IncidentsJson, OneIncidentJson
    from dockerdoctor.config import Config
    from dockerdoctor.model import Incident
    from dockerdoctor.record import Record

app = typer.Typer(rich_markup_mode=None, help="What was wrong, what was done, how it ended.")
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    json: Json = False,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many.")] = 20,
) -> int:
    """List the latest incidents, newest first (the default).

    \b
    Examples:
      dockerdoctor incidents
      dockerdoctor incidents list --limit 3 --json | jq .incidents[].why
    """
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.incidenttext import incidents_table
    from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
    from dockerdoctor.cli.reportjson import incident_json
    from dockerdoctor.host import clock

    found = _record(ctx.obj).incidents(limit)
    if json:
        listed: IncidentsJson = {
            "schema_version": SCHEMA_VERSION,
            "incidents": [incident_json(each) for each in found],
        }
        terminal.emit_raw(pretty(listed))
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
    """Show one incident as a timeline.

    What was seen, climbed and kept, and how it ended.

    \b
    Examples:
      dockerdoctor incidents show 20260131-0314
    """
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
    from dockerdoctor.cli.reportjson import incident_json
    from dockerdoctor.host import clock

    record = _record(ctx.obj)
    found = record.find(ident)
    if json:
        told: OneIncidentJson = {
            "schema_version": SCHEMA_VERSION,
            "incident": incident_json(found),
        }
        terminal.emit_raw(pretty(told))
        return 0
    terminal.emit(story(record, found, clock.now().wall))
    return 0


@app.command()
def report(
    ctx: typer.Context,
    ident: Annotated[str, typer.Argument(metavar="ID", help="The id, or how it begins.")],
    html: Annotated[
        Path | None, typer.Option(help="Write the page here.  [incident-ID.html]", metavar="FILE")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown, to stdout.")] = False,
) -> int:
    """Write the report of one incident, in HTML or Markdown.

    Timeline, plots of the vitals, what was done, evidence: one HTML file that needs nothing else,
    or Markdown for a ticket. What looks like a secret in the evidence is hidden.

    \b
    Examples:
      dockerdoctor incidents report 20260131-0314 --html /tmp/story.html
      dockerdoctor incidents report 20260131-0314 --markdown
    """
    from dockerdoctor.cli import terminal
    from dockerdoctor.host import clock

    config = ctx.obj.load()
    told = _report(config, ident, clock.now().wall)
    when = terminal.clock_of(told.incident.opened)
    if markdown:
        from dockerdoctor.cli.incidentmarkdown import markdown as as_markdown

        terminal.emit(as_markdown(told, when).rstrip("\n"))
    if html is not None or not markdown:
        from dockerdoctor.cli.incidenthtml import html as as_html
        from dockerdoctor.errors import CannotCreate
        from dockerdoctor.host.files import write_atomic

        path = html or Path(f"incident-{told.incident.id}.html")
        try:
            write_atomic(path, as_html(told, when).encode("utf-8", "replace"))
        except OSError as error:
            raise CannotCreate(f"{path} cannot be written: {error.strerror or error}") from error
        terminal.say(f"written to {path}")
    return 0


@app.command()
def stats(ctx: typer.Context, json: Json = False) -> int:
    """Tell how often, how long, which rung cures, and time saved.

    Saved against healing by hand: restart 2 min, systemctl kill 5, kill -9 by hand 10, reboot 15.

    \b
    Examples:
      dockerdoctor incidents stats
    """
    from dockerdoctor.cli import incidentstats, terminal
    from dockerdoctor.declare import Rung, load
    from dockerdoctor.host import clock
    from dockerdoctor.storerows import INCIDENTS_KEPT

    found = _record(ctx.obj).incidents(INCIDENTS_KEPT)
    now = clock.now().wall
    summed = incidentstats.stats(found, load("dockerdoctor.rungs", Rung), now)
    if json:
        terminal.emit_raw(incidentstats.stats_json(summed))
    elif found:
        first = min(each.opened for each in found)
        terminal.emit(
            incidentstats.stats_text(summed, terminal.clock_of(now), first, terminal.width())
        )
    else:
        terminal.say("no incident is on record")
    return 0


def _report(config: Config, ident: str, now: float) -> Report:
    from dockerdoctor import compose
    from dockerdoctor.cli.excerpts import excerpts
    from dockerdoctor.cli.incidentreport import report, span
    from dockerdoctor.mask import Masked
    from dockerdoctor.store import Store

    record = Store.read(config.watch.record)
    incident = record.find(ident)
    since, until = span(incident, now)
    masked = Masked()
    kept = [path for attempt in incident.attempts for path in attempt.evidence]
    found = tuple(excerpts(kept, masked))
    samples = record.samples(since=since, until=until)
    return report(incident, samples, compose.knowledge(config).rules, found, now, masked.lines())


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
