"""What healing would do here and what it would cost. Pure: a finding and a scene in, a `Plan` out.

It is judged by what is seen now; each rung is judged again when its turn comes.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

from msgspec import Struct

from dockerdoctor import holds
from dockerdoctor.declare import Rung, Scene
from dockerdoctor.host.nouns import COMES_BACK, Container
from dockerdoctor.ladder import COSTS
from dockerdoctor.model import Finding, Hold, Impact, Incident, Outcome
from dockerdoctor.probes.leftovers import some
from dockerdoctor.rungs._common import takes_no_signal
from dockerdoctor.units import plain_seconds


class Fate(enum.StrEnum):
    """What becomes of a container that is stopped with its daemon, by its restart policy."""

    COMES_BACK = "comes back"
    MAY = "comes back if it fails when stopped"
    STAYS_DOWN = "stays down"
    REPLACED = "replaced by its orchestrator"
    NOT_KNOWN = "not known"


class Step(Struct, frozen=True):
    """One rung of the ladder, as it looks from here."""

    rung: str
    help: str
    impact: Impact
    settle_s: float
    """How long the cure is looked for, s; 0 for a rung that cures nothing."""
    costs: str
    """In words."""
    by_hand: str = ""
    passed_over: str = ""
    """Why it would not be climbed; empty if it would."""
    whom: tuple[str, ...] = ()
    """The only containers that it costs; empty where that is none, or all."""


class Plan(Struct, frozen=True):
    """The whole ladder for one finding, and what is at stake."""

    finding: Finding
    steps: tuple[Step, ...]
    fates: tuple[tuple[str, Fate], ...]
    """The containers that stop at worst, by name, of those that run now or ran when the daemon was
    last well; all of them where none stops."""
    live_restore: bool | None
    """Whether they outlive their daemon; None when nobody knows now."""
    swarm: bool = False
    """Whether this is a swarm node, which refuses live-restore."""
    reload: str = ""
    """The command that switches live-restore on without a restart, once daemon.json says so; empty
    where it is on, cannot be, or the daemon takes no signal."""
    bring_back: bool = True
    """Whether dockerdoctor starts what stays down after the cure."""
    hold: Hold | None = None
    """Why nothing is done now at all."""
    anew: bool = False
    """Whether an open incident is closed first and another begun, so that its rungs are climbed
    again: it was given up, or nothing is left to climb in it."""

    @property
    def worst(self) -> Impact:
        """The most that climbing it to the end costs."""
        return max((step.impact for step in _worst(self.steps)), default=Impact.NONE)

    @property
    def costs(self) -> str:
        """The same in words; where nothing is interrupted, what is taken away."""
        words = {step.costs for step in _worst(self.steps)}
        return words.pop() if len(words) == 1 else COSTS[self.worst]

    @property
    def others_go_on(self) -> bool:
        """Whether no more than some of them stop at worst."""
        return bool(_only(self.steps))


def plan(
    finding: Finding,
    scene: Scene,
    rungs: Mapping[str, Rung],
    incident: Incident | None = None,
    refused: str = "",
) -> Plan:
    """The plan for `finding`. `incident` is the open one of its rule: while that goes on, no rung
    is climbed twice. `refused`: why the daemon would not start again."""
    climbed = [each.rung for each in incident.attempts] if incident else []
    steps = [_step(rungs[name], scene, refused, name in climbed) for name in finding.ladder]
    gave_up = incident is not None and incident.outcome is Outcome.GAVE_UP
    anew = gave_up or (bool(climbed) and all(step.passed_over for step in steps))
    if anew:
        steps = [_step(rungs[name], scene, refused, climbed=False) for name in finding.ladder]
    known = scene.readings.get("api.live_restore")
    return Plan(
        finding=finding,
        steps=tuple(steps),
        fates=_fates(scene.running, steps),
        live_restore=known if isinstance(known, bool) else None,
        swarm=scene.flag("api.swarm"),
        reload=reload_command(scene) if known is False else "",
        bring_back=scene.policy.bring_back,
        hold=holds.first(holds.HOLDS, scene),
        anew=anew,
    )


def reload_command(scene: Scene) -> str:
    """How this daemon is told to read its configuration again; empty where it must not be: on a
    swarm node (live-restore is refused), while it starts (SIGHUP would end it: its handler is set
    up last), and while it takes no signals."""
    deaf = (
        takes_no_signal(scene)
        or scene.flag("process.sigterm_pending")
        or scene.flag("process.sigusr1_pending")
    )
    if deaf or scene.flag("api.swarm") or scene.word("unit.active_state") != "active":
        return ""
    if scene.word("unit.load_state"):
        return f"systemctl reload {scene.word('unit.name')}"
    return f"kill -HUP {scene.number('process.pid'):.0f}"


def fate(container: Container) -> Fate:
    """By its restart policy, which only an inspect tells."""
    if container.kept_by:
        return Fate.REPLACED
    if not container.inspected and not container.restart_policy:
        return Fate.NOT_KNOWN
    if container.restart_policy in COMES_BACK:
        return Fate.COMES_BACK
    return Fate.MAY if container.restart_policy == "on-failure" else Fate.STAYS_DOWN


def _fates(running: Sequence[Container], steps: Sequence[Step]) -> tuple[tuple[str, Fate], ...]:
    known = {each.name or each.id[:12]: fate(each) for each in running}
    return tuple((name, known.get(name, Fate.NOT_KNOWN)) for name in _only(steps) or known)


def _only(steps: Sequence[Step]) -> Sequence[str]:
    """Whom these rungs cost at worst; empty where that is none, or all."""
    worst = _worst(steps)
    names = dict.fromkeys(name for step in worst for name in step.whom)
    return tuple(names) if all(step.whom for step in worst) else ()


def _worst(steps: Sequence[Step]) -> Sequence[Step]:
    """Of those that would be climbed, the ones that cost the most."""
    climbed = [step for step in steps if not step.passed_over]
    most = max((step.impact for step in climbed), default=Impact.NONE)
    return [step for step in climbed if step.impact is most]


def _step(rung: Rung, scene: Scene, refused: str, climbed: bool) -> Step:
    impact = rung.impact(scene)
    why = "climbed already in this incident" if climbed else rung.useless(scene)
    why = why or rung.room(scene) or (refused if rung.restarts else "")
    if not why and impact > scene.policy.max_impact:
        why = f"it costs {COSTS[impact]}, and no more than {COSTS[scene.policy.max_impact]} may be"
    whom = tuple(rung.whom(scene))
    costs = rung.takes or (f"only {some(whom)}" if whom else COSTS[impact])
    return Step(rung.name, rung.help, impact, rung.settle_s(scene), costs, by_hand(rung), why, whom)


def by_hand(rung: Rung) -> str:
    """How long a person takes for the same; empty for what nobody does by hand."""
    return plain_seconds(rung.by_hand_s) if rung.by_hand_s else ""


def names_by_fate(plan: Plan) -> Mapping[Fate, Sequence[str]]:
    """The containers of each fate, worst last; those of none left out."""
    return {
        each: [name for name, fate in plan.fates if fate is each]
        for each in Fate
        if any(fate is each for _, fate in plan.fates)
    }
