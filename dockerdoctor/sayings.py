"""The loop's sentence for a look that found nothing, and which of its sentences are news.

A judgement goes in, one line comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dockerdoctor.judge import Judgement, Rule
from dockerdoctor.model import Decision, Hold, Reading
from dockerdoctor.units import plain

SHOWN = (
    ("ping.latency_s", "answered in"),
    ("process.rss_bytes", "RSS"),
    ("disk.used_ratio", "disk"),
)
"""What the log line of a good look tells."""


WAITS = ("cool-down", "restarted", "waiting", "starved", "building")
"""The holds whose sentences count time, or shares of it."""


def calm(rules: Sequence[Rule], judgement: Judgement, declared: Mapping[str, Reading]) -> str:
    """What a look showed that found nothing: how well it is, or which rule may hold soon."""
    pending = [
        rule.name
        for rule in rules
        if rule.ladder and judgement.watched[rule.name].since is not None
    ]
    if pending:
        return f"looking closer: {', '.join(pending)} if it lasts"
    return "well: " + ", ".join(
        f"{words} {plain(judgement.readings[name], declared[name].unit)}"
        for name, words in SHOWN
        if name in judgement.readings
    )


def goes_on(before: Decision, now: Decision) -> bool:
    """Whether it still waits for the same: a line that differs in its seconds alone is no news."""
    if not (isinstance(before, Hold) and isinstance(now, Hold)):
        return False
    return before.reason == now.reason and now.reason in WAITS
