"""What `systemctl show` and `systemctl list-jobs` print. Text in, `ServiceState` out. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import ServiceState
from dockerdoctor.model import Fault

PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,Result,MainPID,NRestarts,"
    "InactiveExitTimestampMonotonic,ExecMainExitTimestampMonotonic,TimeoutStopUSec,TimeoutUSec,"
    "Restart,Job,WatchdogUSec,Type,KillMode,RequiredBy,BoundBy,ConsistsOf"
)
_ALONG = ("RequiredBy", "BoundBy", "ConsistsOf")

_UNIT_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_UNIT_S |= {"w": 604800.0, "month": 2629800.0, "y": 31557600.0}


def seconds(text: str) -> float:
    """A time span as systemctl prints it ("1min 30s", "infinity") in seconds.

    ValueError when it is none."""
    if text == "infinity":
        return math.inf
    if text == "0":
        return 0.0
    parts = re.findall(r"(\d+(?:\.\d+)?)([a-z]+)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        raise ValueError(f"not a time span: {text!r}")
    try:
        return sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    except KeyError as error:
        raise ValueError(f"not a time span: {text!r}") from error


def parse_show(text: str) -> list[ServiceState]:
    """The units of one `systemctl show -p ...`, as blocks of key=value with a blank line between.

    HostFault(GARBLED) when a block is none."""
    return [
        _state(dict(line.split("=", 1) for line in block.splitlines() if "=" in line))
        for block in text.strip().split("\n\n")
        if block
    ]


def _state(said: Mapping[str, str]) -> ServiceState:
    try:
        stop_timeout = said.get("TimeoutStopUSec") or said.get("TimeoutUSec")
        return ServiceState(
            name=said["Id"],
            active=said["ActiveState"],
            sub=said.get("SubState", ""),
            result=said.get("Result", ""),
            main_pid=int(said.get("MainPID") or 0),
            restarts=int(said.get("NRestarts") or 0),
            load=said["LoadState"],
            left_inactive_mono_s=_mono_s(said, "InactiveExitTimestampMonotonic"),
            main_exited_mono_s=_mono_s(said, "ExecMainExitTimestampMonotonic"),
            stop_timeout_s=seconds(stop_timeout) if stop_timeout else 90.0,
            restart=said.get("Restart", ""),
            watchdog_s=seconds(said.get("WatchdogUSec") or "0"),
            job=said.get("Job", "") if said.get("Job", "0") != "0" else "",
            served=said.get("Type", "notify").startswith("notify"),
            kill_mode=said.get("KillMode", ""),
            along=frozenset(word for key in _ALONG for word in said.get(key, "").split()),
        )
    except (KeyError, ValueError) as error:
        raise HostFault(
            Fault.GARBLED, f"systemctl show says what cannot be understood: {error}"
        ) from error


def _mono_s(said: Mapping[str, str], name: str) -> float | None:
    """A time of the monotonic clock in seconds; 0 is never."""
    at_us = int(said.get(name) or 0)
    return at_us / 1e6 if at_us else None


def parse_jobs(text: str) -> Mapping[str, str]:
    """Unit to job type ("restart") from `systemctl list-jobs --no-legend`."""
    rows = (line.split() for line in text.splitlines())  # job, unit, type, state
    return {row[1]: row[2] for row in rows if len(row) >= 4}
