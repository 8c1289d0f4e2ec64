"""`pause` and `resume`: keep the watchdog still while somebody works on the daemon."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from dockerdoctor.cli.options import Options, value_of

if TYPE_CHECKING:
    from pathlib import Path

FOR_EVER = ("infinity", "ever", "forever", "for ever")


def pause(
    ctx: typer.Context,
    span: Annotated[
        str, typer.Option("--for", metavar="SPAN", help="How long: 30min, 2h; or `ever`.")
    ] = "1h",
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever sees it.")] = "",
) -> int:
    """Keep the watchdog still: it looks, tells, and does nothing.

    A pause outlives a reboot and ends by itself. `heal` by hand is possible meanwhile.

    \b
    Examples:
      dockerdoctor pause --for 2h --why "moving the data-root"
      dockerdoctor pause --for ever
    """
    import math

    from dockerdoctor import pausing
    from dockerdoctor.cli import terminal
    from dockerdoctor.errors import UsageError
    from dockerdoctor.host import clock
    from dockerdoctor.units import parse_seconds

    options: Options = ctx.obj
    seconds = math.inf if span in FOR_EVER else value_of("--for", span, parse_seconds)
    if seconds <= 0:
        raise UsageError("--for: a pause of no time is none", "say how long: 30min, 2h, ever")
    now = clock.now().wall
    until = None if math.isinf(seconds) else now + seconds
    wanted = pausing.Pause(now, until, " ".join(why.split())[:200], _who())
    path = pausing.pause_path(options.load().watch.state_dir)
    _write(path, pausing.encode(wanted))
    terminal.say(f"paused: {pausing.paused(pausing.encode(wanted).decode(), now)}")
    terminal.say("  `dockerdoctor resume` ends it sooner")
    return 0


def resume(ctx: typer.Context) -> int:
    """End a pause: the watchdog may act again.

    \b
    Examples:
      sudo dockerdoctor resume
    """
    from dockerdoctor import pausing
    from dockerdoctor.cli import terminal
    from dockerdoctor.errors import NotPermitted
    from dockerdoctor.host import clock

    options: Options = ctx.obj
    path = pausing.pause_path(options.load().watch.state_dir)
    was = pausing.paused(pausing.read(path), clock.now().wall)
    try:
        path.unlink(missing_ok=True)
    except PermissionError as error:
        raise NotPermitted(f"{path} may not be removed", "run as root") from error
    except OSError as error:
        raise _cannot(path, error) from error
    terminal.say(f"acting is allowed again (until now: {was})" if was else "there was no pause")
    return 0


def _write(path: Path, content: bytes) -> None:
    from dockerdoctor.errors import NotPermitted
    from dockerdoctor.host.files import write_atomic

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except PermissionError as error:
        raise NotPermitted(f"{path} may not be written", "run as root") from error
    except OSError as error:
        raise _cannot(path, error) from error


def _cannot(path: Path, error: OSError) -> Exception:
    from dockerdoctor.errors import StoreError

    return StoreError(f"{path}: {error.strerror}", "see the state directory's disk: `df -h`")


def _who() -> str:
    """Whoever typed it, also through sudo."""
    import getpass

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
