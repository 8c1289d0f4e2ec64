"""What a daemon answers, as values: JSON in, the nouns of `view` out, or HostFault(GARBLED).

Only the fields that are used are decoded, so that labels and whatever else a container carries
cost nothing; wrong kinds, negative counts, missing keys and endless strings are garbled answers.
Field names are those of the Engine API, 1.41 to 1.51.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from dockerdoctor.errors import HostFault
from dockerdoctor.host import http, labels
from dockerdoctor.host.address import Address
from dockerdoctor.host.clock import wall
from dockerdoctor.host.healthchecks import Health, Healthcheck, check_within_s, checked_at
from dockerdoctor.host.nouns import Container, EngineInfo
from dockerdoctor.model import Fault

Text = Annotated[str, msgspec.Meta(max_length=4096)]
Ident = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]

Answer = TypeVar("Answer")


class Wanted(msgspec.Struct, rename="pascal"):
    """The wanted fields of an answer; all others are skipped."""


class _Swarm(Wanted):
    local_node_state: Text = ""


class _Info(Wanted):
    server_version: Text
    docker_root_dir: Text
    driver: Text = ""
    live_restore_enabled: bool = False
    swarm: _Swarm = msgspec.field(default_factory=_Swarm)
    containers: Count = 0
    containers_running: Count = 0
    images: Count = 0
    n_goroutines: Count = msgspec.field(name="NGoroutines", default=0)
    n_fd: Annotated[int, msgspec.Meta(ge=-1, lt=1 << 62)] = msgspec.field(name="NFd", default=0)
    n_events_listener: Count = msgspec.field(name="NEventsListener", default=0)


class _Nothing(Wanted):
    pass


class _Networks(Wanted):
    networks: dict[Text, _Nothing] | None = None


class _Port(Wanted):
    public_port: Count = 0
    type: Text = ""


class Listed(Wanted):
    """One line of `GET /containers/json`."""

    id: Ident
    names: list[Text] | None = None
    image: Text = ""
    state: Text = ""
    labels: labels.Keepers | None = None
    ports: list[_Port] | None = None
    network_settings: _Networks | None = None


class _State(Wanted):
    error: str = ""
    status: Text = ""
    pid: Count = 0
    started_at: datetime.datetime | None = None
    finished_at: datetime.datetime | None = None
    health: Health | None = None


class _Policy(Wanted):
    name: Text = ""


class _HostConfig(Wanted):
    restart_policy: _Policy | None = None
    network_mode: Text = ""
    ipc_mode: Text = ""
    pid_mode: Text = ""
    links: list[Text] | None = None


class _Config(Wanted):
    image: Text = ""
    labels: labels.Labels | None = None
    stop_timeout: int | None = None
    healthcheck: Healthcheck | None = None


class _Inspected(Wanted):
    id: Ident
    state: _State
    name: Text = ""
    host_config: _HostConfig | None = None
    config: _Config | None = None
    network_settings: _Networks | None = None


class _Version(Wanted):
    min_api_version: Text = msgspec.field(name="MinAPIVersion", default="")


class _Refusal(msgspec.Struct):
    message: str = ""


def engine_info(body: bytes) -> EngineInfo:
    """The answer of `GET /info`. NFd is -1 where the daemon could not count; that reads as 0."""
    info = understood(lambda: msgspec.json.decode(body, type=_Info), "GET /info")
    if not info.docker_root_dir.startswith("/"):
        raise garbled("GET /info", "its data-root is no absolute path")
    return EngineInfo(
        version=info.server_version,
        live_restore=info.live_restore_enabled,
        swarm=info.swarm.local_node_state not in ("", "inactive"),
        data_root=Path(info.docker_root_dir),
        storage_driver=info.driver,
        running=info.containers_running,
        containers=info.containers,
        images=info.images,
        goroutines=info.n_goroutines,
        fds=max(0, info.n_fd),
        listeners=info.n_events_listener,
    )


def listed(body: bytes) -> list[Listed]:
    """The answer of `GET /containers/json`."""
    return understood(lambda: msgspec.json.decode(body, type=list[Listed]), "GET /containers/json")


def from_list(line: Listed) -> Container:
    """What a list tells of a container: no policy, no time-out, no pid."""
    return Container(
        id=line.id,
        name=_plain(_own_name(line.names or []) or line.id[:12]),
        state=line.state,
        image=line.image,
        networks=_network_names(line.network_settings),
        kept_by=labels.keeper(line.labels),
        ports=tuple(
            sorted({(each.public_port, each.type) for each in line.ports or [] if each.public_port})
        ),
    )


def from_inspect(body: bytes) -> Container:
    """The answer of `GET /containers/ID/json`."""
    seen = understood(lambda: msgspec.json.decode(body, type=_Inspected), "GET /containers/ID/json")
    host = seen.host_config or _HostConfig()
    config = seen.config or _Config()
    policy = host.restart_policy.name if host.restart_policy else ""
    stop = 10.0 if config.stop_timeout is None else float(config.stop_timeout)
    return Container(
        id=seen.id,
        name=_plain(seen.name.lstrip("/") or seen.id[:12]),
        state=seen.state.status,
        restart_policy=policy or "no",
        stop_timeout_s=max(stop, -1.0),
        pid=seen.state.pid,
        image=config.image,
        networks=_network_names(seen.network_settings),
        links=(*_needs(host), *labels.needs(config.labels)),
        service=labels.service(config.labels),
        kept_by=labels.keeper(config.labels),
        finished_at=wall(seen.state.finished_at),
        started_at=wall(seen.state.started_at),
        checked_at=checked_at(seen.state.health),
        check_within_s=check_within_s(config.healthcheck) if seen.state.health else 0.0,
    )


def start_error(body: bytes) -> str:
    """The error that the last start of an inspected container ended in; empty if it did not."""
    seen = understood(lambda: msgspec.json.decode(body, type=_Inspected), "GET /containers/ID/json")
    return printable(seen.state.error) if seen.state.pid == 0 else ""


def minimum_version(body: bytes) -> str:
    """The oldest API version that the daemon takes, from `GET /version`; empty if untold."""
    found = understood(lambda: msgspec.json.decode(body, type=_Version), "GET /version")
    return found.min_api_version


def not_granted(answer: http.Answer, address: Address) -> HostFault:
    """The fault of an answer that is not 200: what the daemon says, or that it is none."""
    try:
        message = msgspec.json.decode(answer.body, type=_Refusal).message
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return http.something_else(address)
    return refused(answer.head.status, printable(message))


def refused(status: int, message: str) -> HostFault:
    """The fault of an error that a daemon worded."""
    if status == 404:
        return HostFault(Fault.MISSING, f"the daemon says: {message}", "it may be gone since")
    if status in (401, 403):
        return HostFault(
            Fault.DENIED, f"the daemon says: {message}", "an authorization plugin forbids it"
        )
    return HostFault(Fault.REFUSED, f"the daemon says ({status}): {message}", "see its journal")


def printable(text: str, width: int = 300) -> str:
    """Somebody else's text on one line, bounded, without control characters."""
    line = "".join(c if c.isprintable() else " " for c in text[: 4 * width])
    line = " ".join(line.split())
    return line if len(line) <= width else line[: width - 3] + "..."


def garbled(question: str, why: str) -> HostFault:
    """The fault of an answer that cannot be what was asked for."""
    return HostFault(
        Fault.GARBLED,
        f"the answer to {question} makes no sense: {printable(why)}",
        "see what listens there, and the daemon's version",
    )


def understood(decode: Callable[[], Answer], question: str) -> Answer:
    """`decode()`, or HostFault(GARBLED) when the answer cannot be what was asked for."""
    try:
        return decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise garbled(question, str(error) or "nested too deeply") from error


def _own_name(names: list[str]) -> str:
    """A container's own name: a link adds names with a second slash."""
    own = [name for name in names if name.count("/") <= 1] or names
    return own[0].lstrip("/") if own else ""


def _plain(name: str) -> str:
    """No daemon takes such a name; one that lies must not write lines of our log."""
    return name if name.isprintable() else printable(name)


def _network_names(settings: _Networks | None) -> tuple[str, ...]:
    return tuple(sorted((settings.networks or {}) if settings else ()))


def _needs(host: _HostConfig) -> tuple[str, ...]:
    """Names (or ids) of the containers that must run before it: links, shared namespaces."""
    needs = [link.partition(":")[0].lstrip("/") for link in host.links or []]
    for mode in (host.network_mode, host.ipc_mode, host.pid_mode):
        kind, _, target = mode.partition(":")
        if kind == "container" and target:
            needs.append(target)
    return tuple(dict.fromkeys(needs))
