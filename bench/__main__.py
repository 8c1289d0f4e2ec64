"""`python -m bench NAME [ARGUMENT ...]` runs one measurement; without a name it tells which."""

from __future__ import annotations

import ast
import pkgutil
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """The measurements, by the names of their files."""
    return [each.name for each in pkgutil.iter_modules([str(HERE)]) if each.name != "__main__"]


def first_line(name: str) -> str:
    """What a measurement says of itself."""
    text = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text())) or ""
    return text.partition("\n")[0]


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in names():
        del sys.argv[0]
        runpy.run_module(f"bench.{sys.argv[0]}", run_name="__main__", alter_sys=False)
    else:
        print(__doc__)
        for name in names():
            print(f"  {name:8} {first_line(name)}")
        sys.exit(64 if sys.argv[1:] else 0)
