"""Reasons to keep still although something is wrong: a false heal is worse than no heal.

Each hold is a pure function of the scene: a sentence when it holds, empty when it does not. The
first that holds decides; its name is a metric label, so the list is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from dockerdoctor.declare import Scene
from dockerdoctor.model import Hold
from dockerdoctor.units import plain


def masked(scene: Scene) -> str:
    """An operator forbade the unit to run."""
    if scene.word("unit.load_state") == "masked":
        return "docker.service is masked: an operator wants it down"
    return ""


def stopped(scene: Scene) -> str:
    """An operator stopped the unit, and it ended well."""
    if scene.flag("unit.stopped_by_operator"):
        return "docker.service was stopped on purpose (inactive, Result=success): hands off"
    return ""


def starting(scene: Scene) -> str:
    """A starting daemon accepts connections and answers nobody: it looks just like a hang."""
    if scene.word("unit.active_state") in ("activating", "reloading"):
        return (
            "the daemon is starting (unit "
            f"{scene.word('unit.active_state')}/{scene.word('unit.sub_state')}): it may answer late"
        )
    return ""


def stopping(scene: Scene) -> str:
    """Somebody else stops or restarts the unit right now; ours are known to the ladder."""
    if scene.word("unit.active_state") == "deactivating" or scene.word("unit.job"):
        return "somebody else is stopping or restarting the daemon: let them finish"
    return ""


def restarted(scene: Scene) -> str:
    """Somebody else has just restarted the daemon: give it the cool-down to settle."""
    uptime = scene.number("unit.since_start_s", float("inf"))
    if uptime < scene.policy.cooldown_s:
        left = scene.policy.cooldown_s - uptime
        return (
            f"the daemon began to start {plain(uptime, 's')} ago, not by us: "
            f"wait {plain(left, 's')} more"
        )
    return ""


HOLDS: Mapping[str, Callable[[Scene], str]] = MappingProxyType(
    {"masked": masked, "stopped": stopped, "starting": starting}
)
"""These keep every rung."""

HOLDS_OF_STRANGERS: Mapping[str, Callable[[Scene], str]] = MappingProxyType(
    {"stopping": stopping, "restarted": restarted}
)
"""These keep rungs of impact DAEMON or more, unless it is our own climb that is seen."""


def first(holds: Mapping[str, Callable[[Scene], str]], scene: Scene) -> Hold | None:
    """The first hold that holds, with its sentence."""
    for reason, hold in holds.items():
        if why := hold(scene):
            return Hold(reason, why)
    return None
