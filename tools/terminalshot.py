"""python -m tools.terminalshot TITLE COLUMNS <CAPTURE >IMAGE: a terminal's text as an SVG.

The capture is what was really on the screen, with its colours (`tmux capture-pane -e -p`); the
image needs nothing else. The README's pictures are made so.
"""

from __future__ import annotations

import io
import re
import sys

from rich.console import Console
from rich.text import Text

FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""They would be fetched from elsewhere."""


def picture(capture: str, title: str, columns: int) -> str:
    """The SVG of what stood on a terminal of that width."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    for line in capture.rstrip("\n").split("\n"):
        console.print(Text.from_ansi(line), no_wrap=True, overflow="crop")
    svg = FONTS.sub("", console.export_svg(title=title))
    return "\n".join(line.rstrip() for line in svg.split("\n"))


def main(words: list[str]) -> int:
    """From stdin to stdout."""
    title, columns = words
    sys.stdout.write(picture(sys.stdin.read(), title, int(columns)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
