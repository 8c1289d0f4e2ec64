"""One vital as an inline SVG: values in, markup out. Pure; colours are the page's CSS variables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from msgspec import Struct

from dockerdoctor.cli.incidentreport import Report, Threshold, Vital
from dockerdoctor.model import Severity
from dockerdoctor.units import plain

WIDTH, HEIGHT = 760, 170
LEFT, RIGHT, TOP, BOTTOM = 76, 16, 14, 26
NEAR = 4.0
"""A threshold more than so many times the greatest value would flatten the line: it is named
below the plot and not drawn."""
GAP_S = 120.0
"""No line is drawn over a longer time without a sample (the store keeps one in 15 s)."""
TICKS_X, TICKS_Y = 6, 4
DIGIT = 10


class _Frame(Struct, frozen=True):
    since: float
    until: float
    top: float

    def x(self, wall: float) -> float:
        share = (wall - self.since) / max(1e-9, self.until - self.since)
        return LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = min(1.0, max(0.0, value / self.top))
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def plot(report: Report, vital: Vital, clock: Callable[[float], str]) -> str:
    """The vital over the time of the report, with thresholds, the incident and its rungs."""
    values = [value for _, value in vital.points if value is not None]
    if not vital.points:
        return '<p class="none">no samples of that time are on record (they are kept for 48 h)</p>'
    greatest = max(values, default=0.0)
    near = 1.0 if vital.unit == "ratio" else max(greatest, 1e-9) * NEAR
    drawn = [each for each in vital.thresholds if each.value <= near]
    top = _top(vital, greatest, drawn)
    frame = _Frame(report.since, report.until, top)
    parts = [
        *_background(report, frame),
        *_axes(vital, frame, clock),
        *(_threshold(each, vital, frame) for each in drawn),
        *_unanswered(vital, frame),
        *_lines(vital.points, frame),
        *_rungs(report, frame),
    ]
    far = [each for each in vital.thresholds if each not in drawn]
    name = escape(f"{vital.title}: {len(values)} samples, at most {plain(greatest, vital.unit)}")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">'
        f"<title>{name}</title>{''.join(parts)}</svg>" + _far(far, vital)
    )


def _top(vital: Vital, greatest: float, drawn: Sequence[Threshold]) -> float:
    """The end of the axis: TICKS_Y steps that people can read."""
    if vital.unit == "ratio":
        return 1.0
    least = max([greatest, *(each.value for each in drawn)], default=0.0) * 1.1 / TICKS_Y
    if least <= 0:
        return 1.0
    unit = 1024.0 ** int(math.log(least, 1024)) if vital.unit == "bytes" and least >= 1 else 1.0
    power = 10.0 ** math.floor(math.log10(least / unit))
    step = next(each for each in (1, 2, 2.5, 5, 10) if each * power * unit >= least * 0.999)
    return step * power * unit * TICKS_Y


def _background(report: Report, frame: _Frame) -> Iterator[str]:
    """The time of the incident, shaded."""
    left = frame.x(report.incident.opened)
    right = frame.x(report.incident.closed or report.now)
    yield (
        f'<rect class="during" x="{left:.1f}" y="{TOP}" width="{max(1.0, right - left):.1f}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/>'
    )


def _axes(vital: Vital, frame: _Frame, clock: Callable[[float], str]) -> Iterator[str]:
    for tick in range(TICKS_Y + 1):
        value = frame.top * tick / TICKS_Y
        y = frame.y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        label = escape(plain(value, vital.unit) if value else "0")
        yield f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    for tick in range(TICKS_X + 1):
        wall = frame.since + (frame.until - frame.since) * tick / TICKS_X
        x = frame.x(wall)
        anchor = "start" if tick == 0 else "end" if tick == TICKS_X else "middle"
        yield (
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">'
            f"{escape(clock(wall).rpartition(' ')[2])}</text>"
        )


def _threshold(each: Threshold, vital: Vital, frame: _Frame) -> str:
    kind = "critical" if each.severity is Severity.CRITICAL else "warning"
    y = frame.y(each.value)
    beside = y - 3 if kind == "critical" else y + 11  # two that are close must both be read
    label = escape(f"{each.rule} from {plain(each.value, vital.unit)}")
    return (
        f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="{kind}" x="{WIDTH - RIGHT - 4}" y="{beside:.1f}" text-anchor="end">'
        f"{label}</text>"
    )


def _lines(points: Sequence[tuple[float, float | None]], frame: _Frame) -> Iterator[str]:
    """Broken where nothing was had, and over gaps; a lone sample is a dot."""
    piece: list[str] = []
    last = 0.0
    for wall, value in [*points, (float("inf"), None)]:
        if piece and (value is None or wall - last > GAP_S):
            dots = " ".join(piece)
            yield (
                f'<polyline class="line" points="{dots}"/>'
                if len(piece) > 1
                else (
                    f'<circle class="dot" cx="{dots.partition(",")[0]}" '
                    f'cy="{dots.partition(",")[2]}" r="2"/>'
                )
            )
            piece = []
        if value is not None:
            piece.append(f"{frame.x(wall):.1f},{frame.y(value):.1f}")
            last = wall


def _unanswered(vital: Vital, frame: _Frame) -> Iterator[str]:
    """Where it was asked for and not had."""
    for wall, value in vital.points:
        if value is None:
            yield _upright("missed", frame.x(wall))


def _rungs(report: Report, frame: _Frame) -> Iterator[str]:
    """Numbered as in the table of what was done; numbers that would overlap are moved on."""
    last = 0.0
    for number, attempt in enumerate(report.incident.attempts, start=1):
        if attempt.skipped:
            continue
        x = frame.x(attempt.began)
        last = max(x, last + DIGIT)
        yield _upright("rung", x)
        yield (
            f'<text class="rung" x="{min(last, WIDTH):.1f}" y="{TOP - 3}" text-anchor="middle">'
            f"{number}</text>"
        )


def _upright(kind: str, x: float) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'


def _far(far: Sequence[Threshold], vital: Vital) -> str:
    if not far:
        return ""
    named = ", ".join(f"{each.rule} from {plain(each.value, vital.unit)}" for each in far)
    return f'<p class="far">above the plot: {escape(named)}</p>'
