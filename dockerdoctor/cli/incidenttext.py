"""Incidents as a table and as a timeline. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dockerdoctor.cli.plain import fold
from dockerdoctor.cli.reporttext import attempt_line, evidence, state_of
from dockerdoctor.cli.table import table
from dockerdoctor.model import BY_HAND, Incident, Outcome, Sample
from dockerdoctor.units import plain_seconds

Clock = Callable[[float], str]
AROUND_S = 20.0
"""Samples this long before and after an incident belong to its story."""
TURNS = (
    "ping.answered",
    "unit.active_state",
    "process.pid",
    "process.state",
    "process.frozen",
    "containerd.answered",
)
"""Readings whose changes are worth a line."""


def incidents_table(
    incidents: Sequence[Incident], now: float, clock: Clock, columns: int | None
) -> str:
    """One line for each."""
    rows = [
        (
            each.id,
            clock(each.opened),
            plain_seconds(max(0.0, round((each.closed or now) - each.opened))),
            state_of(each),
            _cure(each),
            each.says,
        )
        for each in incidents
    ]
    return table(("ID", "OPENED", "LASTED", "STATE", "BY", "WHAT"), rows, columns)


def incident_text(
    incident: Incident, samples: Sequence[Sample], now: float, clock: Clock, columns: int | None
) -> str:
    """The whole story of one incident."""
    lasted = plain_seconds(max(0.0, round((incident.closed or now) - incident.opened)))
    head = [
        f"{_headline(incident)}: {incident.says}",
        f"    id      {incident.id}",
        f"    rule    {incident.rule} ({incident.severity.name.lower()})",
        f"    opened  {clock(incident.opened)}",
        f"    closed  {clock(incident.closed)}" if incident.closed else "    closed  not yet",
        f"    lasted  {lasted}",
    ]
    if incident.evidence:
        head.append(f"    seen    {evidence(incident.evidence, {})}")
    if incident.why:
        head.append(f"    why     {incident.why}")
    story = sorted(_timeline(incident, samples, clock), key=lambda moment: moment[0])
    lines = [*head, "", *(line for _, line in story)]
    kept = [path for attempt in incident.attempts for path in attempt.evidence]
    if kept:
        lines += ["", "kept:", *(f"    {path}" for path in kept)]
    return fold(lines, columns)


def _timeline(
    incident: Incident, samples: Sequence[Sample], clock: Clock
) -> Iterator[tuple[float, str]]:
    """Moments with their lines, in no order."""
    yield incident.opened, f"{clock(incident.opened)}  incident opened: {incident.says}"
    for attempt in incident.attempts:
        yield attempt.began, attempt_line(attempt, clock)
    for wall, says in turns(samples):
        yield wall, f"{clock(wall)}  {says}"
    if incident.closed:
        yield incident.closed, f"{clock(incident.closed)}  incident closed: {incident.why}"


def turns(samples: Sequence[Sample]) -> Iterator[tuple[float, str]]:
    """When one of TURNS changed, and to what; samples oldest first."""
    last: dict[str, object] = {}
    for sample in samples:
        for name, value in sample.readings.items():
            full = f"{sample.probe}.{name}"
            if full in TURNS and last.get(full, value) != value:
                yield sample.at.wall, f"{full} = {evidence({full: value}, {}).partition(' = ')[2]}"
            if full in TURNS:
                last[full] = value


def _headline(incident: Incident) -> str:
    if incident.closed is None and incident.outcome is not Outcome.GAVE_UP:
        return "OPEN"
    if incident.rule == BY_HAND and incident.closed is not None:
        return state_of(incident).upper()
    return incident.outcome.value.upper().replace("-", " ")


def _cure(incident: Incident) -> str:
    cured = [attempt.rung for attempt in incident.attempts if attempt.cured]
    return cured[0] if cured else "-"
