"""The walk itself: looks, checks, the journal and the record are asked; a `Diagnosis` comes out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dockerdoctor.around import Knowledge
from dockerdoctor.cli.diagnosis import Diagnosis, causes, conclusion, reasons_to_wait
from dockerdoctor.cli.examine import FATAL, examine
from dockerdoctor.cli.history import Watchdog, since_in, watchdog
from dockerdoctor.cli.incidentstats import Stats, stats
from dockerdoctor.cli.looking import look_with
from dockerdoctor.cli.report import Looked, Unseen
from dockerdoctor.cli.symptoms import Symptom
from dockerdoctor.config import Config
from dockerdoctor.declare import Check, load
from dockerdoctor.errors import DoctorError, HostFault
from dockerdoctor.examination import Examination, Examined
from dockerdoctor.host.address import Address, for_watchdog, same_daemon
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault
from dockerdoctor.record import Record
from dockerdoctor.signatures import essence, recognise

LINES, JOURNAL_S = 50, 1.0
"""Of the journal, as people look at it."""
SHOWN = 3
GRAVE = re.compile(r" level=(?:error|fatal|panic) ")
PAST = 200
"""Incidents whose cures are counted."""
HINTS = {Fault.DENIED: "run it as root: then nothing is hidden"}


def diagnose(
    view: HostView, address: Address, config: Config, known: Knowledge, symptom: Symptom | None
) -> Diagnosis:
    """Look and examine at the same time; at most 10 s, whatever hangs. `view` is of `address`."""
    began = view.now().mono
    whole = same_daemon(address, for_watchdog(config.daemon.host))
    checks = load("dockerdoctor.checks", Check) if whole else {}
    wanted = [each for each in checks.values() if symptom in (None, each.symptom)]
    examination = Examination(wanted, view)
    looked = look_with(view, address, config, known)
    about = watchdog(config, looked.now) if looked.whole else Watchdog()
    report = examine(looked, about, since_in(config, looked.now))
    words = _words(view, looked)
    examined = examination.results()
    by_name = {rule.name: rule for rule in known.rules}
    ranked = causes(report, examined, by_name, known.rungs, past(config, known, view))
    if symptom:  # what was asked about comes first
        ranked.sort(key=lambda each: each.branch is not symptom)
    state, says = conclusion(report, ranked)
    return Diagnosis(
        state=state,
        says=says,
        report=report,
        causes=tuple(ranked),
        symptom=symptom,
        looked=(symptom,) if symptom else tuple(Symptom),
        journal=words,
        holds=reasons_to_wait(report),
        unseen=(*report.unseen, *_unseen(examined)),
        took_s=view.now().mono - began,
    )


def past(config: Config, known: Knowledge, view: HostView) -> Stats:
    """What this host's own record tells of cures; nothing where there is none."""
    try:
        incidents = Record(config.watch.record).incidents(PAST)
    except DoctorError:
        incidents = []
    return stats(incidents, known.rungs, view.now().wall)


def _words(view: HostView, looked: Looked) -> tuple[str, ...] | None:
    """The last serious ones of the daemon, each once."""
    lines: Sequence[str] = looked.journal
    if not lines:
        try:
            lines = view.journal(Service.DOCKERD, LINES, JOURNAL_S) if looked.whole else ()
        except HostFault:
            return None
    said = [essence(line) for line in lines[-LINES:] if _matters(line)]
    return tuple(dict.fromkeys(each for each in said if each))[-SHOWN:]


def _matters(line: str) -> bool:
    """Errors, a daemon's last word, and warnings that are known; not what every start warns of."""
    if line.startswith("time="):
        return bool(GRAVE.search(line[:80])) or bool(recognise(essence(line)))
    return bool(FATAL.search(line))


def _unseen(examined: Mapping[str, Examined]) -> list[Unseen]:
    return [
        Unseen(name, each.fault, each.detail, HINTS.get(each.fault, ""))
        for name, each in examined.items()
        if each.fault
    ]
