"""Makes dockerdoctor/shipped/schema/: JSON Schemas of every `--json`, from the shapes in cli/."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dockerdoctor.cli.schemas import schema, shapes_of
from tools.commandline import application, walk


def render(root: Path) -> Mapping[Path, str]:
    """One file for each shape."""
    directory = root / "dockerdoctor/shipped/schema"
    return {
        directory / f"{name}.schema.json": schema(shape).decode()
        for command in writing()
        for name, shape in shapes_of(command).items()
    }


def writing() -> list[str]:
    """The commands that have --json, by their words."""
    return [
        " ".join(command.path)
        for command in walk(application())
        if command.path and any("--json" in option.names for option in command.options)
    ]
