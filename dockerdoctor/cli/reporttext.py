"""A `Report` as text for people and as one line for Nagios. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from dockerdoctor.cli.history import Watchdog
from dockerdoctor.cli.plain import fold
from dockerdoctor.cli.report import Found, Report, State
from dockerdoctor.declare import Scene
from dockerdoctor.judge import Rule
from dockerdoctor.model import (
    BY_HAND,
    Attempt,
    Incident,
    Outcome,
    Reading,
    Readings,
    Severity,
    Value,
)
from dockerdoctor.rules import threshold
from dockerdoctor.rungs._common import takes_no_signal
from dockerdoctor.units import plain, plain_seconds

Clock = Callable[[float], str]
"""A moment (wall clock, s) for people."""

MARKS = {State.CRITICAL: "[x]", State.WARNING: "[!]", State.UNKNOWN: "[?]", State.OK: "[ok]"}
INDENT = " " * 4


def text(
    report: Report, declared: Mapping[str, Reading], clock: Clock, columns: int | None = None
) -> str:
    """The whole report; wrapped at `columns` unless that is None."""
    lines = [f"{report.state.value.upper()}: {report.says}"]
    lines.append(f"{INDENT}{report.address}, {clock(report.at)}")
    for found in report.findings:
        lines += ["", *_finding(found, declared, report.at, clock)]
    lines.append("")
    lines += _vitals(report.readings, report.findings)
    for each in report.unseen:
        lines.append(f"[?] {each.probe}: not seen: {each.detail}")
        lines += [f"{INDENT}remedy  {each.hint}"] if each.hint else []
    lines += [f"[?] {note}" for note in report.notes]
    lines += ["", *_watchdog(report.watchdog, report.at, clock)]
    return fold(lines, columns)


def nagios(report: Report, rules: Sequence[Rule]) -> str:
    """`DOCKERD CRITICAL - text | ping_seconds=0.012s;1;3;0 ...` after the plugin guidelines."""
    says = " ".join(report.says.replace("|", "/").split())
    more = len(report.findings) - 1
    if more > 0:
        says += f" (and {more} more)"
    figures = " ".join(_figures(report.readings, rules))
    return f"DOCKERD {report.state.value.upper()} - {says}" + (f" | {figures}" if figures else "")


def ago(seconds: float) -> str:
    """A span that has passed: "4 min 2 s ago", "just now"."""
    return "just now" if seconds < 1 else f"{plain_seconds(round(seconds))} ago"


def evidence(readings: Readings, declared: Mapping[str, Reading]) -> str:
    """Readings as `name = value`, those that say something."""
    return ", ".join(
        f"{name} = {_value(name, value, declared)}"
        for name, value in readings.items()
        if value != ""
    )


def _value(name: str, value: Value, declared: Mapping[str, Reading]) -> str:
    """A process id is a name, not an amount."""
    if name.endswith(".pid"):
        return str(value)
    return plain(value, declared[name].unit if name in declared else "")


def attempt_line(attempt: Attempt, clock: Clock) -> str:
    """One attempt: when, what, how it went."""
    if attempt.skipped:
        return f"{clock(attempt.began)}  passed over {attempt.rung}: {attempt.note}"
    if attempt.ended is None:
        return f"{clock(attempt.began)}  {attempt.rung}: under way, or cut short"
    took = plain_seconds(max(0.0, attempt.ended - attempt.began))
    cured = "cured, " if attempt.cured else ""
    return f"{clock(attempt.began)}  {attempt.rung}: {cured}{attempt.note} ({took})"


def state_of(incident: Incident) -> str:
    """How it stands, in a word or two."""
    if incident.closed is None:
        return "gave up" if incident.outcome is Outcome.GAVE_UP else "open"
    if incident.rule == BY_HAND:
        return "done" if incident.outcome is Outcome.CURED else "not enough"
    return {Outcome.CURED: "cured", Outcome.GAVE_UP: "gave up, well later"}.get(
        incident.outcome, "passed by itself"
    )


def _finding(found: Found, declared: Mapping[str, Reading], now: float, clock: Clock) -> list[str]:
    rows = [
        ("cause", found.cause),
        ("seen", evidence(found.evidence, declared)),
        ("since", f"{clock(found.since)} ({ago(now - found.since)})" if found.since else ""),
        ("remedy", found.remedy),
        ("avoid", found.avoid),
        ("next", found.next),
    ]
    return [
        f"{MARKS[found.state]} {found.rule}: {found.says}",
        *(f"{INDENT}{name:<8}{value}" for name, value in rows if value),
    ]


def _vitals(readings: Readings, findings: Sequence[Found]) -> list[str]:
    """One line for each vital that was seen and that no finding speaks of."""
    blamed = {name.partition(".")[0] for found in findings for name in found.evidence}
    return [f"[ok] {probe}: {says}" for probe, says in vital_lines(readings) if probe not in blamed]


def vital_lines(readings: Readings) -> Iterator[tuple[str, str]]:
    """Each vital that was seen, by its probe, in a few words."""
    for probe, line in (
        ("ping", _ping),
        ("unit", _unit),
        ("process", _process),
        ("disk", _disk),
        ("containerd", _containerd),
        ("api", _api),
    ):
        if says := line(readings):
            yield probe, says


def _ping(readings: Readings) -> str:
    if readings.get("ping.answered") is not True:
        return ""
    version = readings.get("ping.api_version", "")
    return f"answered in {plain(readings['ping.latency_s'], 'seconds')}" + (
        f", API {version}" if version else ""
    )


def _unit(readings: Readings) -> str:
    if readings.get("unit.active_state") != "active":
        return ""
    started = readings.get("unit.since_start_s")
    up = f", up for {plain(started, 'seconds')}" if started is not None else ""
    restarts = readings.get("unit.restarts", 0)
    return f"active/{readings.get('unit.sub_state', '')}{up}" + (
        f", restarted by systemd {restarts} times" if restarts else ""
    )


def _process(readings: Readings) -> str:
    if readings.get("process.present") is not True or takes_no_signal(Scene(readings)):
        return ""
    files = readings.get("process.fds", -1)
    seen = isinstance(files, int) and files >= 0  # others' files are counted for root only
    return (
        f"RSS {plain(readings['process.rss_bytes'], 'bytes')}, {readings['process.threads']} "
        f"threads, {f'{files} files open, ' if seen else ''}state {readings['process.state']}"
    )


def _disk(readings: Readings) -> str:
    if "disk.used_ratio" not in readings:
        return ""
    return (
        f"data-root {plain(readings['disk.used_ratio'], 'ratio')} full, "
        f"{plain(readings['disk.free_bytes'], 'bytes')} free, "
        f"{plain(readings['disk.inodes_ratio'], 'ratio')} of inodes"
    )


def _containerd(readings: Readings) -> str:
    if readings.get("containerd.answered") is not True:
        return ""
    return f"answered in {plain(readings['containerd.latency_s'], 'seconds')}"


def _api(readings: Readings) -> str:
    if readings.get("api.answered") is not True:
        return ""
    live = "on" if readings["api.live_restore"] else "off"
    return (
        f"version {readings['api.version']}, {readings['api.running']} of "
        f"{readings['api.containers']} containers run, live-restore {live}"
    )


def _watchdog(watchdog: Watchdog, now: float, clock: Clock) -> list[str]:
    """What it does, has done and holds."""
    pid = watchdog.running.partition(" ")[0]
    lines = [
        f"watchdog: runs (pid {pid})"
        if watchdog.running
        else "watchdog: none runs (`dockerdoctor service install --enable` starts one)"
    ]
    if watchdog.running and watchdog.seen_at is not None:
        lines[0] += f", on record {ago(max(0.0, now - watchdog.seen_at))}"
    if watchdog.healing:
        lines.append(f"{INDENT}a heal by hand is under way (pid {watchdog.healing.split()[0]})")
    if watchdog.paused:
        lines.append(f"{INDENT}paused: {watchdog.paused}")
    elif watchdog.held:
        held = watchdog.held
        lines.append(f"{INDENT}keeps still since {clock(held.since)} ({held.reason}): {held.why}")
    if watchdog.trouble:
        lines.append(f"{INDENT}its record could not be read: {watchdog.trouble}")
    for incident in watchdog.open:
        lines.append(
            f"{INDENT}{state_of(incident)} since {clock(incident.opened)}: {incident.says} "
            f"({incident.id})"
        )
        lines += [f"{INDENT}  {attempt_line(each, clock)}" for each in incident.attempts]
        if incident.why:
            lines.append(f"{INDENT}  last decision: {incident.why}")
    if watchdog.ended:
        last, count = watchdog.ended[0], len(watchdog.ended)
        ended = "1 incident:" if count == 1 else f"{count} incidents, the last:"
        lines.append(f"{INDENT}in the last day: {ended} {last.why or last.says} ({last.id})")
    return lines


def _figures(readings: Readings, rules: Sequence[Rule]) -> list[str]:
    """Performance data `label=value[unit];warning;critical;minimum`, thresholds from the rules."""
    wanted = (
        ("ping.latency_s", "ping_seconds", "s", "3"),
        ("process.rss_bytes", "rss_bytes", "B", ""),
        ("disk.used_ratio", "disk_used_ratio", "", ""),
        ("disk.inodes_ratio", "disk_inodes_ratio", "", ""),
        ("containers.running", "containers_running", "", ""),
    )
    return [
        f"{label}={_number(readings[name])}{unit};"
        f"{_number(threshold(rules, name, Severity.WARNING))};"
        f"{_number(threshold(rules, name, Severity.CRITICAL)) or critical};0"
        for name, label, unit, critical in wanted
        if name in readings
    ]


def _number(value: Value | None) -> str:
    if value is None:
        return ""
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
