"""Findings that no rule of a single look tells: the watchdog's open incidents, what an operator
wants, a ping that nobody answers. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dockerdoctor import holds
from dockerdoctor.cli.history import Watchdog
from dockerdoctor.cli.report import Found, Looked, State
from dockerdoctor.declare import Scene
from dockerdoctor.judge import Rule, probes_of
from dockerdoctor.model import Fault, Sample, Severity

PS = "ps -C dockerd -o pid,lstart,args"
NO_ANSWER = "no-answer"
"""Our own finding, where no rule can say it: nobody answers, whatever the unit is."""
REMEDIES = {
    "missing": "is docker installed and started here? another daemon is named with --host",
    "refused": "the socket is there and nobody serves it: the daemon is down, or on its way",
    "timeout": "it is there and says nothing: keep its stacks (SIGUSR1) before you restart it",
}
"""What to do where nobody answers, by `ping.why`."""


def still_open(
    findings: Sequence[Found],
    rules: Mapping[str, Rule],
    watchdog: Watchdog,
    samples: Mapping[str, Sample],
) -> list[Found]:
    """Incidents of a running watchdog that this one look does not show: its looks are many. Only
    where this look could not see for itself, or the incident has not yet had its good looks."""
    known = {found.rule for found in findings}
    return [
        Found(
            rule=incident.rule,
            says=f"{incident.says} (the watchdog's incident is still open)",
            state=state_of(incident.severity)
            if _blind_for(incident.rule, rules, samples)
            else State.WARNING,
            since=incident.opened,
            evidence=incident.evidence,
            remedy=rules[incident.rule].remedy if incident.rule in rules else "",
            next=f"dockerdoctor incidents show {incident.id}",
            incident=incident.id,
        )
        for incident in watchdog.open
        if watchdog.awake and incident.rule not in known
    ]


def _blind_for(rule: str, rules: Mapping[str, Rule], samples: Mapping[str, Sample]) -> bool:
    """Whether this look could not see what the rule asks about."""
    if rule not in rules:
        return False
    asked = probes_of(rules[rule].when)
    return any(probe not in samples or samples[probe].fault for probe in asked)


def held(scene: Scene, units: Sequence[str]) -> list[Found]:
    """What an operator wants, or a start that is under way: no fault, and not well either. A start
    whose daemon answers is over for whoever asks: its unit may have been seen before the answer."""
    hold = holds.first(holds.HOLDS, scene)
    if hold is None or (hold.reason == "starting" and scene.flag("ping.answered")):
        return []
    nexts = {
        "masked": f"systemctl unmask {' '.join(units)}",
        "stopped": f"systemctl start {' '.join(units)}",
        "starting": f"journalctl -fu {' '.join(units[:1])}",
    }
    what_next = nexts.get(hold.reason, "") if units else ""
    return [Found(hold.reason, hold.why, State.WARNING, next=what_next)]


def nobody_answers(looked: Looked, findings: Sequence[Found]) -> list[Found]:
    """A ping without an answer is critical, unless it is known who wants it so."""
    ping = looked.samples.get("ping")
    if ping is None or ping.readings.get("answered") is not False:
        return []
    if any(found.rule in holds.HOLDS for found in findings):
        return []
    why = str(ping.readings.get("why", ""))
    return [
        Found(
            NO_ANSWER,
            str(ping.readings.get("says", "")) or "nobody answers",
            State.CRITICAL,
            evidence={"ping.answered": False, "ping.why": why},
            remedy=REMEDIES.get(why, ""),
            next=_where_to_look(looked),
        )
    ]


def _where_to_look(looked: Looked) -> str:
    """At its unit, or for its process; of a daemon behind TCP most likely on another host."""
    if looked.address.startswith("tcp:"):
        return f"docker --host {looked.address} version"
    if no_unit(looked.samples) or not looked.units:
        return PS
    return f"systemctl status {' '.join(looked.units)}"


def no_unit(samples: Mapping[str, Sample]) -> bool:
    """Whether this host knows no such unit."""
    unit = samples.get("unit")
    return unit is None or unit.fault is Fault.MISSING


def state_of(severity: Severity) -> State:
    """A rule's severity in the words of a check."""
    return {
        Severity.INFO: State.OK,
        Severity.WARNING: State.WARNING,
        Severity.CRITICAL: State.CRITICAL,
    }[severity]
