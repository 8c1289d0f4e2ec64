"""What goes into a support bundle: a configuration and an address in, a list of parts out.

Nothing here asks the daemon for what its disk tells: containers are read from the data-root, so
that a hung daemon is told as well as one that serves.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dockerdoctor import __version__, compose
from dockerdoctor.bundle import Content, Part
from dockerdoctor.cli.explaintext import explanation_text
from dockerdoctor.cli.options import Options
from dockerdoctor.config import Config, DaemonConfig
from dockerdoctor.errors import DoctorError
from dockerdoctor.host import command
from dockerdoctor.host.clock import now
from dockerdoctor.host.linux import LinuxHost
from dockerdoctor.host.nouns import Place, Service
from dockerdoctor.record import Record
from dockerdoctor.stackjams import explain
from dockerdoctor.stacks import NoDumpError, lines_of, read

LINES = 2000
LOG_BYTES = 3 << 20
INCIDENTS = 20
SAMPLES_S = 2 * 3600.0
DUMPS, EVIDENCE, CONTAINERS = 3, 30, 200
FILE_BYTES = 1 << 20
DUMP_BYTES = 24 << 20
EXPLAINED_BYTES = 12 << 20
OURS = "dockerdoctor.service"
PROGRAMS = "dockerd,containerd,containerd-shim,containerd-shim-runc-v2,docker-proxy,runc,docker"
PROC = ("loadavg", "meminfo", "mounts", "uptime", "pressure/cpu", "pressure/memory", "pressure/io")
VERSIONS = (
    ("dockerd", "--version"),
    ("docker", "--version"),
    ("containerd", "--version"),
    ("runc", "--version"),
    ("systemctl", "--version"),
    ("uname", "-a"),
)


def parts(options: Options, config: Config) -> list[Part]:
    """In the order of their worth: the room is theirs in this order."""
    host = compose.host(config, options.address(config))
    return [
        Part("check.json", lambda: _check(options, config), 14.0),
        Part("incidents.json", lambda: _incidents(config)),
        Part("versions.txt", _versions),
        *_of_its_keeper(host, config.daemon),
        Part("journal/kernel.txt", _kernel, 12.0),
        Part("etc", lambda: _configuration(host, config)),
        Part("proc", _proc),
        Part("processes.txt", _processes),
        Part("disks.txt", _disks, 6.0),
        Part("info.json", lambda: _info(options, config), 6.0),
        Part("containers", lambda: _containers(host)),
        Part("evidence", lambda: _evidence(config)),
        Part("explained.txt", lambda: _explained(host, config), 12.0),
        Part("dumps", lambda: _dumps(host, config), raw=True),
        Part("samples.json", lambda: _samples(config), 10.0),
    ]


def _of_its_keeper(host: LinuxHost, daemon: DaemonConfig) -> list[Part]:
    """Its units and their journals; without systemd the end of its log."""
    if daemon.pidfile is not None:
        return [Part("dockerd.log", lambda: "\n".join(host.journal(Service.DOCKERD, LINES, 5.0)))]
    named = (daemon.unit, daemon.socket_unit, daemon.containerd_unit, OURS)
    units = [unit for unit in named if unit]
    journals = [Part(f"journal/{unit}.txt", _journal(unit), 12.0) for unit in units]
    return [Part("units", lambda: _units(units)), *journals]


def _check(options: Options, config: Config) -> Content:
    from dockerdoctor.cli.examine import examine
    from dockerdoctor.cli.history import Watchdog, since_in, watchdog
    from dockerdoctor.cli.looking import look
    from dockerdoctor.cli.reportjson import check_json

    looked = look(options.address(config), config, compose.knowledge(config))
    about = watchdog(config, looked.now) if looked.whole else Watchdog()
    return check_json(examine(looked, about, since_in(config, looked.now)), __version__)


def _incidents(config: Config) -> Content:
    from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
    from dockerdoctor.cli.reportjson import incident_json

    found = [incident_json(each) for each in Record(config.watch.record).incidents(INCIDENTS)]
    return pretty({"schema_version": SCHEMA_VERSION, "incidents": found})


def _samples(config: Config) -> Content:
    from dockerdoctor.cli.plain import pretty
    from dockerdoctor.cli.reportjson import readings_json
    from dockerdoctor.cli.terminal import iso

    found = Record(config.watch.record).samples(since=now().wall - SAMPLES_S)
    return pretty(
        [
            {
                "probe": each.probe,
                "at": iso(each.at.wall),
                "took_s": each.took_s,
                "fault": each.fault,
                "detail": each.detail,
                "readings": readings_json(each.readings),
            }
            for each in found[-5000:]
        ]
    )


def _versions() -> Content:
    told = [f"dockerdoctor {__version__}", f"python {platform.python_version()}"]
    told += [_said(*argv).strip() for argv in VERSIONS]
    return "\n".join([*told, _file(Path("/etc/os-release")).decode("utf-8", "replace")])


def _units(units: Sequence[str]) -> Content:
    """The unit files with their drop-ins, and what systemd made of them."""
    return {
        f"{unit}.txt": _said("systemctl", "cat", "--no-pager", unit)
        + "\n---- systemctl show\n"
        + _said("systemctl", "show", "--no-pager", unit)
        for unit in units
    }


def _journal(unit: str) -> Callable[[], Content]:
    def gather() -> Content:
        return _log(f"--unit={unit}")

    return gather


def _kernel() -> Content:
    try:
        return _log("--dmesg")
    except DoctorError:
        return command.run(["dmesg", "--ctime"], 5.0, LOG_BYTES)


def _log(which: str) -> Content:
    argv = ("journalctl", which, f"--lines={LINES}", "--output=short-iso-precise", "--no-pager")
    return command.run([*argv, "--quiet"], 10.0, LOG_BYTES)


def _configuration(host: LinuxHost, config: Config) -> Content:
    from dockerdoctor.host.layout import config_file

    files = [config_file(host.keeper.dockerd_argv()), Path("/etc/containerd/config.toml")]
    files += [*config.files, *(each for one in config.rules_dirs for each in one.glob("*.toml"))]
    return {str(path).strip("/").replace("/", "_"): _file(path) for path in files if path.is_file()}


def _proc() -> Content:
    return {
        name.replace("/", "_"): _file(Path("/proc") / name)
        for name in PROC
        if (Path("/proc") / name).exists()
    }


def _processes() -> Content:
    columns = "pid,ppid,stat,wchan:24,nlwp,rss,etime,args"
    return command.run(["ps", "-C", PROGRAMS, "-o", columns, "-ww"], 5.0)


def _disks() -> Content:
    local = ("--local", "--exclude-type=overlay")  # no dead NFS server, no line per container
    return _said("df", "-hT", *local) + "\n" + _said("df", "-i", *local)


def _info(options: Options, config: Config) -> Content:
    argv = ["docker", "--host", str(options.address(config)), "info", "--format", "{{json .}}"]
    return command.run(argv, 5.0)


def _containers(host: LinuxHost) -> Content:
    """As they lie on the disk: configurations, with environments and labels hidden."""
    found: dict[str, str | bytes] = {}
    root = host.places()[Place.DATA_ROOT] / "containers"
    for directory in sorted(root.iterdir())[:CONTAINERS]:
        for name in ("config.v2.json", "hostconfig.json"):
            if (path := directory / name).is_file():
                found[f"{directory.name[:12]}-{name}"] = _file(path)
    return found


def _kept(config: Config) -> list[Path]:
    """The newest evidence; its names begin with the time."""
    directory = config.watch.evidence
    return sorted(directory.iterdir())[-EVIDENCE:] if directory.is_dir() else []


def _evidence(config: Config) -> Content:
    return {path.name: _file(path) for path in _kept(config) if not _is_dump(path)}


def _stacks(host: LinuxHost, config: Config) -> Iterator[Path]:
    """The newest dumps: those that were kept, and those that still lie where dockerd wrote them."""
    yield from [path for path in _kept(config) if _is_dump(path)][-DUMPS:]
    for directory in host.dump_dirs():
        yield from sorted(directory.glob("goroutine-stacks-*.log"))[-DUMPS:]


def _dumps(host: LinuxHost, config: Config) -> Content:
    return {path.name: _file(path, DUMP_BYTES) for path in _stacks(host, config)}


def _explained(host: LinuxHost, config: Config) -> Content:
    told = []
    for path in _stacks(host, config):
        try:
            with path.open("rb") as file:
                found = explain(read(lines_of(file, EXPLAINED_BYTES)))
        except (OSError, NoDumpError) as error:
            told.append(f"{path.name}: {error}")
            continue
        told.append(explanation_text(found, path.name, 20, None))
    return "\n\n".join(told) or "there is no goroutine dump"


def _is_dump(path: Path) -> bool:
    return "stacks" in path.name


def _said(*argv: str) -> str:
    """A command's output, or why there is none."""
    try:
        return command.run(argv, 4.0)
    except DoctorError as error:
        return f"{argv[0]}: {error.sentence}\n"


def _file(path: Path, limit: int = FILE_BYTES) -> bytes:
    with path.open("rb") as file:
        return file.read(limit)
