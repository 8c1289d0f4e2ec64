"""One incident as Markdown, for a ticket or a wiki: a `Report` in, text out. Pure.

What comes from outside is escaped, so that it is shown and never read as markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from dockerdoctor.cli.incidentreport import Report, Vital, facts
from dockerdoctor.cli.reporttext import state_of
from dockerdoctor.cli.terminal import clean
from dockerdoctor.units import plain

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&@])")


def markdown(report: Report, clock: Callable[[float], str]) -> str:
    """The whole story."""
    rows = [("state", state_of(report.incident)), *facts(report, clock)]
    lines = [f"# {_safe(report.incident.says)}", ""]
    lines += [f"- **{name}**: {_safe(value)}" for name, value in rows]
    lines += ["", "## Vitals", ""]
    lines += [line for vital in report.vitals for line in _vital(vital)]
    lines += ["", "## Timeline", "", "| when | what |", "|---|---|"]
    lines += [f"| {_safe(clock(each.wall))} | {_safe(each.text)} |" for each in report.moments]
    lines += list(_evidence(report))
    return "\n".join(lines) + "\n"


def _safe(text: str) -> str:
    """On one line, and no markup."""
    return _MARKUP.sub(r"\\\1", " ".join(clean(text).split()))


def _vital(vital: Vital) -> Iterator[str]:
    values = [value for _, value in vital.points if value is not None]
    missed = len(vital.points) - len(values)
    if not vital.points:
        yield f"- {_safe(vital.title)}: no samples of that time are on record"
        return
    told = f"{plain(min(values), vital.unit)} to {plain(max(values), vital.unit)}" if values else ""
    words = [told, f"{missed} of {len(vital.points)} looks without an answer" if missed else ""]
    words += [f"{each.rule} from {plain(each.value, vital.unit)}" for each in vital.thresholds]
    yield f"- {_safe(vital.title)}: {_safe('; '.join(filter(None, words)))}"


def _evidence(report: Report) -> Iterator[str]:
    if not report.excerpts:
        return
    yield from ("", "## Evidence")
    for each in report.excerpts:
        yield from ("", f"### {_safe(each.path)}", "")
        yield from (_safe(text) for text in (each.missing, each.says) if text)
        if each.text:
            text = clean(each.text)
            longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
            fence = "`" * max(3, longest + 1)
            yield from ("", f"{fence}text", text, fence)
    if report.hidden:
        yield from ("", f"Hidden in the excerpts: {_safe(', '.join(report.hidden))}")
