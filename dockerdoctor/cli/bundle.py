"""`bundle`: all that somebody needs who was not there, in one file, with secrets hidden."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dockerdoctor.cli.options import Options, value_of

if TYPE_CHECKING:
    from dockerdoctor.bundle import Collected


def bundle(
    ctx: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where.  [dockerdoctor-HOST-TIME.tar.gz]"),
    ] = None,
    max_size: Annotated[
        str, typer.Option(help="Of all files, uncompressed.", metavar="SIZE")
    ] = "64MiB",
) -> int:
    """Gather all that a helper needs in one tar.gz, secrets hidden.

    Vitals, journals, units, configuration, dumps and the record. Reads only, and is done within
    30 s on a daemon that hangs: each part has its own deadline. What looks like a secret
    (environments, passwords, tokens, credentials in URLs) is hidden; README.txt inside tells what
    was hidden and what could not be had. Needs no root, but root sees more.

    \b
    Examples:
      sudo dockerdoctor bundle
      sudo dockerdoctor bundle --output /tmp/for-support.tar.gz
    """
    import os

    from dockerdoctor import bundle as bundling
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.bundleparts import parts
    from dockerdoctor.host import clock
    from dockerdoctor.units import parse_bytes, plain_bytes

    options: Options = ctx.obj
    limit = int(value_of("--max-size", max_size, parse_bytes))
    wall = clock.now().wall
    stamp = terminal.iso(wall)[:19].replace("-", "").replace(":", "").replace("T", "-")
    root = f"dockerdoctor-{os.uname().nodename}-{stamp}"
    path = output or Path(f"{root}.tar.gz")
    gathered = parts(options, options.load())
    found = bundling.collect(gathered, lambda: clock.now().mono, max_bytes=limit)
    _write(path, found, root, wall)
    size = plain_bytes(path.stat().st_size)
    terminal.say(
        f"written to {path}: {len(found.files)} files, {size}; read it before you pass it on"
    )
    for name, why in found.missing.items():
        terminal.say(f"  not had: {name}: {why}")
    hidden = sum(int(line.partition(" ")[0]) for each in found.hidden.values() for line in each)
    terminal.say(f"  hidden: {hidden} values, listed in its README.txt")
    return 0


def _write(path: Path, found: Collected, root: str, wall: float) -> None:
    """All or nothing, and for its owner's eyes only."""
    import os
    import tempfile

    from dockerdoctor.bundle import pack
    from dockerdoctor.errors import CannotCreate

    try:
        fd, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        try:
            with os.fdopen(fd, "wb") as file:
                pack(found, root, wall, file)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CannotCreate(f"{path} cannot be written: {error.strerror or error}") from error
