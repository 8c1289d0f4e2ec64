"""The options that all commands share, and what they lead to: a configuration, an address.

Imports nothing that is slow: `--help` passes through here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockerdoctor.config import Config
    from dockerdoctor.host.address import Address

GLOBAL_FLAGS = ("--debug", "--no-input")
GLOBAL_VALUES = ("--config", "--host", "-H", "--context")


class Options(NamedTuple):
    """What was said before (or after) the command's name."""

    config: Path | None = None
    host: str = ""
    context: str = ""
    no_input: bool = False

    def load(self) -> Config:
        """The configuration. Raises ConfigError."""
        from dockerdoctor import config

        return config.load(self.config, os.environ)

    def address(self, config: Config) -> Address:
        """Which daemon to look at: `--host` or `--context`; else that of `--config FILE`; else the
        one that the docker CLI would talk to, or, where nothing speaks for another, that of the
        configuration. Raises UsageError."""
        from dockerdoctor.host.address import DEFAULT, for_watchdog, resolve

        if self.config and not (self.host or self.context):
            return for_watchdog(config.daemon.host)
        found = resolve(os.environ, Path.home(), self.host, self.context)
        if str(found) == DEFAULT and not (self.host or self.context):
            return for_watchdog(config.daemon.host)
        return found

    def own_address(self, config: Config) -> Address:
        """The daemon of the configuration, for commands that act: what is restarted must be what
        is looked at. UsageError when `--host` or `--context` name another."""
        from dockerdoctor.errors import UsageError
        from dockerdoctor.host.address import for_watchdog, resolve, same_daemon

        own = for_watchdog(config.daemon.host)
        if self.host or self.context:
            other = resolve(os.environ, Path.home(), self.host, self.context)
            if not same_daemon(other, own):
                raise UsageError(
                    f"{other} is not the daemon of the configuration ({own})",
                    "acting needs to know its unit or pid file: write a file with [daemon] host "
                    "and pidfile (or unit), and name it with --config",
                )
        return own


def value_of(option: str, told: str, parse: Callable[[str], float]) -> float:
    """What is said with an option, as one of the parsers of `units` reads it. Raises UsageError."""
    from dockerdoctor.errors import UsageError

    try:
        return parse(told)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
