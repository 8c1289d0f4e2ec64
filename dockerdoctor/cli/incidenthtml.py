"""One incident as one HTML file that needs nothing else: a `Report` in, a page out. Pure.

No script, no font, no picture from outside, and a policy that forbids all of them: whatever a
container is called, the page stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from dockerdoctor import __version__
from dockerdoctor.cli.incidentreport import Excerpt, Report, facts
from dockerdoctor.cli.plot import plot
from dockerdoctor.cli.reporttext import state_of
from dockerdoctor.cli.terminal import clean, iso
from dockerdoctor.model import Attempt
from dockerdoctor.units import plain_bytes, plain_seconds

STYLE = """
:root { color-scheme: light dark; --fg: #1c1f23; --soft: #5b6570; --bg: #fff; --card: #f5f6f8;
  --edge: #d9dde2; --bad: #b3261e; --warn: #9a6700; --good: #1a7f37; --line: #1f5fbf;
  --during: #b3261e18; --missed: #b3261e66; }
@media (prefers-color-scheme: dark) { :root { --fg: #e4e7eb; --soft: #9aa5b1; --bg: #14171a;
  --card: #1d2125; --edge: #343a41; --bad: #ff7b72; --warn: #e3b341; --good: #56d364;
  --line: #79b8ff; --during: #ff7b7222; --missed: #ff7b7255; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 52rem; padding: 1.5rem 1rem 3rem; color: var(--fg);
  background: var(--bg); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
h3 { font-size: .95rem; font-weight: 600; margin: 1rem 0 .25rem; overflow-wrap: anywhere; }
.state { font-weight: 700; text-transform: uppercase; letter-spacing: .03em; }
.cured, .good { color: var(--good); } .open, .bad { color: var(--bad); }
.soft { color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0;
  border-top: 1px solid var(--edge); overflow-wrap: anywhere; }
td:not(:last-child) { white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.cured td, tr.closed td { color: var(--good); } tr.opened td { color: var(--bad); }
tr.passed-over td, tr.seen td { color: var(--soft); }
pre { background: var(--card); border: 1px solid var(--edge); padding: .6rem; overflow: auto;
  font: 12px/1.45 ui-monospace, monospace; max-height: 24rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
svg { width: 100%; height: auto; display: block; } svg text { font: 11px system-ui, sans-serif; }
.tick { fill: var(--soft); } .grid { stroke: var(--edge); stroke-width: .7; }
.during { fill: var(--during); } .missed { stroke: var(--missed); stroke-width: 1.5; }
.line { fill: none; stroke: var(--line); stroke-width: 1.6; } .dot { fill: var(--line); }
line.warning { stroke: var(--warn); stroke-dasharray: 5 3; } text.warning { fill: var(--warn); }
line.critical { stroke: var(--bad); stroke-dasharray: 5 3; } text.critical { fill: var(--bad); }
line.rung { stroke: var(--fg); stroke-width: 1; stroke-dasharray: 2 2; }
text.rung { fill: var(--fg); font-weight: 700; }
.far, .none, footer { color: var(--soft); font-size: .85rem; margin: .2rem 0; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } pre { max-height: none; }
  section, table, svg { break-inside: avoid; } section.long { break-inside: auto; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html(report: Report, clock: Callable[[float], str]) -> str:
    """The page."""
    title = _safe(f"{report.incident.says} ({report.incident.id})")
    body = "\n".join(
        [
            *_head(report, clock),
            *_vitals(report, clock),
            *_done(report, clock),
            *_timeline(report, clock),
            *_evidence(report),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style></head>\n<body>\n{body}\n"
        f"<footer>written by dockerdoctor {__version__}, {iso(report.now)}</footer>\n"
        "</body></html>\n"
    )


def _safe(text: str) -> str:
    """Text from outside: no markup, no control characters."""
    return escape(clean(text.encode("utf-8", "replace").decode("utf-8")))


def _head(report: Report, clock: Callable[[float], str]) -> Iterator[str]:
    incident = report.incident
    state = state_of(incident)
    kind = "cured" if state == "cured" else "open" if incident.closed is None else "soft"
    yield f'<header><p class="state {kind}">{_safe(state)}</p><h1>{_safe(incident.says)}</h1><dl>'
    for name, value in facts(report, clock):
        yield f"<dt>{name}</dt><dd>{_safe(value)}</dd>"
    yield "</dl></header>"


def _vitals(report: Report, clock: Callable[[float], str]) -> Iterator[str]:
    yield "<h2>Vitals</h2>"
    yield (
        '<p class="far">shaded: the incident; red lines: asked and not answered; numbers: the '
        "rungs below; dashed: from where on a rule speaks</p>"
    )
    for vital in report.vitals:
        yield f"<section><h3>{_safe(vital.title)}</h3>{plot(report, vital, clock)}</section>"


def _done(report: Report, clock: Callable[[float], str]) -> Iterator[str]:
    yield "<h2>What was done</h2>"
    if not report.incident.attempts:
        yield '<p class="none">nothing</p>'
        return
    yield (
        "<table><thead><tr><th>#</th><th>When</th><th>Rung</th><th>Took</th><th>What it did, and "
        "why</th></tr></thead><tbody>"
    )
    for number, attempt in enumerate(report.incident.attempts, start=1):
        kind = "passed-over" if attempt.skipped else "cured" if attempt.cured else "climbed"
        cells = (str(number), clock(attempt.began), attempt.rung, _took(attempt), _note(attempt))
        yield (
            f'<tr class="{kind}">' + "".join(f"<td>{_safe(each)}</td>" for each in cells) + "</tr>"
        )
    yield "</tbody></table>"


def _took(attempt: Attempt) -> str:
    if attempt.skipped:
        return "-"
    if attempt.ended is None:
        return "?"
    return plain_seconds(max(0.0, attempt.ended - attempt.began))


def _note(attempt: Attempt) -> str:
    if attempt.skipped:
        return f"passed over: {attempt.note}"
    if attempt.ended is None:
        return "under way, or cut short"
    return ("cured: " if attempt.cured else "") + attempt.note


def _timeline(report: Report, clock: Callable[[float], str]) -> Iterator[str]:
    yield '<section class="long"><h2>Timeline</h2><table><tbody>'
    for moment in report.moments:
        yield (
            f'<tr class="{moment.kind}"><td>{_safe(clock(moment.wall))}</td>'
            f"<td>{_safe(moment.text)}</td></tr>"
        )
    yield "</tbody></table></section>"


def _evidence(report: Report) -> Iterator[str]:
    if not report.excerpts:
        return
    yield '<section class="long"><h2>Evidence</h2>'
    for each in report.excerpts:
        yield _excerpt(each)
    if report.hidden:
        yield f'<p class="far">hidden in the excerpts: {_safe(", ".join(report.hidden))}</p>'
    yield "</section>"


def _excerpt(each: Excerpt) -> str:
    size = f' <span class="soft">{plain_bytes(each.size)}</span>' if each.size else ""
    parts = [f"<h3>{_safe(each.path)}{size}</h3>"]
    for text in (each.missing, each.says):
        parts += [f"<p>{_safe(text)}</p>"] if text else []
    parts += [f"<pre>{_safe(each.text)}</pre>"] if each.text else []
    return "".join(parts)
