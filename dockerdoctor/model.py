"""The nouns of dockerdoctor: frozen values without behaviour; this module imports nothing of ours.

A *probe* takes a *sample* of *readings*. *Rules* turn samples into *findings*, findings make a
*verdict*. A finding names a *ladder* of *rungs*; climbing one is an *attempt*; all attempts from
the first finding to the cure are an *incident*.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct, field

Value: TypeAlias = bool | int | float | str
"""What one reading says. Durations are seconds, sizes bytes, shares ratios from 0 to 1."""

Readings: TypeAlias = Mapping[str, Value]
"""Readings of one probe by bare name (`rss_bytes`), or of all as `process.rss_bytes`."""

NOTHING: Readings = MappingProxyType({})


class Fault(enum.StrEnum):
    """Why a probe or a rung could not work; a closed list, so that it can be a metric label."""

    TIMEOUT = "timeout"  # no whole answer before the deadline
    REFUSED = "refused"  # somebody is there, or was, and said no
    DENIED = "denied"  # no permission
    MISSING = "missing"  # the socket, file, unit or command does not exist
    GARBLED = "garbled"  # an answer that cannot be what we asked for
    BUG = "bug"  # our own mistake


class Kind(enum.StrEnum):
    """How a reading behaves over time, and so what its metric is."""

    GAUGE = "gauge"
    COUNTER = "counter"  # only grows, until the daemon or we start again
    FLAG = "flag"  # true or false
    STATE = "state"  # one of a few words; may be a metric label
    TEXT = "text"  # free text for people; never a label


class Severity(enum.IntEnum):
    """How bad a finding is; the greater is the worse."""

    INFO = 0
    WARNING = 1
    CRITICAL = 2


class Impact(enum.IntEnum):
    """What a rung may cost, at worst: nothing, the daemon, its containers, the whole host."""

    NONE = 0
    DAEMON = 1
    CONTAINERS = 2
    HOST = 3


class Health(enum.StrEnum):
    """The verdict in one word. BLIND: what must be seen could not be; nobody acts on it."""

    WELL = "well"
    SICK = "sick"
    BLIND = "blind"


class Outcome(enum.StrEnum):
    """How an incident ended, or that it has not."""

    OPEN = "open"
    CURED = "cured"  # well again after a climb of ours
    PASSED = "passed"  # well again without one
    GAVE_UP = "gave-up"  # not ended: no rung is left, people are needed


class Reading(Struct, frozen=True):
    """Declares one reading of a probe: bare name, kind, a sentence, and a unit if it has one."""

    name: str
    kind: Kind
    help: str
    unit: str = ""


class Instant(Struct, frozen=True):
    """One moment on both clocks: wall (s since the epoch, for records), mono (s, for spans)."""

    wall: float
    mono: float


class Sample(Struct, frozen=True):
    """One run of one probe; a failed run is a sample too (`fault` set, no readings)."""

    probe: str
    at: Instant
    took_s: float
    readings: Readings = field(default_factory=lambda: NOTHING)
    fault: Fault | None = None
    detail: str = ""


class Process(Struct, frozen=True):
    """A process by identity. A pid alone is none: `started` is field 22 of its stat, in ticks."""

    pid: int
    started: int
    name: str


class Finding(Struct, frozen=True):
    """A rule that holds: what it says, since when, and the readings that show it."""

    rule: str
    says: str
    severity: Severity
    since: Instant
    evidence: Readings = field(default_factory=lambda: NOTHING)
    ladder: tuple[str, ...] = ()


class Verdict(Struct, frozen=True):
    """What all looks so far amount to: health, findings worst first, what was not seen."""

    at: Instant
    health: Health
    findings: tuple[Finding, ...] = ()
    unseen: tuple[str, ...] = ()
    """Probes that could not look, each as `name: reason`."""


class Policy(Struct, frozen=True):
    """What the operator allows: the worst impact, and how much of it in which time."""

    max_impact: Impact = Impact.CONTAINERS
    max_climbs: int = 5
    """Climbs of impact DAEMON or more inside `window_s`; 5 in 20 minutes is what
    node-problem-detector calls frequent. After that dockerdoctor gives up and calls for people."""
    window_s: float = 1200.0
    cooldown_s: float = 120.0
    """Between one incident's last costly rung and the first of another's (GKE: 120 s)."""
    reboot_every_s: float = 86400.0
    """Between two reboots of the host, whatever they are for: what a reboot has not cured, or what
    has come back so soon, is for people."""
    kill_shims: bool = False
    """Whether `sigkill` may also kill the shims, and with them every container."""
    bring_back: bool = True
    """Whether containers that ran before a costly rung, and that it stopped, are started again."""
    paused: str = ""
    """Why nobody may act now; empty when acting is allowed."""
    emergency: bool = False
    """Whether a person asks for the shortest safe way back: a start limit is forgiven, a stop that
    does not end is not waited for, and nobody else's restart is left to its end."""


class Hold(Struct, frozen=True):
    """Do nothing, and why: `reason` is one word (a metric label), `why` the sentence."""

    reason: str
    why: str


class Held(Struct, frozen=True):
    """A hold that lasts: `why` is its first sentence, `since` wall clock, s."""

    reason: str
    why: str
    since: float


class Skip(Struct, frozen=True):
    """A rung that is passed over, and why it could not help."""

    rung: str
    why: str


class Climb(Struct, frozen=True):
    """Climb this rung now, for this finding; `skipped` are the rungs passed over on the way."""

    rung: str
    why: str
    finding: Finding
    skipped: tuple[Skip, ...] = ()


class GiveUp(Struct, frozen=True):
    """No rung is left that may and can help. Final until the daemon is well again."""

    why: str
    finding: Finding
    skipped: tuple[Skip, ...] = ()


Decision: TypeAlias = Hold | Climb | GiveUp


class Attempt(Struct, frozen=True):
    """One rung climbed, or passed over (`skipped`). `ended` and `cured` are None while it runs, and
    stay so when the watchdog died during it. Times are wall clock, s since the epoch."""

    rung: str
    began: float
    impact: Impact
    ended: float | None = None
    cured: bool | None = None
    skipped: bool = False
    note: str = ""
    evidence: tuple[str, ...] = ()
    """Paths of the files that were kept."""

    @property
    def costly(self) -> bool:
        """Whether it may have interrupted the daemon, or more."""
        return self.impact >= Impact.DAEMON and not self.skipped


BY_HAND = "by-hand"
"""The rule of incidents that a person began (`disk reclaim`): none of the watchdog's."""


class Incident(Struct, frozen=True):
    """From the first finding to the cure. `closed` is None while the daemon is not well."""

    id: str
    opened: float
    rule: str
    says: str
    severity: Severity
    attempts: tuple[Attempt, ...] = ()
    closed: float | None = None
    outcome: Outcome = Outcome.OPEN
    why: str = ""
    """The last decision's sentence."""
    evidence: Readings = field(default_factory=lambda: NOTHING)
