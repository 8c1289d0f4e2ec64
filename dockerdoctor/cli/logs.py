"""`disk logs`: what grows without end, until when, and how to end that for good."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from dockerdoctor import compose
from dockerdoctor.cli import terminal
from dockerdoctor.cli.asking import agreed, may_ask
from dockerdoctor.cli.options import Options, value_of
from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty, wrap
from dockerdoctor.cli.table import table
from dockerdoctor.errors import UsageError
from dockerdoctor.host.layout import CONFIG_FILE
from dockerdoctor.host.nouns import DiskUse, Place
from dockerdoctor.host.storage import logs
from dockerdoctor.host.storage.facts import Box, Survey
from dockerdoctor.loglook import Growth, growths, made_anew
from dockerdoctor.regret import CUT_COSTS
from dockerdoctor.units import parse_bytes, plain_bytes, plain_seconds

if TYPE_CHECKING:
    from dockerdoctor.cli.shapes import LogsJson

STAT_S = 5.0
COMMANDS = ("docker compose ", "dockerdoctor ")
LOG_OPTS = {"max-size": "10m", "max-file": "3"}
DAEMON_JSON = {"log-driver": "json-file", "log-opts": LOG_OPTS}


def show(options: Options, *, seconds: float, all_: bool, json: bool) -> int:
    """Look twice, `seconds` apart, and tell."""
    config = options.load()
    host = compose.host(config, options.own_address(config))
    try:
        use = host.disk(host.places()[Place.DATA_ROOT], STAT_S)
        first = host.survey()
        second: Survey | None = None
        if seconds and any(not box.log_rotates for box in first.boxes.values()):
            terminal.say(f"watching how the logs grow for {plain_seconds(seconds)} ...")
            host.pause(seconds)
            second = host.survey()
    finally:
        host.close()
    found = growths(first, second, use.free_bytes, all_)
    if json:
        told: LogsJson = {
            "schema_version": SCHEMA_VERSION,
            "free_bytes": use.free_bytes,
            "logs": list(found),
        }
        terminal.emit_raw(pretty(told))
    else:
        terminal.emit(text(found, use, terminal.width()))
    return 0


def text(found: Sequence[Growth], use: DiskUse, columns: int | None) -> str:
    """A table, and what to do about it."""
    endless = [each for each in found if not each.rotates]
    if not found:
        return "Every container's log is bounded: nothing to do."
    rows = [
        (
            each.name,
            plain_bytes(each.bytes),
            "?" if each.per_hour is None else f"{plain_bytes(each.per_hour)}/h",
            "-" if each.full_in_s is None else plain_seconds(each.full_in_s),
            each.driver + ("" if each.rotates else ", no rotation"),
        )
        for each in found
    ]
    head = ("CONTAINER", "SIZE", "GROWS", "DISK FULL IN", "LOG")
    lines = table(head, rows, columns).splitlines()
    lines.append(f"{plain_bytes(use.free_bytes)} are free.")
    if endless:
        lines += ["", *_fix(endless)]
    return "\n".join(piece for line in lines for piece in _wrapped(line, columns))


def _wrapped(line: str, columns: int | None) -> list[str]:
    """A command to be copied stays on its line."""
    return [line] if line.lstrip().startswith(COMMANDS) else wrap(line, columns)


def _fix(endless: Sequence[Growth]) -> list[str]:
    """For good, and for now."""
    return [
        "For good:",
        f"  1. Add to {CONFIG_FILE}: {jsonlib.dumps(DAEMON_JSON)}",
        "     then: systemctl restart docker (without live-restore it stops all containers)",
        "  2. That holds for new containers only. Make these anew (what they wrote outside of "
        "volumes is lost):",
        *(f"     {line}" for line in _anew(endless)),
        "For now:",
        f"  dockerdoctor disk logs --cut {quote(endless[0].name)} --keep 10MB --yes",
        f"  ({CUT_COSTS})",
    ]


def _anew(endless: Sequence[Growth]) -> Iterator[str]:
    """The commands, and whom they are for."""
    if commands := made_anew(endless):
        yield from commands
        yield "(where the compose file has a `logging:`, max-size belongs there)"
    if others := [each.name for each in endless if not each.compose]:
        options = " ".join(f"--log-opt {name}={value}" for name, value in LOG_OPTS.items())
        yield f"docker run {options} ... with their other options (docker inspect NAME):"
        yield ", ".join(others)


def cut(options: Options, *, names: Sequence[str], keep: str, yes: bool) -> int:
    """Cut the logs of these containers; 1 when one could not be."""
    keep_bytes = int(value_of("--keep", keep, parse_bytes))
    if not yes and not may_ask(options):
        raise UsageError(
            "a log is cut for good: that is asked before, and there is nobody to ask",
            f"say --yes if you mean it: {CUT_COSTS}",
        )
    config = options.load()
    host = compose.host(config, options.own_address(config))
    try:
        root = host.places()[Place.DATA_ROOT]
        boxes = host.survey().boxes
        idents = [(name, _one_of(boxes, name)) for name in names]
        if not yes and not agreed(f"Cut the log of {', '.join(names)}? Its older lines are lost."):
            terminal.say("nothing was done")
            return 1
        return max(_cut(root, name, ident, keep_bytes) for name, ident in idents)
    finally:
        host.close()


def _one_of(boxes: Mapping[str, Box], name: str) -> str:
    """The id of the container that is called so, or whose id alone begins so."""
    found = [box.id for box in boxes.values() if box.name == name] or [
        ident for ident in boxes if name and ident.startswith(name)
    ]
    if len(found) == 1:
        return found[0]
    many = f"{len(found)} containers have ids that begin with {name}"
    raise UsageError(
        many if found else f"there is no container {name}", "`dockerdoctor disk logs --all`"
    )


def _cut(root: Path, name: str, ident: str, keep_bytes: int) -> int:
    if readers := logs.readers(ident):
        terminal.say(
            f"[!] the log of {name} is read by {', '.join(readers)}: who follows it goes on, who "
            "begins anew finds a hole"
        )
    before = logs.on_disk(root, ident)
    why = logs.cut(root, ident, keep_bytes)
    freed = max(0, before - logs.on_disk(root, ident))
    terminal.emit(f"log of {name}: {why or f'cut, {plain_bytes(freed)} given back'}")
    return int(bool(why))
