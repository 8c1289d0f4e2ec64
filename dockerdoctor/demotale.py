"""How the demo is told: what the watch says and sees goes in, lines for 80 columns come out."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from dockerdoctor.around import Snapshot
from dockerdoctor.declare import Rung, Scene
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Attempt, Impact, Incident, Instant, Sample
from dockerdoctor.units import plain

WIDTH = 79
INDENT = " " * 11
UNIT = re.compile(r"(?<=\d) (?=(?:s|ms|min|%|[KMGT]?i?B)\b|%)")
"""The blank between a number and its unit: no line ends there."""

COSTS: Mapping[Impact, str] = MappingProxyType(
    {
        Impact.NONE: "nothing",
        Impact.DAEMON: "the daemon for a moment; its containers run on (live-restore)",
        Impact.CONTAINERS: "the daemon and its containers",
        Impact.HOST: "the whole host",
    }
)


def wrapped(first: str, text: str) -> list[str]:
    """Lines not wider than WIDTH, the first behind `first`, the others below its end."""
    lines = textwrap.wrap(
        UNIT.sub("\0", text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in lines]


class Teller:
    """Tells what the watch does, with the seconds since the beginning."""

    def __init__(self, say: Callable[[str], None], host: HostView) -> None:
        self._say = say
        self._host = host
        self._began = host.now().mono
        self._last_ping: Sample | None = None
        self._climbing = ""
        self._rungs_begun = 0
        self._incidents: set[str] = set()
        self.broken_at: Instant | None = None
        self.rungs: Mapping[str, Rung] = {}
        self.scene: Callable[[], Scene] = Scene
        self.ended: list[Incident] = []

    def line(self, text: str) -> None:
        """One sentence with its time."""
        since = self._host.now().mono - self._began
        self._print(f"[{since:5.1f} s]  ", text)

    def heading(self, text: str) -> None:
        """A part of the story begins."""
        self._say("")
        self._say(text)

    def said(self, sentence: str) -> None:
        """What the watch says of itself; that it climbs is told as the rung begins."""
        if ": climb " not in sentence:
            self.line(sentence)

    def looked(self, snapshot: Snapshot) -> None:
        """Each look after the fault: the pings, a new incident's evidence, a rung that begins."""
        for incident in snapshot.incidents.values():
            if incident.id not in self._incidents:
                self._incidents.add(incident.id)
                seen = (f"{name} = {plain(it)}" for name, it in incident.evidence.items())
                self._print(INDENT, f"evidence: {', '.join(seen)}")
        ping = snapshot.samples.get("ping")
        if ping and ping != self._last_ping and self._is_after_the_fault(ping):
            self._ping(ping)
        self._last_ping = ping
        if snapshot.climbing and snapshot.climbing != self._climbing:
            self._begins(snapshot.climbing)
        self._climbing = snapshot.climbing

    def _is_after_the_fault(self, sample: Sample) -> bool:
        return self.broken_at is not None and sample.at.mono > self.broken_at.mono

    def _ping(self, sample: Sample) -> None:
        if sample.readings.get("answered") is True:
            self.line(f"ping: answered in {plain(sample.readings['latency_s'], 'seconds')}")
        else:
            self.line(f"ping: {sample.readings.get('says') or sample.detail}")

    def _begins(self, name: str) -> None:
        rung = self.rungs[name]
        self._rungs_begun += 1
        if self._rungs_begun == 1:
            self.heading("THE LADDER")
        self.line(f"rung {self._rungs_begun}, {name}: {rung.help}")
        self._print(INDENT, f"may cost: {COSTS[rung.impact(self.scene())]}")

    def climbed(self, _rule: str, attempt: Attempt) -> None:
        """A rung has ended."""
        took = plain((attempt.ended or attempt.began) - attempt.began, "seconds")
        cured = f"CURED by {attempt.rung} in {took} (three good looks in a row): it "
        self.line((cured if attempt.cured else f"{attempt.rung} ({took}): ") + attempt.note)

    def closed(self, incident: Incident) -> None:
        """An incident is over; one in which nothing was done is not what the demo is about."""
        if incident.attempts:
            self.ended.append(incident)

    def record(self, incident: Incident) -> None:
        """What is on record, and what it would have been by hand."""
        self.heading(f"ON RECORD: incident {incident.id}")
        self._row(incident.opened, "found", incident.says)
        for attempt in incident.attempts:
            result = "passed over: " if attempt.skipped else "cured it: " if attempt.cured else ""
            self._row(attempt.began, attempt.rung, result + attempt.note)
            if attempt.evidence:
                kept = ", ".join(Path(path).name.partition("-")[2] for path in attempt.evidence)
                self._row(None, "", f"kept: {kept}")
        self._row(incident.closed, incident.outcome, incident.why)
        self.heading("AND BY HAND?")
        self._compare(incident)

    def _compare(self, incident: Incident) -> None:
        broken = self.broken_at.wall if self.broken_at else incident.opened
        sure = incident.attempts[0].began - broken if incident.attempts else 0.0
        cure = next((self.rungs[each.rung] for each in incident.attempts if each.cured), None)
        by_hand = plain(cure.by_hand_s, "seconds") if cure else "minutes"
        for name, text in (
            (
                "dockerdoctor",
                f"{plain((incident.closed or broken) - broken, 'seconds')} from the "
                f"fault to the proof, {plain(sure, 'seconds')} of them to be sure: one bad look "
                "never acts",
            ),
            (
                "by hand",
                f"{by_hand} for the same rung, once somebody is awake and logged in; 5 to 15 min "
                "for a usual case; the restart destroys the evidence, and nobody writes it down",
            ),
        ):
            self._print(f"  {name:14}", text)

    def _row(self, at: float | None, name: str, text: str) -> None:
        when = f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}" if at else " " * 8
        self._print(f"  {when}  {name:12}  ", text)

    def _print(self, first: str, text: str) -> None:
        for line in wrapped(first, text):
            self._say(line)
        sys.stdout.flush()
