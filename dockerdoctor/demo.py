"""The whole of dockerdoctor in half a minute: a real dockerd breaks, and is healed.

In go an engine's directory and a fault; out comes the story, a sentence at a time. The daemon is
our own, in a sealed room (`host/sealed.py`): no other is touched and nothing of it is left. All
else is real: the shipped rules, the probes, the rungs, the record.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from dockerdoctor import compose
from dockerdoctor.around import Hooks
from dockerdoctor.config import Config, DaemonConfig, WatchConfig
from dockerdoctor.demotale import Teller
from dockerdoctor.errors import CannotCreate, DoctorError, HostFault, UsageError
from dockerdoctor.host import launch
from dockerdoctor.host.cage import Cage, cage
from dockerdoctor.host.linux import LinuxHost
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.sealed import require_root, sealed
from dockerdoctor.judge import GOOD_LOOKS
from dockerdoctor.model import Fault, Incident, Policy
from dockerdoctor.store import Store
from dockerdoctor.units import plain
from dockerdoctor.watch import Watch

FAULTS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "frozen": (19, "stopping dockerd (pid {pid}) with SIGSTOP: it is there and answers nobody"),
        "deaf": (0, "freezing the cgroup of dockerd (pid {pid}): it does not hear SIGTERM either"),
        "killed": (
            9,
            "killing dockerd (pid {pid}) with SIGKILL, as the kernel does without memory",
        ),
    }
)
"""What can be done to the daemon: the signal (0: see `host/cage.py`), and how that is told."""

ROOM = Path("/run/demo")
"""In the sealed room's own /run; nobody else has it."""
START_S = 60.0
HEALED_S = 240.0
"""A hung machine must not hang the demo: half a minute is usual."""


def run_demo(
    say: Callable[[str], None],
    engine: Path | None = None,
    keep: Path | None = None,
    fault: str = "frozen",
) -> None:
    """Tell the story through `say`, a line at a time (not wider than 80).

    `engine` is a directory that holds a dockerd (else $DOCKERDOCTOR_ENGINE, PATH, the cache of
    tools/unpack.py); `keep` gets the record, the evidence and the daemon's log. Raises UsageError,
    NotPermitted without root, HostFault(MISSING) without an engine, DoctorError when the daemon is
    not cured, KeyboardInterrupt and SystemExit when we are stopped; nothing is ever left behind."""
    if fault not in FAULTS:
        raise UsageError(f"there is no fault {fault}", f"choose one of {', '.join(FAULTS)}")
    require_root()
    program = find_dockerd(engine)
    kept = _open(keep) if keep else None
    say("dockerdoctor demo: a real dockerd breaks and is healed. Ctrl-C ends it cleanly.")
    try:
        with cage(f"dockerdoctor-demo-{os.getpid()}") as empty:
            sealed(lambda: _perform(say, program, fault, empty, kept))
    except (KeyboardInterrupt, SystemExit):
        with contextlib.suppress(OSError):  # the terminal may be gone
            say("")  # it may have been in the middle of a line
            say("stopped; the demo's daemon is gone, nothing is left behind")
        raise
    finally:
        if kept is not None:
            os.close(kept)
    say("")
    if keep:
        say(f"The record, the evidence and the daemon's log are in {keep}.")
    say("The demo's daemon and all of its files and processes are gone.")


def find_dockerd(engine: Path | None) -> Path:
    """The dockerd to run. Raises HostFault(MISSING) with the command that gets one."""
    named = engine or Path(os.environ.get("DOCKERDOCTOR_ENGINE", ""))
    if str(named) != ".":
        places = [named, named / "usr/sbin", named / "usr/bin"]
    else:
        places = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
        places += [Path("/usr/sbin"), Path("/usr/bin"), cached_engine()]
    for place in places:
        if os.access(place / "dockerd", os.X_OK):
            return (place / "dockerd").resolve()
    raise HostFault(
        Fault.MISSING,
        f"there is no dockerd in {named}" if str(named) != "." else "no dockerd is on this machine",
        "`make setup` in a checkout unpacks one in private; or name its directory with --engine",
    )


def cached_engine() -> Path:
    """Where tools/unpack.py unpacks one."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dockerdoctor"
    return Path(os.environ.get("DOCKERDOCTOR_CACHE") or caches) / "engine/bin"


def settings() -> Config:
    """The shipped rules and policy. Only the cool-down is shorter: it keeps us from a daemon that
    somebody else has just started, and this one has just been started."""
    return Config(
        daemon=DaemonConfig(host=f"unix://{ROOM}/docker.sock", pidfile=ROOM / "docker.pid"),
        watch=WatchConfig(pace_s=2.0, state_dir=ROOM / "state", run_dir=ROOM),
        policy=Policy(cooldown_s=5.0),
        rules_dirs=(),
    )


def command_line(program: Path) -> tuple[str, ...]:
    """A daemon with everything of its own and no network of any kind."""
    return (
        str(program),
        f"--config-file={ROOM}/daemon.json",
        f"--data-root={ROOM}/data",
        f"--exec-root={ROOM}/exec",
        f"--pidfile={ROOM}/docker.pid",
        f"--host=unix://{ROOM}/docker.sock",
        *("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
    )


def _open(keep: Path) -> int:
    """The directory as a descriptor: the path may look different from inside the room."""
    try:
        keep.mkdir(parents=True, exist_ok=True)
        return os.open(keep, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        says = f"cannot make {keep}: {error.strerror}"
        raise CannotCreate(says, "name another directory") from error


def _perform(
    say: Callable[[str], None], program: Path, fault: str, empty: Cage, kept: int | None
) -> None:
    """All that happens in the room."""
    config = settings()
    _furnish(config, program)
    host = compose.host(config)
    tell = Teller(say, host)
    store = Store.open(config.watch.record, host.now())
    try:
        _start(host, tell)
        watch = _watch(config, host, store, tell)
        _see_it_well(watch, host, tell)
        _break(host, fault, empty, tell)
        incident = _see_it_healed(watch, host, tell)
        tell.record(incident)
    finally:
        store.shut()
        host.close()
        if kept is not None:
            _keep(config, Path(f"/proc/self/fd/{kept}"))


def _furnish(config: Config, program: Path) -> None:
    """What a keeper must know to start the daemon, as if it had seen it run."""
    config.watch.state_dir.mkdir(parents=True)
    (ROOM / "daemon.json").write_text('{"live-restore": true}\n')
    known = launch.Launch(
        pid=0,
        started=0,
        exe=str(program),
        argv=command_line(program),
        cwd=str(ROOM),
        env=dict(os.environ),
        log=str(ROOM / "dockerd.log"),
    )
    launch.save(config.watch.state_dir / "launch.json", known)


def _start(host: LinuxHost, tell: Teller) -> None:
    tell.heading("A WELL DAEMON")
    tell.line("starting a dockerd of our own; no other can be seen or reached from here")
    host.start(Service.DOCKERD)
    began = host.now().mono
    while True:
        try:
            info = host.info(5.0)
            host.ping(5.0)  # from now on its keeper knows that it has started
            break
        except HostFault as fault:
            dead = host.service(Service.DOCKERD).active in ("failed", "inactive")
            if dead or host.now().mono - began > START_S:
                words = "\n".join(host.journal(Service.DOCKERD, 5, 2.0))
                raise DoctorError(
                    f"the demo's dockerd does not start; its last words:\n{words}", "try --keep DIR"
                ) from fault
            host.pause(0.1)
    process = host.main_process(Service.DOCKERD)
    pid = process.pid if process else 0
    tell.line(f"dockerd {info.version} serves (pid {pid}, storage driver {info.storage_driver})")


def _watch(config: Config, host: LinuxHost, store: Store, tell: Teller) -> Watch:
    knowledge = compose.knowledge(config)
    tell.rungs = knowledge.rungs
    tell.line(
        f"dockerdoctor watches it: {len(knowledge.probes)} probes, {len(knowledge.rules)} shipped "
        f"rules, a look every {plain(config.watch.pace_s, 'seconds')}"
    )
    hooks = Hooks(tell.looked, tell.climbed, tell.closed, tell.said)
    watch = compose.watch(config, knowledge, host, store, lambda: config.policy, hooks)
    tell.scene = watch.scene
    return watch


def _see_it_well(watch: Watch, host: LinuxHost, tell: Teller) -> None:
    """Until several looks in a row were good."""
    began = host.now().mono
    good = 0
    while good < GOOD_LOOKS:
        sentence = watch.cycle()
        good = good + 1 if watch.is_well() else 0
        if good:
            tell.line(sentence)
        elif host.now().mono - began > START_S:
            raise DoctorError(f"the demo's dockerd is not well: {sentence}", "try it again")
        host.pause(watch.pause_s())


def _break(host: LinuxHost, fault: str, empty: Cage, tell: Teller) -> None:
    signum, words = FAULTS[fault]
    process = host.main_process(Service.DOCKERD)
    if process is None:
        raise DoctorError("the demo's dockerd ended by itself", "try it again, with --keep DIR")
    tell.heading("THE FAULT")
    tell.line(words.format(pid=process.pid))
    tell.broken_at = host.now()
    if signum:
        host.signal(process, signum)
    else:
        empty.freeze(process)


def _see_it_healed(watch: Watch, host: LinuxHost, tell: Teller) -> Incident:
    began = host.now().mono
    sentence = ""
    while not tell.ended:
        if host.now().mono - began > HEALED_S:
            raise DoctorError(f"the demo's dockerd was not healed: {sentence}", "use --keep DIR")
        sentence = watch.cycle()
        if not tell.ended:
            host.pause(watch.pause_s())
    return tell.ended[0]


def _keep(config: Config, to: Path) -> None:
    """The record, the evidence and the log."""
    shutil.copytree(config.watch.state_dir, to, dirs_exist_ok=True)
    for log in ROOM.glob("*.log"):
        shutil.copy2(log, to)
