"""Rows in, aligned text out: two blanks between columns, no boxes, the last column as it is."""

from __future__ import annotations

from collections.abc import Sequence

from dockerdoctor.cli.plain import cut


def table(header: Sequence[str], rows: Sequence[Sequence[str]], columns: int | None = None) -> str:
    """A table; each line is cut at `columns` unless that is None."""
    lines = [header, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    return "\n".join(cut(_line(line, widths), columns) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()
