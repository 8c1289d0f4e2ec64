"""Every error that a user can see: a sentence, a hint, and the exit code it ends a command with.

Faults (`model.Fault`) are for code; these are for people. They are printed in one place, the CLI.
"""

from __future__ import annotations

import enum

from dockerdoctor.model import Fault


class Exit(enum.IntEnum):
    """Exit codes after sysexits.h. `check` alone uses the monitoring-plugins' 0 to 3 instead."""

    OK = 0
    FAILED = 1
    USAGE = 64
    DATA = 65
    UNAVAILABLE = 69
    BUG = 70
    CANNOT_CREATE = 73
    IO = 74
    BUSY = 75
    PERMISSION = 77
    CONFIG = 78


class DoctorError(Exception):
    """What a command ends with when it cannot go on: what happened, and what to do now."""

    exit: Exit = Exit.FAILED

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint


class UsageError(DoctorError):
    """The command line asks for something that does not exist."""

    exit = Exit.USAGE


class DataError(DoctorError):
    """What was given to be read is not what it should be."""

    exit = Exit.DATA


class Busy(DoctorError):
    """Somebody else holds the lock, or a cool-down runs."""

    exit = Exit.BUSY


class NotPermitted(DoctorError):
    """Root, or the group docker, is needed."""

    exit = Exit.PERMISSION


class StoreError(DoctorError):
    """The record cannot be read or written."""

    exit = Exit.IO


class CannotCreate(DoctorError):
    """A file that was asked for cannot be written."""

    exit = Exit.CANNOT_CREATE


class ConfigError(DoctorError):
    """Configuration or rules that cannot be used: all mistakes of all files at once."""

    exit = Exit.CONFIG

    def __init__(self, mistakes: list[str]) -> None:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__(
            f"{count} in the configuration:\n" + "\n".join(f"  {mistake}" for mistake in mistakes),
            "mend what is listed, then try `dockerdoctor rules check`",
        )
        self.mistakes = mistakes


_EXIT_OF_FAULT = {
    Fault.DENIED: Exit.PERMISSION,
    Fault.BUG: Exit.BUG,
}


class HostFault(DoctorError):
    """The machine did not answer as it should; what a probe or a rung catches, with its Fault."""

    def __init__(self, fault: Fault, sentence: str, hint: str = "") -> None:
        super().__init__(sentence, hint)
        self.fault = fault
        self.exit = _EXIT_OF_FAULT.get(fault, Exit.UNAVAILABLE)
