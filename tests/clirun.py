"""Runs the real command line as a child process, with a configuration of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 300.0
"""For a loaded machine; no command takes so long."""
ROOT = Path(__file__).resolve().parents[1]
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("DOCKER")
    and name not in ("NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "STATE_DIRECTORY")
}


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def write_config(directory: Path, more: str = "", host: str = "") -> Path:
    """A configuration that touches nothing outside `directory`: a bare daemon that is not there."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "dockerdoctor.toml"
    path.write_text(
        f"""
rules_dirs = ["{directory}/rules.d"]
[daemon]
host = "{host or f"unix://{directory}/docker.sock"}"
pidfile = "{directory}/docker.pid"
data_root = "{directory}"
[watch]
state_dir = "{directory}/state"
run_dir = "{directory}/run"
[metrics]
listen = ""
{more}
"""
    )
    return path


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a child gets: this checkout, and nothing of docker's own."""
    return {**CLEAN, "PYTHONPATH": str(ROOT), "TZ": "UTC", "HOME": "/nonexistent", **(more or {})}


def dockerdoctor(
    *words: str,
    config: Path | None = None,
    env: Mapping[str, str] | None = None,
    given: str = "",
) -> Ran:
    """`dockerdoctor WORDS`, with that on its standard input (which is no terminal)."""
    named = ["--config", str(config)] if config else []
    ran = subprocess.run(
        [sys.executable, "-m", "dockerdoctor", *named, *words],
        env=environment(env),
        input=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "Traceback" not in ran.stderr or "--debug" in words, ran.stderr
    return Ran(ran.returncode, ran.stdout, ran.stderr)
