"""The JSON Schemas of what commands write with --json: by the command's words, the shapes.

The shape of a new command `name` is found by itself when it is the class with a `schema_version` in
`cli/namejson.py`; others stand in SHAPES. tools/schemas.py ships them, tests hold outputs to them.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import get_type_hints

import msgspec

from dockerdoctor.cli import incidentstats, reportjson, shapes

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SHAPES: Mapping[str, Mapping[str, type]] = {
    "check": {"check": reportjson.CheckJson},
    "heal": {"heal": shapes.HealJson, "heal-plan": shapes.HealPlanJson},
    "explain": {"explain": shapes.ExplanationJson, "explain-said": shapes.MeaningJson},
    "incidents list": {"incidents-list": shapes.IncidentsJson},
    "incidents show": {"incidents-show": shapes.OneIncidentJson},
    "incidents stats": {"incidents-stats": incidentstats.Stats},
    "disk show": {"disk-show": shapes.DiskJson},
    "disk reclaim": {"disk-reclaim": shapes.ReclaimJson},
    "disk logs": {"disk-logs": shapes.LogsJson},
    "rules list": {"rules": shapes.RulesJson},
    "rules show": {"rules": shapes.RulesJson},
    "probes list": {"probes-list": shapes.ProbesJson},
    "probes run": {"probes-run": shapes.SampleJson},
}
"""For each command the names of its schemas; most have one."""


def shapes_of(command: str) -> Mapping[str, type]:
    """The shapes that a command writes, by the names of their schemas. KeyError for a command that
    has none."""
    if command in SHAPES:
        return SHAPES[command]
    try:
        module = importlib.import_module(f"dockerdoctor.cli.{command.replace(' ', '')}json")
    except ModuleNotFoundError:
        raise KeyError(f"{command} has --json, and no shape in cli/schemas.py") from None
    (shape,) = (
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and each.__module__ == module.__name__
        and "schema_version" in get_type_hints(each)
    )
    return {command.replace(" ", "-"): shape}


def schema(shape: type) -> bytes:
    """Its JSON Schema, as it is shipped."""
    told = {"$schema": DRAFT, **msgspec.json.schema(shape)}
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"
