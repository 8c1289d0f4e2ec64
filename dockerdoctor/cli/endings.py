"""What an exception means for people and for scripts: the one place where it becomes an exit code.

`check` has the exit codes of the monitoring plugins, so that whatever goes wrong in it is 3: a
usage error must not look like CRITICAL (2), nor a bug like WARNING (1).
"""

from __future__ import annotations

import errno

import typer

from dockerdoctor.errors import DoctorError, Exit

UNKNOWN, INTERRUPTED = 3, 130
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


def explained(error: BaseException, checks: bool) -> tuple[int, list[str]]:
    """The exit code, and the lines to say. `checks` is whether the command was `check`."""
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return INTERRUPTED, []
    if isinstance(error, SystemExit):
        return (error.code if isinstance(error.code, int) else Exit.FAILED), []
    code, sentence, hint = _told(error)
    lines = [f"dockerdoctor: {sentence}", *([f"  {hint}"] if hint else [])]
    return (UNKNOWN if checks else int(code)), lines


def _told(error: BaseException) -> tuple[Exit, str, str]:
    if isinstance(error, DoctorError):
        return error.exit, error.sentence, error.hint
    if hasattr(error, "format_message"):  # typer's own: the command line is wrong
        path = getattr(getattr(error, "ctx", None), "command_path", "dockerdoctor")
        return Exit.USAGE, error.format_message(), f"see `{path} --help`"
    if isinstance(error, OSError) and error.errno in _FULL:
        return Exit.IO, f"cannot write: {error.strerror}", ""
    return (
        Exit.BUG,
        f"this is a bug of dockerdoctor: {type(error).__name__}: {error}",
        "please report it, with what the same words print with --debug",
    )
