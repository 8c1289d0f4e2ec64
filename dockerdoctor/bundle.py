"""A support bundle: parts go in, each with a deadline; a tar.gz comes out, with secrets hidden.

All parts are begun at once, in threads that are left behind when they hang: a daemon, a disk or a
journal that does not come back costs its own part and no other. What could not be had, and what was
hidden, is told inside.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import BinaryIO, TypeAlias, cast

from msgspec import Struct, field

from dockerdoctor.errors import DoctorError
from dockerdoctor.mask import Json, Masked
from dockerdoctor.together import Together
from dockerdoctor.units import plain_bytes

Content: TypeAlias = "str | bytes | dict[str, str | bytes]"
"""What a part gives: one file, or several by name below the part's own."""

BUDGET_S = 25.0
"""For all parts together: a bundle of a hung daemon is there within 30 s."""
MAX_BYTES = 64 << 20
"""Of all files together, before they are compressed."""
MAX_FILE = 24 << 20
MAX_MASKED = 3 << 20
"""Of a file in which secrets are looked for (a second); of a log the end is kept."""


class Part(Struct, frozen=True):
    """One file, or a directory of them. `raw` is for what can hold no secret (goroutine dumps)."""

    name: str
    gather: Callable[[], Content]
    timeout_s: float = 8.0
    raw: bool = False


class Collected(Struct):
    """What was had. `missing` and `hidden` are lines by file name."""

    files: dict[str, bytes] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, list[str]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(each) for each in self.files.values())


def collect(
    parts: Sequence[Part],
    mono: Callable[[], float],
    budget_s: float = BUDGET_S,
    max_bytes: int = MAX_BYTES,
) -> Collected:
    """Gather all parts; the first have the first right to the room. `mono`: a clock, s."""
    looks: Together[Content | Exception] = Together(mono)
    looks.begin({part.name: partial(_gathered, part) for part in parts})
    found = Collected()
    for part in parts:
        within_s = min(part.timeout_s, budget_s)
        looks.wait(within_s, {part.name})
        content = looks.done().get(part.name)
        if content is None:
            found.missing[part.name] = f"no answer within {within_s:g} s"
        elif isinstance(content, DoctorError):
            found.missing[part.name] = content.sentence
        elif isinstance(content, Exception):
            found.missing[part.name] = f"{type(content).__name__}: {content}"
        else:
            for name, each in _files(part, content):
                _add(found, name, each, part.raw, max_bytes)
    return found


def pack(found: Collected, root: str, wall: float, out: BinaryIO) -> None:
    """Write the tar.gz: all files below `root`, README.txt first. OSError when it cannot."""
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=6) as tar:
        files = {"README.txt": readme(found).encode(), **found.files}
        for name, content in files.items():
            member = tarfile.TarInfo(f"{root}/{name}")
            member.size, member.mtime, member.mode = len(content), int(wall), 0o600
            tar.addfile(member, io.BytesIO(content))


def readme(found: Collected) -> str:
    """What is inside, what could not be had, what was hidden."""
    lines = ["A support bundle by dockerdoctor. Read it before you pass it on.", ""]
    lines += ["Inside:", *(f"  {name}  {plain_bytes(len(each))}" for name, each in _sorted(found))]
    lines += ["", "Could not be had:"]
    lines += [f"  {name}: {why}" for name, why in sorted(found.missing.items())] or ["  nothing"]
    lines += ["", "Hidden (each shown as ***):"]
    hidden = [f"  {name}: {', '.join(what)}" for name, what in sorted(found.hidden.items())]
    return "\n".join([*lines, *(hidden or ["  nothing"])]) + "\n"


def _sorted(found: Collected) -> list[tuple[str, bytes]]:
    return sorted(found.files.items())


def _gathered(part: Part) -> Content | Exception:
    """What it gives, or why it gives nothing."""
    try:
        return part.gather()
    except OSError as error:
        return DoctorError(f"{error.filename or 'it'} cannot be read: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001  one part's trouble is no other's
        return error


def _files(part: Part, content: Content) -> Iterator[tuple[str, bytes]]:
    if isinstance(content, dict):
        for name, each in content.items():
            yield f"{part.name}/{name}", _bytes(each)
    else:
        yield part.name, _bytes(content)


def _bytes(content: str | bytes) -> bytes:
    return content.encode("utf-8", "replace") if isinstance(content, str) else content


def _add(found: Collected, name: str, content: bytes, raw: bool, max_bytes: int) -> None:
    room = max_bytes - found.size
    limit = MAX_FILE if raw else MAX_MASKED
    if len(content) > limit:
        # The end of a log tells more than its beginning; of a dump any part will do.
        found.missing[f"{name} (a part)"] = f"cut to {plain_bytes(limit)}"
        content = content[:limit] if raw else content[-limit:].partition(b"\n")[2]
    if not raw:
        masked = Masked()
        content = _masked(masked, name, content)
        if lines := masked.lines():
            found.hidden[name] = lines
    if len(content) > room:
        found.missing[name] = f"no room: the bundle is limited to {plain_bytes(max_bytes)}"
        return
    found.files[name] = content


def _masked(masked: Masked, name: str, content: bytes) -> bytes:
    """JSON by its structure, which knows more; all else as text."""
    text = content.decode("utf-8", "replace")
    if name.endswith(".json"):
        try:
            value = cast("Json", json.loads(text))
            return json.dumps(masked.json(value), indent=2, ensure_ascii=False).encode(
                "utf-8", "replace"
            )
        except (ValueError, RecursionError):
            pass
    return masked.text(text).encode("utf-8", "replace")
