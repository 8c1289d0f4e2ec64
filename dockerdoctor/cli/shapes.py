"""The shape of all JSON that commands write, but for what has a module of its own (`check`, `top`).

mypy holds the commands to it, and the shipped schemas are made from it. Times are UTC in ISO 8601,
durations s, sizes bytes, shares ratios.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from dockerdoctor.cli.healing import Ending
from dockerdoctor.cli.report import State
from dockerdoctor.cli.reportjson import ImpactName, IncidentJson, SeverityName, Time
from dockerdoctor.cli.storeimages import StoredImageJson
from dockerdoctor.loglook import Growth
from dockerdoctor.model import Fault, Reading, Value
from dockerdoctor.stackjams import Holder
from dockerdoctor.stacksigns import Sign

Version = Literal[1]


class IncidentsJson(TypedDict):
    """`incidents list --json`, newest first."""

    schema_version: Version
    incidents: list[IncidentJson]


class OneIncidentJson(TypedDict):
    """`incidents show ID --json`."""

    schema_version: Version
    incident: IncidentJson


class PlanStepJson(TypedDict):
    """One rung of a plan; `passed_over` says why it would not be climbed, and is empty if it would.
    `at_most_s` is how long the cure is looked for; `only` names the containers that it costs, and
    is empty where that is none, or all."""

    rung: str
    help: str
    impact: ImpactName
    at_most_s: float
    by_hand: str
    only: list[str]
    passed_over: str


class ContainerFateJson(TypedDict):
    """What becomes of a container that runs now."""

    name: str
    fate: str


class PlanJson(TypedDict):
    """The ladder for one finding. `live_restore` is null when nobody knows; `reload` is the command
    that switches it on without a restart, once daemon.json says so, and empty where none does."""

    rule: str
    says: str
    steps: list[PlanStepJson]
    live_restore: bool | None
    swarm: bool
    reload: str
    bring_back: bool
    containers: list[ContainerFateJson]
    hold: str | None


class HealPlanJson(TypedDict):
    """`heal --plan --json`, and `heal --json` where nothing is to be done."""

    schema_version: Version
    state: State
    says: str
    plans: list[PlanJson]


class HealJson(TypedDict):
    """`heal --yes --json`: how it ended, and what is on record of it."""

    schema_version: Version
    ending: Ending
    why: str
    incidents: list[IncidentJson]


class PartJson(TypedDict):
    """One part of the data-root with all that is in it; sizes on disk."""

    kind: str
    name: str
    bytes: int
    inodes: int
    note: str
    parts: list[PartJson]


class DiskJson(TypedDict):
    """`disk show --json`. `images` are those of containerd's store, within the sizes of `places`;
    empty where there is none, or no daemon that names them."""

    schema_version: Version
    used_ratio: float
    inodes_ratio: float
    free_bytes: int
    total_bytes: int
    walked: int
    skipped: list[str]
    places: list[PartJson]
    images: list[StoredImageJson]


class LogsJson(TypedDict):
    """`disk logs --json`, the largest first."""

    schema_version: Version
    free_bytes: int
    logs: list[Growth]


class UsageJson(TypedDict):
    """Space on disk."""

    bytes: int
    inodes: int


class RemovalJson(TypedDict):
    """One removal of a plan. `used` is when it was used last, null when that is not known; `back`
    what it costs to have it back; `safe` why it may go."""

    kind: str
    id: str
    name: str
    tags: list[str]
    frees: UsageJson
    used: Time | None
    back: str
    safe: str


class SparedJson(TypedDict):
    """What is left alone, and why."""

    why: str
    count: int


class ReclaimPlanJson(TypedDict):
    """What would be removed, in order, for room at `place`; `short` is what is missing then."""

    place: str
    full: bool
    need: UsageJson
    frees: UsageJson
    short: UsageJson
    steps: list[RemovalJson]
    spared: list[SparedJson]


class RemovedJson(TypedDict):
    """One removal that was tried; `why_not` is empty when it is gone."""

    id: str
    name: str
    why_not: str


class ReclaimJson(TypedDict):
    """`disk reclaim --json`; the last three only with --apply, the incident only if on record."""

    schema_version: Version
    plan: ReclaimPlanJson
    incident: NotRequired[str]
    enough: NotRequired[bool]
    done: NotRequired[list[RemovedJson]]


class RuleJson(TypedDict):
    """One rule."""

    name: str
    severity: SeverityName
    says: str
    when: list[str]
    for_s: float
    looks: int
    certain: list[str]
    clear: list[str]
    clear_for_s: float
    ladder: list[str]
    remedy: str
    avoid: str


class RulesJson(TypedDict):
    """`rules list --json`, and `rules show NAME --json` with one."""

    schema_version: Version
    rules: list[RuleJson]


class ProbeJson(TypedDict):
    """One probe, as it declares itself."""

    name: str
    help: str
    every_s: float
    timeout_s: float
    readings: list[Reading]


class ProbesJson(TypedDict):
    """`probes list --json`."""

    schema_version: Version
    probes: list[ProbeJson]


class SampleJson(TypedDict):
    """`probes run NAME --json`. `fault` is null when it could look."""

    schema_version: Version
    probe: str
    at: Time
    took_s: float
    fault: Fault | None
    detail: str
    readings: dict[str, Value]


class PlaceJson(TypedDict):
    """So many goroutines wait in this function."""

    function: str
    count: int


class JamJson(TypedDict):
    """Goroutines that wait for the same thing."""

    waits_for: str
    waiters: int
    minutes: int
    places: list[PlaceJson]
    lock: str | None
    holder: Holder | None
    sign: str | None


class FrameJson(TypedDict):
    """One function of a stack, and where it stands."""

    function: str
    place: str


class StackJson(TypedDict):
    """Goroutines that are at the same place; frames innermost first."""

    count: int
    state: str
    minutes: int
    goroutines: list[int]
    created_by: str
    frames: list[FrameJson]


class ExplanationJson(TypedDict):
    """`explain DUMP --json`. `sign` is the known failure it looks like."""

    schema_version: Version
    says: str
    program: str
    goroutines: int
    cut: bool
    states: dict[str, int]
    before: str
    sign: Sign | None
    jams: list[JamJson]
    stacks: list[StackJson]


class MeaningJson(TypedDict):
    """`explain --said TEXT --json`: what an error means."""

    schema_version: Version
    name: str
    says: str
    remedy: str
    avoid: str
