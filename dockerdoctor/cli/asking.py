"""The question before an act: whether there is anybody to ask, and what was answered."""

from __future__ import annotations

import sys

from dockerdoctor.cli.options import Options


def may_ask(options: Options) -> bool:
    """Whether somebody sits at a terminal and wants to be asked."""
    return not options.no_input and sys.stdin.isatty()


def agreed(question: str) -> bool:
    """Ask on the terminal; whatever is no yes is a no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
