"""Around the loop: what it works with, what each look shows, and who wants to hear of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from dockerdoctor.declare import Probe as ProbeDeclaration
from dockerdoctor.declare import Rung
from dockerdoctor.judge import Judgement, Rule
from dockerdoctor.model import Attempt, Decision, Incident, Sample

LATELY_CLIMBED_S = 120.0
"""How long a start limit that is hit may be the doing of a climb of ours."""


class Snapshot(Struct, frozen=True):
    """What one look saw and what came of it: all that metrics and live views read."""

    samples: Mapping[str, Sample]
    judgement: Judgement
    decision: Decision
    incidents: Mapping[str, Incident]
    climbs_left: int
    climbing: str = ""
    """The rung that is being climbed, empty when none is."""


class Knowledge(Struct, frozen=True):
    """What the loop works with: probes and rungs by name, and the rules over them."""

    probes: Mapping[str, ProbeDeclaration]
    rungs: Mapping[str, Rung]
    rules: Sequence[Rule]


class Hooks(Struct):
    """Who wants to hear of it: each look, each attempt that ended, each closed incident."""

    looked: Callable[[Snapshot], None] = lambda _: None
    climbed: Callable[[str, Attempt], None] = lambda _rule, _attempt: None
    closed: Callable[[Incident], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None


class Pace(Struct):
    """Time between looks, s: when all is well, and when something is wrong or under way."""

    usual_s: float = 4.0
    close_s: float = 1.0
