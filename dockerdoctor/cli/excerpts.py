"""The part of a file of evidence that is worth a page: paths in, excerpts out, masked."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

from dockerdoctor.cli.explaintext import explanation_text
from dockerdoctor.cli.incidentreport import Excerpt
from dockerdoctor.mask import Masked
from dockerdoctor.stackjams import explain
from dockerdoctor.stacks import NoDumpError, lines_of, read

MAX_FILES = 40
READ_BYTES = 8 << 20
"""Of one file; a dump of this size is explained in half a second."""
HEAD_LINES, TAIL_LINES = 60, 40
LINE = 400
"""Characters of one line."""
STACKS = 8


def excerpts(paths: Iterable[str], masked: Masked) -> Iterator[Excerpt]:
    """One for each path, in their order."""
    for path in list(dict.fromkeys(paths))[:MAX_FILES]:
        try:
            yield _excerpt(Path(path), masked)
        except OSError as error:
            yield Excerpt(path, missing=f"cannot be read any more: {error.strerror or error}")


def _excerpt(path: Path, masked: Masked) -> Excerpt:
    """The end of a journal, the beginning of another file, the meaning of a dump."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode):
            return Excerpt(str(path), missing="is no plain file")
        size = told.st_size
        journal = "journal" in path.name
        if journal and size > READ_BYTES:
            file.seek(size - READ_BYTES)
        content = file.read(READ_BYTES)
    if "goroutine-stacks" in path.name or content.startswith(b"goroutine "):
        try:
            found = explain(read(lines_of(BytesIO(content))))
        except NoDumpError as error:
            return Excerpt(str(path), size, missing=f"is no goroutine dump: {error}")
        text = explanation_text(found, path.name, STACKS, None)
        return Excerpt(str(path), size, found.says, text)
    lines = content.decode("utf-8", "replace").splitlines()
    kept = lines[-TAIL_LINES:] if journal else lines[:HEAD_LINES]
    left = len(lines) - len(kept)
    which = "last" if journal else "first"
    says = f"the {which} {len(kept)} of {len(lines)} lines" if left else ""
    text = "\n".join(line.expandtabs(4)[:LINE] for line in kept)
    return Excerpt(str(path), size, says, masked.text(text))
