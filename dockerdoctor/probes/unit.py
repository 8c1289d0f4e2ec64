"""What systemd (or the pid file) says of the daemon: without it nobody knows who wants what."""

from __future__ import annotations

import math

from dockerdoctor.declare import Probe
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import Service, ServiceState
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Kind, Reading, Readings

START_LIMIT = "start-limit-hit"


def run(view: HostView) -> Readings:
    """The unit's state. HostFault when systemd itself does not answer: then everybody is blind."""
    state = view.service(Service.DOCKERD)
    limit = start_limit_hit(view, state)
    readings: dict[str, bool | int | float | str] = {
        "name": state.name,
        "active_state": state.active,
        "sub_state": state.sub,
        "result": state.result,
        "load_state": state.load,
        "job": state.job,
        "restarts": state.restarts,
        "stop_timeout_s": state.stop_timeout_s,
        "watchdog_s": 0.0 if math.isinf(state.watchdog_s) else state.watchdog_s,
        "stopped_by_operator": stopped_on_purpose(state) and not limit,
        "start_limit_hit": limit,
        "served": state.served,
        "pid_file_names": _pid_file_names(view) if state.active == "failed" else "",
    }
    if state.left_inactive_mono_s is not None:
        readings["since_start_s"] = max(0.0, view.now().mono - state.left_inactive_mono_s)
    return readings


def start_limit_hit(view: HostView, state: ServiceState) -> bool:
    """Whether systemd has given it up. HostFault where it does not tell of docker.socket.

    systemd 252 and 257 leave docker.service's own Result at what its last process ended with
    (`exit-code`, `signal`); the socket that wanted to start it says `service-start-limit-hit` on
    all versions, where there is one; and the restart that came to nothing shows on all."""
    return START_LIMIT in (state.result, _socket_result(view)) or not_restarted(state)


def _socket_result(view: HostView) -> str:
    """Of docker.socket, as `start-limit-hit`; empty where there is no such unit."""
    try:
        return view.service(Service.SOCKET).result.removeprefix("service-")
    except HostFault as fault:
        if fault.fault is not Fault.MISSING:
            raise
        return ""


def _pid_file_names(view: HostView) -> str:
    """Who keeps the daemon from starting by having the pid in its pid file; empty when nobody."""
    found = view.stale_pid_file()
    return f"{found.process.name} (pid {found.process.pid})" if found else ""


def not_restarted(state: ServiceState) -> bool:
    """Whether systemd was to start it again, and it failed without another process: the unit has
    left `failed` once more, for that restart, after its last process had ended. Never after a stop.
    """
    left, ended = state.left_inactive_mono_s, state.main_exited_mono_s
    if state.active != "failed" or state.restart in NEVER or left is None or ended is None:
        return False
    return left >= ended


def stopped_on_purpose(state: ServiceState) -> bool:
    """Down, nobody is starting it and systemd was not to: `systemctl stop`, or never started. Also
    one that failed in that stop: it hung and was killed for it, by systemd or by hand, or ended
    with an error. What fails without a stop is started again by systemd."""
    if state.job or not_restarted(state):
        return False
    failed = state.active == "failed" and state.result in RESTARTED.get(state.restart, ())
    return failed or state.active == "inactive"


NEVER = ("", "no")
"""Of Restart=; empty where no systemd tells it."""
BY_SIGNAL = ("signal", "core-dump", "timeout")
RESTARTED = {
    "always": (*BY_SIGNAL, "exit-code"),
    "on-failure": (*BY_SIGNAL, "exit-code"),
    "on-abnormal": BY_SIGNAL,
    "on-abort": ("signal", "core-dump"),
}
"""What a stop can end in that systemd, by its Restart=, would else have started again
(systemd.service, "Exit causes and the effect of the Restart= settings")."""

PROBE = Probe(
    name="unit",
    help="the state of docker.service, by systemctl (works with D-Bus dead)",
    readings=(
        Reading("name", Kind.STATE, "What its keeper calls it: its unit, or dockerd"),
        Reading("active_state", Kind.STATE, "ActiveState of docker.service"),
        Reading("sub_state", Kind.STATE, "SubState of docker.service"),
        Reading("result", Kind.STATE, "Result of its last run"),
        Reading("load_state", Kind.STATE, "LoadState: loaded, masked, not-found"),
        Reading("job", Kind.STATE, "The job under way: start, stop, restart"),
        Reading("restarts", Kind.COUNTER, "Automatic restarts by systemd (NRestarts)"),
        Reading("stop_timeout_s", Kind.GAUGE, "How long systemd waits for its stop", "seconds"),
        Reading("watchdog_s", Kind.GAUGE, "WatchdogSec of docker.service; 0: none", "seconds"),
        Reading("since_start_s", Kind.GAUGE, "Time since it last began to start", "seconds"),
        Reading("served", Kind.FLAG, "Whether it is known to have been up since it was started"),
        Reading("start_limit_hit", Kind.FLAG, "Whether its start limit was hit"),
        Reading("pid_file_names", Kind.TEXT, "Who has the pid in a failed daemon's pid file"),
        Reading("stopped_by_operator", Kind.FLAG, "Whether it was stopped on purpose"),
    ),
    timeout_s=6.0,
    run=run,
)
