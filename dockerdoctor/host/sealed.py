"""A sealed room for a daemon of our own: work goes in, nothing comes out but what it prints.

The work runs in a child with namespaces of its own: processes, mounts and network. Its /run is
empty and in memory, what it writes below /etc and /opt stays in memory too, and the host's daemons
cannot be seen from it. The kernel ends and forgets all of it together with that child, however it
ends: also when we are killed by SIGKILL.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from dockerdoctor.errors import DoctorError, Exit, NotPermitted
from dockerdoctor.host.faults import from_os

_NEWNS, _NEWPID, _NEWNET = 0x00020000, 0x20000000, 0x40000000
_PRIVATE, _READ_ONLY, _SAFE = 1 << 14 | 1 << 18, 1, 2 | 4 | 8
"""MS_PRIVATE | MS_REC; MS_RDONLY; MS_NOSUID | MS_NODEV | MS_NOEXEC."""
_PDEATHSIG = 1

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_COPIED = ("/etc", "/opt")
"""Where dockerd and its containerd leave things of theirs (key.json, empty directories)."""
_SECURITY = "/sys/kernel/security"
"""Hidden: dockerd would load an AppArmor profile into the kernel, and nobody would unload it."""
_MEMORY = "mode=755,size=1g"

_libc = ctypes.CDLL(None, use_errno=True)


def sealed(work: Callable[[], None]) -> None:
    """Run `work` in a sealed room and wait for its end.

    Raises the DoctorError that it raised, NotPermitted without root or namespaces,
    KeyboardInterrupt or SystemExit(128 + signal) when we were told to stop (SIGINT; SIGTERM,
    SIGHUP). Nothing of the room is left when this returns or raises."""
    require_root()
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*_STOPS, signal.SIGCHLD))
    try:
        child = _fork_into_new_pids()
        if child == 0:
            _first(work, writing, mask)
        os.close(writing)
        code = _until_it_ends(child)
        told = _read(reading)
    finally:
        os.close(reading)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    if told:
        raise _error(told)
    if code:
        raise SystemExit(128 - code if code < 0 else code)


def require_root() -> None:
    """Raises NotPermitted for anybody else."""
    if os.geteuid() != 0:
        raise NotPermitted("a daemon of our own needs root", "run it as root (sudo)")


def _fork_into_new_pids() -> int:
    """fork; the child is the first of its PID namespace. Later children of ours are not in it."""
    ours = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("unshare", _NEWPID)
        child = os.fork()
        if child:
            _call("setns", ours, _NEWPID)
        return child
    except OSError as error:
        raise NotPermitted(
            f"this machine allows no namespaces of our own: {error.strerror}",
            "run it on a host or a virtual machine, or in a privileged container",
        ) from error
    finally:
        os.close(ours)


def _until_it_ends(child: int) -> int:
    """Its exit code; or minus the signal that told us to stop, once all of it is gone."""
    while True:
        arrived = signal.sigwait((*_STOPS, signal.SIGCHLD))
        if arrived in _STOPS:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)  # returns when the last process of the namespace is dead
            return -arrived
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)


def _first(work: Callable[[], None], telling: int, mask: set[int | signal.Signals]) -> NoReturn:
    """The first process of the room: it furnishes the room, then reaps what is orphaned."""
    code = int(Exit.BUG)
    try:
        os.setsid()  # Ctrl-C goes to who waits for us, and ends us all
        _call("prctl", _PDEATHSIG, signal.SIGKILL)
        _furnish()
        worker = os.fork()
        if worker == 0:
            for number in _STOPS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            code = _do(work, telling)
        else:
            code = _reap_until(worker)
    except OSError as error:
        _tell(telling, from_os(error, "cannot make a sealed room", "see `dmesg`"))
    finally:
        os._exit(code)


def _do(work: Callable[[], None], telling: int) -> int:
    """The exit code of the work; its error goes to who waits."""
    try:
        work()
        sys.stdout.flush()
    except DoctorError as error:
        _tell(telling, error)
        return error.exit
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except Exception as bug:  # noqa: BLE001  it would end unseen: nobody is above us
        where = traceback.extract_tb(bug.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        _tell(telling, _with_exit(Exit.BUG, f"{type(bug).__name__}: {bug} ({place})"))
        return Exit.BUG
    return Exit.OK


def _reap_until(worker: int) -> int:
    while True:
        ended, status = os.wait()
        if ended == worker:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _furnish() -> None:
    """Mounts of our own. Raises OSError."""
    _call("unshare", _NEWNS | _NEWNET)
    _mount("none", "/", "", _PRIVATE)
    _mount("proc", "/proc", "proc", _SAFE)
    _mount("tmpfs", "/run", "tmpfs", 0, _MEMORY)
    for place in _COPIED:
        if Path(place).is_dir():
            _copy_on_write(place)
    if Path(_SECURITY).is_dir():
        _mount("tmpfs", _SECURITY, "tmpfs", _SAFE | _READ_ONLY)


def _copy_on_write(place: str) -> None:
    upper, work = (Path("/run/copied") / place[1:] / each for each in ("upper", "work"))
    upper.mkdir(parents=True)
    work.mkdir()
    _mount("overlay", place, "overlay", 0, f"lowerdir={place},upperdir={upper},workdir={work}")


def _mount(what: str, where: str, kind: str, flags: int, options: str = "") -> None:
    words = [word.encode() if word else None for word in (what, where, kind)]
    _call("mount", *words, ctypes.c_ulong(flags), options.encode() if options else None)


def _call(name: str, *arguments: object) -> None:
    """A function of the C library that returns -1 and errno when it fails. Raises OSError."""
    if getattr(_libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _tell(telling: int, error: DoctorError) -> None:
    words = {"exit": int(error.exit), "sentence": error.sentence, "hint": error.hint}
    os.write(telling, json.dumps(words).encode())


def _read(reading: int) -> bytes:
    told = b""
    while more := os.read(reading, 1 << 16):
        told += more
    return told


def _error(told: bytes) -> DoctorError:
    words = json.loads(told)
    return _with_exit(Exit(words["exit"]), words["sentence"], words["hint"])


def _with_exit(code: Exit, sentence: str, hint: str = "") -> DoctorError:
    error = DoctorError(sentence, hint)
    error.exit = code
    return error
