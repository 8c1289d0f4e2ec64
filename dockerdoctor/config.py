"""The watchdog's configuration: TOML files go in, one `Config` comes out, or all their mistakes.

`/etc/dockerdoctor/dockerdoctor.toml` is read first, then `conf.d/*.toml` beside it in the order of
their names; the later one wins, key by key. Every mistake of every file is told at once, as
`file: [table] key: what is wrong`. `shipped/dockerdoctor.toml` documents each key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from dockerdoctor import configkeys
from dockerdoctor.allowed import Allowed
from dockerdoctor.configkeys import KEYS
from dockerdoctor.errors import ConfigError
from dockerdoctor.model import Policy

DEFAULT_FILE = Path("/etc/dockerdoctor/dockerdoctor.toml")


class DaemonConfig(Struct, frozen=True):
    """Which daemon is kept alive. One watchdog, one daemon, on its own host."""

    host: str = "unix:///var/run/docker.sock"
    unit: str = "docker.service"
    socket_unit: str = "docker.socket"
    """Empty where the daemon has no socket unit."""
    containerd_unit: str = "containerd.service"
    """Empty where dockerd runs its own containerd."""
    pidfile: Path | None = None
    """Set for a dockerd without systemd: its units do not count then."""
    data_root: Path | None = None
    """None: what the daemon itself says, or its daemon.json."""
    containerd_root: Path | None = None
    """None: below the data-root where dockerd runs its own, else by containerd's config.toml."""
    containerd_socket: Path | None = None
    """None: what dockerd was told, or chose."""

    @property
    def socket(self) -> Path:
        """The path of `host`."""
        return Path(self.host.removeprefix("unix://"))


class WatchConfig(Struct, frozen=True):
    """How often to look, and where to keep what."""

    pace_s: float = 4.0
    close_pace_s: float = 1.0
    """Between two looks while something seems wrong, or a cure is being looked for."""
    ping_timeout_s: float = 3.0
    """What a ping that takes longer counts as: no answer."""
    state_dir: Path = Path("/var/lib/dockerdoctor")
    run_dir: Path = Path("/run/dockerdoctor")
    evidence_dir: Path | None = None

    @property
    def record(self) -> Path:
        """The file of the store."""
        return self.state_dir / "record.sqlite"

    @property
    def sizes(self) -> Path:
        """Where the sizes of layers that cannot change are remembered."""
        return self.state_dir / "sizes"

    @property
    def eaten(self) -> Path:
        """Where it is kept what ate the data-root at the last survey."""
        return self.state_dir / "eaten.json"

    @property
    def evidence(self) -> Path:
        """Where evidence is kept: `evidence_dir`, or below the state directory."""
        return self.evidence_dir or self.state_dir / "evidence"


class MetricsConfig(Struct, frozen=True):
    """Where Prometheus finds the metrics."""

    listen: str = "127.0.0.1:10073"
    """Address and port; empty: nowhere."""
    web_config: Path | None = None
    """A file in exporter-toolkit's format: TLS and users."""
    allow_insecure: bool = False
    """Whether more than this host may be served without TLS and users."""
    textfile: Path | None = None
    """A file for node_exporter's textfile collector, beside or instead of `listen`."""
    container_labels: bool = False
    """Whether containers have series of their own, with their names as labels."""
    max_containers: int = 100
    """How many of them at most; the others are counted together."""

    @property
    def address(self) -> tuple[str, int] | None:
        """`listen` as host and port."""
        return configkeys.address_of(self.listen) if self.listen else None


class CanaryConfig(Struct, frozen=True):
    """A tiny container of our own that is started now and then, as evidence that starts work."""

    enabled: bool = False
    every_s: float = 300.0


class Config(Struct, frozen=True):
    """Everything a watchdog is told by its files."""

    daemon: DaemonConfig = field(default_factory=DaemonConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
    policy: Policy = field(default_factory=Policy)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    canary: CanaryConfig = field(default_factory=CanaryConfig)
    rules_dirs: tuple[Path, ...] = (Path("/etc/dockerdoctor/rules.d"),)
    files: tuple[Path, ...] = ()
    """The files that were read."""
    disk: Allowed = field(default_factory=Allowed)


def load(path: Path | None, environment: Mapping[str, str]) -> Config:
    """The configuration of `path` (None: DEFAULT_FILE, which need not be there) and of `conf.d`
    beside it. systemd's $STATE_DIRECTORY and $RUNTIME_DIRECTORY in `environment` are defaults.
    Raises ConfigError with all mistakes."""
    mistakes: list[str] = []
    main = path or DEFAULT_FILE
    files = [main] if path or main.exists() else []
    files += sorted((main.parent / "conf.d").glob("*.toml"))
    values: dict[str, dict[str, Any]] = {}
    for file in files:
        for table, told in _read(file, mistakes).items():
            values.setdefault(table, {}).update(told)
    config = _config(values, environment, tuple(files))
    mistakes += [f"{', '.join(map(str, files))}: {found}" for found in _contradictions(config)]
    if mistakes:
        raise ConfigError(mistakes)
    return config


def _read(file: Path, mistakes: list[str]) -> dict[str, dict[str, Any]]:
    """The values of one file by table ("" for the top) and field, as far as they are right."""
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        mistakes.append(f"{file}: cannot be read: {error.strerror}")
        return {}
    except UnicodeDecodeError:
        mistakes.append(f"{file}: is not UTF-8 text")
        return {}
    except tomllib.TOMLDecodeError as error:
        mistakes.append(f"{file}: is not TOML: {error}")
        return {}
    values: dict[str, dict[str, Any]] = {}
    for name, told in content.items():
        if name in KEYS and name:
            if isinstance(told, dict):
                values[name] = _table(file, name, told, mistakes)
            else:
                mistakes.append(f"{file}: {name}: must be a table: write [{name}] on its own line")
    top = {name: told for name, told in content.items() if name not in KEYS or not name}
    values[""] = _table(file, "", top, mistakes)
    return values


def _table(file: Path, table: str, told: Mapping[str, Any], mistakes: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in told.items():
        place = f"{file}: [{table}] {name}" if table else f"{file}: {name}"
        key = KEYS[table].get(name)
        if key is None:
            mistakes.append(f"{place}: {_unknown(table, name, isinstance(value, dict))}")
            continue
        try:
            values[key.field] = key.value(value)
        except ValueError as error:
            mistakes.append(f"{place}: {error}")
    return values


def _unknown(table: str, name: str, is_table: bool) -> str:
    if is_table and not table:
        close = get_close_matches(name, [known for known in KEYS if known], 1)
        return "there is no such table" + (f": did you mean [{close[0]}]?" if close else "")
    if close := get_close_matches(name, KEYS[table], 1):
        return f"there is no such key: did you mean {close[0]}?"
    elsewhere = [f"[{other}]" if other else "the top" for other in KEYS if name in KEYS[other]]
    return "there is no such key" + (f" here: it belongs to {elsewhere[0]}" if elsewhere else "")


def _config(
    values: Mapping[str, Mapping[str, Any]],
    environment: Mapping[str, str],
    files: tuple[Path, ...],
) -> Config:
    directories = {
        name: Path(environment[variable].split(":")[0])
        for name, variable in (("state_dir", "STATE_DIRECTORY"), ("run_dir", "RUNTIME_DIRECTORY"))
        if environment.get(variable)
    }
    config = Config(
        daemon=DaemonConfig(**values.get("daemon", {})),
        watch=WatchConfig(**{**directories, **values.get("watch", {})}),
        policy=Policy(**values.get("policy", {})),
        metrics=MetricsConfig(**values.get("metrics", {})),
        canary=CanaryConfig(**values.get("canary", {})),
        disk=Allowed(**values.get("disk", {})),
        files=files,
    )
    return replace(config, **values.get("", {}))


def _contradictions(config: Config) -> list[str]:
    """What no key alone can be blamed for."""
    found = []
    if config.watch.close_pace_s > config.watch.pace_s:
        found.append("[watch] close_pace: must not be longer than pace")
    if config.disk.stop_ratio >= config.disk.start_ratio:
        found.append("[disk] stop: must be below start")
    metrics = config.metrics
    if (
        metrics.address is not None
        and not configkeys.is_loopback(metrics.address[0])
        and metrics.web_config is None
        and not metrics.allow_insecure
    ):
        found.append(
            f"[metrics] listen: {metrics.listen} serves other hosts without TLS and users: set "
            "web_config, or allow_insecure = true if you mean it"
        )
    return found
