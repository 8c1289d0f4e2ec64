"""What a report of one incident tells, in HTML or Markdown: values in, a `Report` out. Pure.

Names, journal lines and files come from a host that was in trouble and from whoever could name a
container: they are carried as they are, and each writer escapes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from dockerdoctor.cli.incidenttext import turns
from dockerdoctor.cli.reporttext import attempt_line, evidence
from dockerdoctor.cli.terminal import iso
from dockerdoctor.judge import Rule
from dockerdoctor.model import Incident, Sample, Severity
from dockerdoctor.units import plain_seconds

BEFORE_S, AFTER_S = (60.0, 600.0), (30.0, 300.0)
"""At least and at most so long before and after an incident is drawn; a short one must be seen."""
MANY = 300
"""Moments that a report lists; of more, the first and the last."""


class Moment(Struct, frozen=True):
    """One line of the timeline. `kind`: opened, closed, climbed, cured, passed-over, seen."""

    wall: float
    kind: str
    text: str


class Threshold(Struct, frozen=True):
    """From where on a rule speaks."""

    rule: str
    value: float
    severity: Severity


class Vital(Struct, frozen=True):
    """One reading over time; None where it was asked for and not had."""

    title: str
    reading: str
    unit: str
    points: tuple[tuple[float, float | None], ...]
    thresholds: tuple[Threshold, ...] = ()


class Excerpt(Struct, frozen=True):
    """A file of evidence: what it tells, and a part of it. `missing` says why there is none."""

    path: str
    size: int = 0
    says: str = ""
    text: str = ""
    missing: str = ""


class Report(Struct, frozen=True):
    """All that is told of one incident. Times are wall clock, s."""

    incident: Incident
    now: float
    since: float
    until: float
    moments: tuple[Moment, ...]
    vitals: tuple[Vital, ...]
    excerpts: tuple[Excerpt, ...]
    hidden: tuple[str, ...] = ()
    """What was masked in the excerpts."""
    remedy: str = ""
    avoid: str = ""

    @property
    def lasted_s(self) -> float:
        """From the first finding to its end, or to now."""
        return max(0.0, (self.incident.closed or self.now) - self.incident.opened)


VITALS = (
    ("Answer to a ping", "ping", "latency_s", "s"),
    ("Memory of dockerd (RSS)", "process", "rss_bytes", "bytes"),
    ("Data-root used", "disk", "used_ratio", "ratio"),
)


def span(incident: Incident, now: float) -> tuple[float, float]:
    """Which samples belong to the story (wall clock, s)."""
    end = incident.closed or now
    lasted = max(0.0, end - incident.opened)
    before = min(max(BEFORE_S[0], 3 * lasted), BEFORE_S[1])
    after = min(max(AFTER_S[0], 2 * lasted), AFTER_S[1])
    return incident.opened - before, min(max(now, end), end + after)


def report(
    incident: Incident,
    samples: Sequence[Sample],
    rules: Sequence[Rule],
    excerpts: Sequence[Excerpt],
    now: float,
    hidden: Sequence[str] = (),
) -> Report:
    """Put it together; samples oldest first."""
    since, until = span(incident, now)
    if samples:  # no empty half where nobody watched yet, or any more
        since = min(max(since, samples[0].at.wall), incident.opened - 5.0)
        until = max(min(until, samples[-1].at.wall), (incident.closed or now) + 5.0)
    rule = next((each for each in rules if each.name == incident.rule), None)
    moments = sorted(_moments(incident, samples), key=lambda each: (each.wall, each.kind == "seen"))
    if len(moments) > MANY:
        left = Moment(moments[MANY // 2].wall, "seen", f"... {len(moments) - MANY} more")
        moments = [*moments[: MANY // 2], left, *moments[-MANY // 2 :]]
    return Report(
        incident,
        now,
        since,
        until,
        tuple(moments),
        tuple(_vital(*each, samples, rules) for each in VITALS),
        tuple(excerpts),
        tuple(hidden),
        rule.remedy if rule else "",
        rule.avoid if rule else "",
    )


def facts(report: Report, clock: Callable[[float], str]) -> list[tuple[str, str]]:
    """What stands at the top: names and values, those that are known."""
    incident = report.incident
    closed = f"{clock(incident.closed)} ({iso(incident.closed)})" if incident.closed else "not yet"
    rows = [
        ("incident", incident.id),
        ("rule", f"{incident.rule} ({incident.severity.name.lower()})"),
        ("opened", f"{clock(incident.opened)} ({iso(incident.opened)})"),
        ("closed", closed),
        ("lasted", plain_seconds(round(report.lasted_s))),
        ("seen", evidence(incident.evidence, {})),
        ("why", incident.why),
        ("remedy", report.remedy),
        ("avoid", report.avoid),
    ]
    return [(name, value) for name, value in rows if value]


def _moments(incident: Incident, samples: Sequence[Sample]) -> Iterator[Moment]:
    yield Moment(incident.opened, "opened", f"incident opened: {incident.says}")
    for attempt in incident.attempts:
        text = attempt_line(attempt, lambda _: "").strip()
        kind = "passed-over" if attempt.skipped else "cured" if attempt.cured else "climbed"
        yield Moment(attempt.began, kind, text)
    for wall, says in turns(samples):
        yield Moment(wall, "seen", says)
    if incident.closed:
        yield Moment(incident.closed, "closed", f"incident closed: {incident.why}")


def _vital(
    title: str,
    probe: str,
    name: str,
    unit: str,
    samples: Sequence[Sample],
    rules: Sequence[Rule],
) -> Vital:
    reading = f"{probe}.{name}"
    points = []
    for sample in samples:
        if sample.probe == probe:
            value = sample.readings.get(name)
            good = isinstance(value, int | float) and sample.readings.get("answered") is not False
            points.append((sample.at.wall, float(value) if good and value is not None else None))
    thresholds = tuple(
        Threshold(rule.name, float(rule.when[0].value), rule.severity)
        for rule in rules
        if len(rule.when) == 1
        and rule.when[0].reading == reading
        and rule.when[0].op in (">", ">=")
        and isinstance(rule.when[0].value, int | float)
    )
    return Vital(title, reading, unit, tuple(points), thresholds)
