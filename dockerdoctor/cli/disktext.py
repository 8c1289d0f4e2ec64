"""What eats the disk, as text for people and as JSON. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dockerdoctor.account import Part
from dockerdoctor.cli.plain import cut, wrap
from dockerdoctor.host.nouns import DiskUse
from dockerdoctor.host.storage.layerdb import on_a_line
from dockerdoctor.units import plain_bytes, plain_ratio

if TYPE_CHECKING:
    from dockerdoctor.cli.shapes import PartJson

SHOWN = 6
"""Parts of each level that are shown unless all are wanted."""
MAX_NAME = 40
INODES_MATTER = 0.5
"""Below this share of them nobody is short of inodes."""


def inodes_first(use: DiskUse) -> bool:
    """Whether it will run out of inodes before it runs out of bytes."""
    return use.inodes_used_ratio > max(use.used_ratio, INODES_MATTER)


def disk_text(
    wholes: Sequence[Part],
    use: DiskUse | None,
    notes: Sequence[str],
    columns: int | None,
    more: Sequence[str] = (),
) -> str:
    """The tree under a line that says how full the file system is: sizes, or files where those run
    out first. `more` are lines that come after it."""
    files = use is not None and inodes_first(use)
    lines: list[str] = []
    for whole in wholes:
        lines += [*([""] if lines else []), *_head(whole, use if not lines else None, columns)]
        lines.append(f"{'FILES' if files else 'SIZE':>10} {'':>6}  WHAT")
        tree = (line for part in whole.parts for line in _tree(part, whole, files))
        lines += [cut(line, columns) for line in tree]
    lines += [cut(line, columns) for line in more]
    notes = [f"[!] {note}" for note in notes]
    return "\n".join([*lines, *[piece for note in notes for piece in wrap(note, columns)]])


def part_json(part: Part) -> PartJson:
    """One part with all that is in it; sizes in bytes on disk."""
    return {
        "kind": part.kind,
        "name": part.name,
        "bytes": part.usage.bytes,
        "inodes": part.usage.inodes,
        "note": part.note,
        "parts": [part_json(each) for each in part.parts],
    }


def _head(whole: Part, use: DiskUse | None, columns: int | None) -> list[str]:
    words = "data-root" if whole.kind == "data-root" else "containerd's store"
    told = f"{words} {whole.name}: {plain_bytes(whole.usage.bytes)} in {whole.usage.inodes:,} files"
    lines = [told]
    if use is not None:
        lines.append(
            f"its disk is {plain_ratio(use.used_ratio)} full ({plain_bytes(use.free_bytes)} free "
            f"of {plain_bytes(use.total_bytes)}), inodes {plain_ratio(use.inodes_used_ratio)}"
        )
    return [piece for line in lines for piece in wrap(line, columns)] + [""]


def _tree(part: Part, whole: Part, files: bool, depth: int = 0) -> Iterator[str]:
    mine, all_of_it = (each.usage.inodes if files else each.usage.bytes for each in (part, whole))
    size = f"{mine:,}" if files else plain_bytes(mine)
    share = plain_ratio(mine / all_of_it) if all_of_it else ""
    name = cut(on_a_line(part.name), MAX_NAME)
    note = f"  ({part.note})" if part.note else ""
    shown = share if depth == 0 else ""
    yield f"{size:>10} {shown:>6}  {'  ' * depth}{name}{note}"
    for inner in part.parts:
        yield from _tree(inner, whole, files, depth + 1)
