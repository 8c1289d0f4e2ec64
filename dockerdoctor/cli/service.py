"""`service print`, `install`, `uninstall`: the watchdog as a unit of systemd."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dockerdoctor.cli.options import Options

if TYPE_CHECKING:
    from dockerdoctor.config import Config

UNITS = Path("/etc/systemd/system")
ASK_S = 60.0
"""For systemd to read all its units again, and for the watchdog to say that it is ready."""

Into = Annotated[Path, typer.Option(metavar="DIR", help="Where units lie.")]

app = typer.Typer(rich_markup_mode=None, help="The watchdog as a unit of systemd.")


@app.command("print")
def print_(ctx: typer.Context) -> int:
    """Print the unit (the default).

    \b
    Examples:
      dockerdoctor service print
    """
    from dockerdoctor.cli import terminal
    from dockerdoctor.service import unit_text

    terminal.emit(unit_text(*_asked(ctx.obj)).rstrip("\n"))
    return 0


@app.command()
def install(
    ctx: typer.Context,
    enable: Annotated[
        bool, typer.Option("--enable", help="Start it now, and at each boot.")
    ] = False,
    into: Into = UNITS,
) -> int:
    """Write the unit, and a timer for a daily survey of the disk.

    Needs root.

    \b
    Examples:
      dockerdoctor service install --enable
      journalctl -fu dockerdoctor
    """
    from dockerdoctor.cli import terminal
    from dockerdoctor.host import command
    from dockerdoctor.service import TIMER, UNIT, units

    _must_be_root(into, "install", "installed")
    texts = units(*_asked(ctx.obj))
    _must_be_installed()
    for name, text in texts.items():
        _write(into / name, text)
        terminal.say(f"wrote {into / name}")
    if into != UNITS:
        return 0
    command.run(["systemctl", "daemon-reload"], ASK_S)
    if enable:
        command.run(["systemctl", "enable", UNIT, TIMER], ASK_S)
        command.run(["systemctl", "restart", UNIT, TIMER], ASK_S)
        terminal.say(f"{UNIT} runs, and will at each boot: `journalctl -fu {UNIT}`")
    else:
        terminal.say(f"start it with `systemctl enable --now {UNIT} {TIMER}`")
    return 0


@app.command()
def uninstall(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be removed, and remove nothing.")
    ] = False,
    into: Into = UNITS,
) -> int:
    """Stop the watchdog and remove its units.

    The daemon and its containers are not touched. Configuration and record stay, and where they are
    is told. Needs root.

    \b
    Examples:
      dockerdoctor service uninstall --dry-run
      dockerdoctor service uninstall
    """
    from dockerdoctor.cli import terminal
    from dockerdoctor.host import command
    from dockerdoctor.service import SURVEY, TIMER, UNIT

    there = [into / name for name in (UNIT, TIMER, SURVEY) if (into / name).is_file()]
    if dry_run or not there:
        for path in there:
            terminal.emit(f"would remove {path}")
        if not there:
            terminal.say(f"no unit of ours lies in {into}: nothing to do")
        return 0
    _must_be_root(into, "uninstall", "removed")
    if into == UNITS:  # the survey has nothing to disable, but may run
        command.run(["systemctl", "disable", "--now", *(path.name for path in there)], ASK_S)
    for path in there:
        _remove(path)
        terminal.say(f"removed {path}")
    if into == UNITS:
        command.run(["systemctl", "daemon-reload"], ASK_S)
    terminal.say(f"its record stays in {ctx.obj.load().watch.state_dir}")
    return 0


def _must_be_root(into: Path, command: str, done: str) -> None:
    """For systemd's own directory; another may be anybody's."""
    from dockerdoctor.errors import NotPermitted

    if os.geteuid() != 0 and into == UNITS:
        raise NotPermitted(f"a unit is {done} as root", f"`sudo dockerdoctor service {command}`")


def _must_be_installed() -> None:
    """The unit's interpreter sees only what is installed, not the directory where you stand."""
    from dockerdoctor.errors import DoctorError, HostFault
    from dockerdoctor.host import command

    try:
        command.run([sys.executable, "-I", "-c", "import dockerdoctor.daemon"], ASK_S)
    except HostFault as fault:
        raise DoctorError(
            f"{sys.executable} cannot run the watchdog: {fault.sentence}",
            "install dockerdoctor for it first: `pip install .` in a virtual environment of root's",
        ) from fault


def _asked(options: Options) -> tuple[Config, Path, Path | None]:
    named = options.config.resolve() if options.config else None
    return options.load(), Path(sys.executable), named


def _write(path: Path, text: str) -> None:
    from dockerdoctor.host.files import write_atomic

    with _told(path, "written"):
        write_atomic(path, text.encode())


def _remove(path: Path) -> None:
    with _told(path, "removed"):
        path.unlink(missing_ok=True)


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """What goes wrong with a file, as an error of ours."""
    from dockerdoctor.errors import CannotCreate, NotPermitted

    try:
        yield
    except PermissionError as error:
        raise NotPermitted(f"{path} may not be {what}", "run as root") from error
    except OSError as error:
        raise CannotCreate(f"{path} cannot be {what}: {error.strerror}") from error
