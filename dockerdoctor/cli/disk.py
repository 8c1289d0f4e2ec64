"""`disk`: what eats the data-root; also when no daemon answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dockerdoctor.cli.options import Options
    from dockerdoctor.cli.shapes import DiskJson

app = typer.Typer(rich_markup_mode=None, help="What eats the data-root, and how to get it back.")
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def show(
    ctx: typer.Context,
    json: Json = False,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Every part, not the largest.")] = False,
) -> int:
    """Show what eats the data-root, largest first (the default).

    Reads files; of a daemon that answers only the names of images in containerd's store are asked.
    Layers that cannot change are counted once; the second look is quick. Needs root.

    \b
    Examples:
      sudo dockerdoctor disk
      sudo dockerdoctor disk show --all
    """
    from dockerdoctor import account
    from dockerdoctor.cli import disktext, storeimages, terminal
    from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
    from dockerdoctor.cli.surveying import surveyed

    options: Options = ctx.obj
    config = options.load()
    if options.host or options.context:
        options.own_address(config)  # no other daemon's files can be looked at
    found, use = surveyed(config, recall=True)
    images, why = storeimages.stored(options, config, found)
    notes = (*found.skipped, why) if why else found.skipped
    wholes = [account.account(found)]
    if store := account.store_account(found):
        wholes.append(store)
    if json:
        told: DiskJson = {
            "schema_version": SCHEMA_VERSION,
            "used_ratio": use.used_ratio,
            "inodes_ratio": use.inodes_used_ratio,
            "free_bytes": use.free_bytes,
            "total_bytes": use.total_bytes,
            "walked": found.walked,
            "skipped": list(notes),
            "places": [disktext.part_json(each) for each in wholes],
            "images": storeimages.as_json(images, found),
        }
        terminal.emit_raw(pretty(told))
        return 0
    if disktext.inodes_first(use):
        wholes = [account.by_files(each) for each in wholes]
    if not all_:
        wholes = [account.topped(each, disktext.SHOWN) for each in wholes]
    more = storeimages.lines(images, found, None if all_ else disktext.SHOWN)
    terminal.emit(disktext.disk_text(wholes, use, notes, terminal.width(), more))
    return 0


@app.command()
def reclaim(
    ctx: typer.Context,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be done, do nothing (the default).")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it.")] = False,
    to: Annotated[
        str, typer.Option(metavar="SHARE", help="Make room down to this, whatever the start mark.")
    ] = "",
    logs: Annotated[bool, typer.Option("--logs", help="Cut logs that nobody rotates too.")] = False,
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Anonymous volumes of no container too.")
    ] = False,
    orphans: Annotated[
        bool, typer.Option("--orphans", help="Old layers and files in tmp that nothing knows too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> int:
    """Plan to make room, no more than is needed; --apply does it.

    In the order of regret: stopped containers and dangling images, build cache, images by last use;
    all older than the grace time. Never what is in use, kept by a label or a name, never a named
    volume. While no daemon answers, only what needs none: --orphans, --logs.

    Exit code: 0 done, or nothing to do; 1 not enough; 64 it had to ask and may not; 77 not root.

    \b
    Examples:
      dockerdoctor disk reclaim
      dockerdoctor disk reclaim --to 60% --apply
    """
    from dockerdoctor.cli.reclaimcommand import Also, reclaim_now

    if plan and apply:
        from dockerdoctor.errors import UsageError

        raise UsageError("--plan does nothing, and --apply does it", "say one of them")
    also = Also(logs, volumes, orphans)
    return reclaim_now(ctx.obj, apply=apply, to=to, also=also, yes=yes, json=json)


@app.command()
def logs(
    ctx: typer.Context,
    seconds: Annotated[
        float,
        typer.Option(
            "--for", min=0, max=3600, metavar="SECONDS", help="How long to watch them grow."
        ),
    ] = 5.0,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Rotated logs too.")] = False,
    cut: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Cut the log of this container.")
    ] = None,
    keep: Annotated[str, typer.Option(metavar="SIZE", help="How much of its end stays.")] = "10MB",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> int:
    """Show logs that nobody rotates: size, growth, and the remedy.

    And how long until the disk is full of them. Reads files only, asks no daemon. --cut makes a
    hole of a log's head while it is written to: nothing is stopped, its older lines are lost.

    \b
    Examples:
      dockerdoctor disk logs --for 60
      dockerdoctor disk logs --cut web --keep 50MB --yes
    """
    from dockerdoctor.cli import logs as logging

    if cut and json:
        from dockerdoctor.errors import UsageError

        raise UsageError("--cut has no JSON", "look afterwards: `dockerdoctor disk logs --json`")
    if cut:
        return logging.cut(ctx.obj, names=cut, keep=keep, yes=yes)
    return logging.show(ctx.obj, seconds=seconds, all_=all_, json=json)
