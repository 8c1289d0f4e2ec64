"""`watch`: become the watchdog. The loop never runs in this process: typer and rich have no place
in one that runs for months.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dockerdoctor.cli.options import Options


def watch(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look for real, tell what would be done, do nothing.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="One look, one sentence, and out.")] = False,
) -> None:
    """Watch the daemon and heal it, in the foreground.

    One sentence a cycle on stderr. Needs root. As a service: `dockerdoctor service install`.

    \b
    Examples:
      dockerdoctor watch --dry-run
      dockerdoctor --config ./test.toml watch
    """
    options: Options = ctx.obj
    if options.host or options.context:
        from dockerdoctor.errors import UsageError

        raise UsageError(
            "the watchdog takes its daemon from its configuration only",
            "write [daemon] host (and unit or pidfile) into a file, and name it with --config",
        )
    words = daemon_words(options, dry_run, once)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *words], environment(os.environ))


def daemon_words(options: Options, dry_run: bool, once: bool) -> list[str]:
    """The watchdog's command line, after the interpreter. `-P`: what lies in the directory where
    root happens to stand is no module of ours."""
    words = ["-P", "-m", "dockerdoctor.daemon"]
    if options.config:
        words += ["--config", str(options.config)]
    words += ["--dry-run"] * dry_run
    words += ["--once"] * once
    return words


def environment(environ: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """The same, and in a checkout that is not installed also where the package is."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").exists():
        return dict(environ)
    rest = environ.get("PYTHONPATH", "")
    return {**environ, "PYTHONPATH": f"{root}{os.pathsep}{rest}" if rest else str(root)}
