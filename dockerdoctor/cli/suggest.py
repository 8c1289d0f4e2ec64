"""One thing by name, or an error that says which was meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from dockerdoctor.errors import UsageError

Thing = TypeVar("Thing")


def one_of(name: str, things: Mapping[str, Thing], what: str) -> Thing:
    """The thing of this name. Raises UsageError, with the nearest name and all others."""
    if name in things:
        return things[name]
    close = difflib.get_close_matches(name, list(things), 1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    raise UsageError(f"there is no {what} {name!r}{meant}", f"there are {', '.join(things)}")
