"""`demo`: break a real daemon of our own and heal it, in half a minute; nothing of it stays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    engine: Annotated[
        Path | None,
        typer.Option(
            help="A directory that holds a dockerd.  [$DOCKERDOCTOR_ENGINE, PATH, the cache]",
            metavar="DIR",
        ),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep record, evidence and log there.", metavar="DIR")
    ] = None,
    fault: Annotated[
        str, typer.Option(help="frozen, deaf (to SIGTERM too) or killed.", metavar="FAULT")
    ] = "frozen",
) -> None:
    """Break a dockerd of our own and watch it being healed.

    Half a minute; needs root and an engine (`make setup` gets one). Your own daemon is not touched,
    and nothing is left behind.

    \b
    Examples:
      dockerdoctor demo
      dockerdoctor demo --fault deaf --keep /tmp/story
    """
    from dockerdoctor.demo import run_demo

    run_demo(print, engine, keep, fault)
