"""After the cure: containers that ran before, and that did not come back, are started again.

In go who ran at the last good look and when the costly rung began; out comes what was done, as a
sentence. One that ended by itself before the rung stays ended: a batch job is not run twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    lost: dict[str, str] = field(default_factory=dict)

    @property
    def says(self) -> str:
        """The whole as a sentence."""
        parts = [
            f"{len(self.back)} came back by themselves" if self.back else "",
            f"started {', '.join(self.started)}" if self.started else "",
            f"{', '.join(self.ended)} had ended before" if self.ended else "",
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
    return {each.id for each in ran} <= _running(control)


def in_order(containers: Sequence[Container]) -> list[Container]:
    """Those that others need come first (links, `--network container:`); a ring keeps its order."""
    by_name: Mapping[str, Container] = {each.name: each for each in containers}
    placed: dict[str, Container] = {}

    def place(each: Container, above: frozenset[str]) -> None:
        for need in each.links:
            if need in by_name and need not in placed and need not in above:
                place(by_name[need], above | {each.name})
        placed.setdefault(each.name, each)

    for each in containers:
        place(each, frozenset())
    return list(placed.values())


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
