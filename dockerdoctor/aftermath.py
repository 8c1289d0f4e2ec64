"""After the cure: containers that ran before, and that did not come back, are started again.

In go who ran at the last good look and when the costly rung began; out comes what was done, as a
sentence. One that ended by itself before the rung stays ended: a batch job is not run twice. One
that swarm or another orchestrator made is left to it: that has begun another one in its place.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import COMES_BACK, Container
from dockerdoctor.host.view import HostControl
from dockerdoctor.model import Fault

OWN_WAY_S = 10.0
"""For restart policies to do their work first."""
CALL_S = 5.0
START_S = 60.0


class Aftermath(Struct):
    """Names of the containers, by what became of them; `lost` with the reason of each."""

    back: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    """How many were left to whom."""
    lost: dict[str, str] = field(default_factory=dict)

    @property
    def says(self) -> str:
        """The whole as a sentence."""
        parts = [
            f"{len(self.back)} came back by themselves" if self.back else "",
            f"started {', '.join(self.started)}" if self.started else "",
            f"{', '.join(self.ended)} had ended before" if self.ended else "",
            *(f"{count} left to {keeper}" for keeper, count in self.left.items()),
            *(f"{name} is not back: {why}" for name, why in self.lost.items()),
        ]
        return "; ".join(part for part in parts if part)


def bring_back(control: HostControl, ran: Sequence[Container], since: float) -> Aftermath:
    """Start what ran, does not run, and did not end before `since` (wall clock, s). Raises
    HostFault when the daemon cannot be asked at all."""
    done = Aftermath()
    running = _wait(control, ran)
    done.back = [each.name for each in ran if each.id in running]
    for each in in_order([each for each in ran if each.id not in running]):
        if each.kept_by:
            done.left[each.kept_by] = done.left.get(each.kept_by, 0) + 1
        else:
            _one(control, each, since, done)
    if done.started:
        control.pause(1.0)
        still = _running(control)
        for each in ran:
            if each.name in done.started and each.id not in still:
                done.started.remove(each.name)
                done.lost[each.name] = "it was started and ended again"
    return done


def all_run(control: HostControl, ran: Sequence[Container]) -> bool:
    """Whether all of them run now, so that there is nothing to do. Raises HostFault."""
    return {each.id for each in ran if not each.kept_by} <= _running(control)


def in_order(containers: Sequence[Container]) -> list[Container]:
    """Those that others need come first (links, `--network container:`, `depends_on` of Compose); a
    ring keeps its order."""
    called: dict[str, list[Container]] = {}
    for each in containers:
        for word in {each.id, each.name, each.service}:
            called.setdefault(word, []).append(each)
    called.pop("", None)
    placed: list[Container] = []
    met: set[str] = set()
    todo = [(each, False) for each in reversed(containers)]
    while todo:  # no recursion: whoever makes the links makes the chains as long as he likes
        each, has_its_needs = todo.pop()
        if has_its_needs:
            placed.append(each)
        elif each.id not in met:
            met.add(each.id)
            todo.append((each, True))
            todo += [(other, False) for need in each.links for other in called.get(need, ())]
    return placed


def _wait(control: HostControl, ran: Sequence[Container]) -> set[str]:
    """Ids of what runs, once all that come back by themselves do or have had their time."""
    deadline = control.now().mono + OWN_WAY_S
    own_way = {each.id for each in ran if each.restart_policy in COMES_BACK}
    while True:
        running = _running(control)
        if own_way <= running or control.now().mono >= deadline:
            return running
        control.pause(1.0)


def _running(control: HostControl) -> set[str]:
    return {each.id for each in control.containers(CALL_S) if each.state == "running"}


def _one(control: HostControl, each: Container, since: float, done: Aftermath) -> None:
    try:
        now = control.container(each.id, CALL_S)
        if now.state == "running":
            done.back.append(each.name)
        elif 0 < now.finished_at < since:
            done.ended.append(each.name)
        else:
            control.start_container(each.id, START_S)
            done.started.append(each.name)
    except HostFault as fault:
        gone = fault.fault is Fault.MISSING
        done.lost[each.name] = "it was removed" if gone else fault.sentence
