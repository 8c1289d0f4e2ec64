"""The watchdog's systemd units: a configuration and an interpreter go in, their texts come out.

Every line that is not obvious says why it is there. The sandbox leaves what the rungs need: signals
to other processes, `systemctl`, the daemon's socket, its data-root and exec-root wherever they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from dockerdoctor.config import Config

UNIT = "dockerdoctor.service"
SURVEY = "dockerdoctor-disk.service"
TIMER = "dockerdoctor-disk.timer"

WATCHDOG_S = 240
"""Longer than any rung acts without a look in between: `prune` makes four calls of 45 s each."""

CAPABILITIES = (
    "CAP_KILL",  # dump-stacks, systemd-kill and sigkill signal a daemon of any user
    "CAP_SYS_PTRACE",  # /proc/PID of others: open files, wchan, who traces whom
    "CAP_DAC_OVERRIDE",  # dumps and logs below a data-root that lets nobody in
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",  # to keep the times and modes of evidence
    "CAP_NET_ADMIN",  # to read the packet filter and drop doubled rules (iptables on nft)
    "CAP_SYSLOG",  # to read the kernel's log (hung tasks, OOM kills, file systems)
)

_HEAD = """\
[Unit]
Description=Watchdog of the Docker daemon (dockerdoctor)
# On purpose no Requires=, After=, PartOf= or BindsTo=docker.service: a daemon that hangs while it
# starts would hold up its own watchdog, and one that is stopped would take it along.
# The watchdog must never be left dead by a start limit.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
# Fed by each look of the loop, and by nothing else.
WatchdogSec={watchdog_s}
Restart=always
RestartSec=5
# Mistakes in the configuration do not go away by themselves.
RestartPreventExitStatus=78
TimeoutStopSec=30
# The last to die when memory is short: it is what frees some.
OOMScoreAdjust=-900
# One heap for all threads: 43 MB instead of 48 beside 500 containers.
Environment=MALLOC_ARENA_MAX=1
{directories}
"""

_LIMITS = """\
MemoryHigh=128M
MemoryMax=256M
TasksMax=128
"""

_SANDBOX = """\
# It is root, and stays it: who may talk to the daemon's socket is root anyway. What it does not
# need is taken away. Not ProtectSystem=strict, which would need the data-root by name: systemd
# would wait for it at each start (a dead NFS server, a frozen disk), and bind a path over which
# the real one may be mounted later.
CapabilityBoundingSet={capabilities}
NoNewPrivileges=yes
ProtectSystem=full
# Not `yes`: a data-root or a Python below /home would look empty.
ProtectHome=read-only
# Not PrivateDevices= nor ProtectKernelLogs=, which hide /dev/kmsg: no device but that one.
DevicePolicy=closed
DeviceAllow=/dev/kmsg r
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
UMask=0027
# AF_NETLINK tells who is connected to the daemon's socket.
RestrictAddressFamilies=AF_UNIX AF_NETLINK{families}
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
"""

_BARE = """\
# The daemon has no unit of its own: when it must be started again it becomes a child of this one.
# No sandbox and no limits, which it would share, and it is left alone when the watchdog stops.
KillMode=process
Delegate=yes
"""

_INSTALL = """
[Install]
WantedBy=multi-user.target
"""


_SURVEY = """\
[Unit]
Description=Survey of what eats Docker's data-root (dockerdoctor)

[Service]
Type=oneshot
ExecStart={command}
# What it finds is kept for the watchdog's metrics.
StandardOutput=null
# The last in every queue, and in a control group of its own: a walk over a million files fills
# memory with what the kernel remembers of them, and that must not be the watchdog's.
Nice=19
IOSchedulingClass=idle
MemoryHigh=256M
TimeoutStartSec=2h
NoNewPrivileges=yes
ProtectSystem=full
"""

_TIMER = """\
[Unit]
Description=Daily survey of what eats Docker's data-root (dockerdoctor)

[Timer]
OnActiveSec=15min
OnUnitActiveSec=1d
RandomizedDelaySec=1h

[Install]
WantedBy=timers.target
"""


def units(config: Config, python: Path, config_file: Path | None = None) -> Mapping[str, str]:
    """All that is installed, by name: the watchdog, and the daily survey with its timer."""
    survey = _command(python, "dockerdoctor", config_file, "disk", "show", "--json")
    return {
        UNIT: unit_text(config, python, config_file),
        SURVEY: _SURVEY.format(command=survey),
        TIMER: _TIMER,
    }


def unit_text(config: Config, python: Path, config_file: Path | None = None) -> str:
    """The unit that runs the watchdog with this interpreter; `config_file` if it was named."""
    text = _HEAD.format(
        command=_command(python, "dockerdoctor.daemon", config_file),
        watchdog_s=WATCHDOG_S,
        directories="\n".join(_directories(config)),
    )
    if config.daemon.pidfile is not None:
        return text + _BARE + _INSTALL
    families = " AF_INET AF_INET6" if config.metrics.address else ""
    sandbox = _SANDBOX.format(capabilities=" ".join(CAPABILITIES), families=families)
    return text + _LIMITS + sandbox + _INSTALL


def _command(python: Path, module: str, config_file: Path | None, *words: str) -> str:
    named = () if config_file is None else ("--config", str(config_file))
    argv = (str(python), "-I", "-m", module, *named, *words)
    return " ".join(_quoted(word) for word in argv)


def _directories(config: Config) -> list[str]:
    """Those below systemd's own places are made by it; others are the operator's."""
    lines = []
    if name := _below(config.watch.state_dir, "/var/lib"):
        lines += [f"StateDirectory={name}", "StateDirectoryMode=0750"]
    if name := _below(config.watch.run_dir, "/run"):
        lines += [
            f"RuntimeDirectory={name}",
            "# The lock lies in it: whoever holds it (`heal` by hand) must not lose it.",
            "RuntimeDirectoryPreserve=yes",
        ]
    return [*lines, "ConfigurationDirectory=dockerdoctor"]


def _below(path: Path, base: str) -> str:
    pure = PurePosixPath(path)
    return str(pure.relative_to(base)) if pure.is_relative_to(base) and str(pure) != base else ""


def _quoted(word: str) -> str:
    """A word of ExecStart=, so that systemd takes it as it is."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or any(char.isspace() for char in word) else word
