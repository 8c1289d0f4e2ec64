"""`explain`: what the goroutines of a dockerd or containerd wait for, or what an error means, and
what to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dockerdoctor.cli.options import Options

if TYPE_CHECKING:
    from typing import BinaryIO

    from dockerdoctor.stackjams import Explanation

STDIN = "-"
GZIP = b"\x1f\x8b"


def explain(
    ctx: typer.Context,
    dump: Annotated[str, typer.Argument(metavar="[DUMP]", help="The file; - for stdin.")] = "",
    said: Annotated[
        str, typer.Option("--said", metavar="TEXT", help="An error message instead of a dump.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    stacks: Annotated[int, typer.Option(min=0, metavar="N", help="How many stacks to list.")] = 10,
) -> int:
    """Read a goroutine dump or an error: what it means, what to do.

    dockerd writes one on SIGUSR1 to /run/docker/goroutine-stacks-*.log, containerd to
    /tmp/containerd.PID.stacks.log; the rung dump-stacks keeps it with the incident. Also reads
    `/debug/pprof/goroutine?debug=2`, and what is compressed with gzip. It tells what all wait
    for, who holds it, and what to do. --said takes an error as docker or the journal shows it.

    \b
    Examples:
      dockerdoctor explain /run/docker/goroutine-stacks-2025-11-25T231502Z.log
      ssh host cat /tmp/containerd.612.stacks.log | dockerdoctor explain -
      dockerdoctor explain --said "$(docker run --name web nginx 2>&1)"
    """
    if bool(dump) == bool(said):
        from dockerdoctor.errors import UsageError

        raise UsageError("name a dump, or say --said TEXT", "`dockerdoctor explain --help`")
    if said:
        return _explain_words(ctx.obj, said, json)
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.explaintext import explanation_json, explanation_text

    found = _explained(dump)
    if json:
        terminal.emit_raw(explanation_json(found, stacks))
    else:
        terminal.emit(explanation_text(found, dump, stacks, terminal.width()))
    return 0


def _explain_words(options: Options, said: str, json: bool) -> int:
    """Raises DataError for what is not known."""
    from dockerdoctor import compose
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.explainsaid import meaning, meaning_json, meaning_text
    from dockerdoctor.cli.plain import fold
    from dockerdoctor.errors import DataError

    found = meaning(said, compose.knowledge(options.load()).rules)
    if found is None:
        raise DataError(
            "nothing is known of that message",
            "`dockerdoctor check` looks at the daemon itself",
        )
    if json:
        terminal.emit_raw(meaning_json(found))
    else:
        terminal.emit(fold(meaning_text(found).splitlines(), terminal.width()))
    return 0


def _explained(name: str) -> Explanation:
    """Raises DataError for what is no dump, StoreError for what cannot be read."""
    from pathlib import Path

    from dockerdoctor.errors import DataError, NotPermitted, StoreError
    from dockerdoctor.stacks import NoDumpError

    try:
        if name == STDIN:
            return _read(sys.stdin.buffer)
        with Path(name).open("rb") as file:
            return _read(file)
    except NoDumpError as error:
        raise DataError(
            f"{name} is no goroutine dump: {error}",
            "`kill -USR1` makes dockerd write one to /run/docker/goroutine-stacks-*.log",
        ) from error
    except PermissionError as error:
        raise NotPermitted(f"{name} may not be read", "try again as root") from error
    except OSError as error:
        raise StoreError(f"{name} cannot be read: {error.strerror or error}") from error


def _read(file: BinaryIO) -> Explanation:
    import gzip
    import zlib
    from collections.abc import Iterator
    from io import BufferedReader
    from typing import cast

    from dockerdoctor.stackjams import explain
    from dockerdoctor.stacks import lines_of, read

    packed = cast("BufferedReader", file).peek(2)[:2] == GZIP

    def lines() -> Iterator[str]:
        try:
            yield from lines_of(cast("BinaryIO", gzip.GzipFile(fileobj=file)) if packed else file)
        except (EOFError, zlib.error):
            yield ""  # cut in half, in the middle of a line: what was there is read

    return explain(read(lines()))
