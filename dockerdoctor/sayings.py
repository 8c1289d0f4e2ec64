"""The loop's sentence for a look that found nothing, and which of its sentences are news.

A judgement goes in, one line comes out.
"""

from __future__ import annotations

import re
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
REPEAT_S = 600.0
"""A watchdog that has nothing new to tell is heard of all the same."""
_FIGURE = re.compile(r"\d[\d.,]*")


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


class News:
    """Which sentences are a line of the log: those that differ from the one before them in more
    than figures; and one each REPEAT_S, as a sign of life."""

    def __init__(self) -> None:
        self._about = ""
        self._told_at = float("-inf")

    def is_news(self, decision: Decision, sentence: str, now: float) -> bool:
        """Of the sentence of this cycle; `now` is monotonic, s."""
        waits = isinstance(decision, Hold) and decision.reason in WAITS
        about = sentence.partition(":")[0] if waits else _FIGURE.sub("0", sentence)
        if about == self._about and now - self._told_at < REPEAT_S:
            return False
        self._about, self._told_at = about, now
        return True
