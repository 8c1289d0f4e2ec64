"""daemon.json beside the flags of the unit and its drop-ins: what the next start will trip over.

A running daemon has taken its configuration at its start; what was changed since is tried only by
the next one. So a mistake is told also while all is well, as a warning.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from dockerdoctor.checks._daemon import DaemonJson, command, daemon_json, is_down
from dockerdoctor.declare import Check, Clue, Scene
from dockerdoctor.errors import HostFault
from dockerdoctor.host.lens import Word
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Severity

BAD, CONFLICT, FLAG = "bad-daemon-json", "flag-and-file-conflict", "unknown-flag"
MEND = ": dockerd would not start again, mend that first"
KEYS = (
    "authorization-plugins allow-direct-routing allow-nondistributable-artifacts bip bip6 bridge "
    "bridge-accept-fwmark builder cdi-spec-dirs cgroup-parent cluster-advertise cluster-store "
    "cluster-store-opts containerd containerd-namespace containerd-plugins-namespace cpu-rt-period "
    "cpu-rt-runtime cri-containerd data-root debug default-address-pools default-cgroupns-mode "
    "default-gateway default-gateway-v6 default-ipc-mode default-network-opts default-runtime "
    "default-shm-size default-stop-timeout default-ulimits deprecated-key-path dns dns-opts "
    "dns-search exec-opts exec-root experimental features firewall-backend fixed-cidr "
    "fixed-cidr-v6 graph group host-gateway-ip host-gateway-ips hosts http-proxy https-proxy icc "
    "init init-path insecure-registries ip ip-forward ip-forward-no-drop ip-masq ip6tables "
    "iptables ipv6 labels live-restore log-driver log-format log-level log-opts "
    "max-concurrent-downloads max-concurrent-uploads max-download-attempts metrics-addr "
    "min-api-version mtu network-control-plane-mtu network-diagnostic-port no-new-privileges "
    "no-proxy node-generic-resources nri-opts oom-score-adjust pidfile proxies raw-logs "
    "registry-mirrors restart rootless runtimes seccomp-profile selinux-enabled shutdown-timeout "
    "storage-driver storage-opts swarm-default-advertise-addr tls tlscacert tlscert tlskey "
    "tlsverify userland-proxy userland-proxy-path userns-remap"
)
"""What dockerd 20.10 to 29 take in daemon.json; 20.10.24, 26.1.5 and 28.5.2 were asked."""
KNOWN = frozenset(KEYS.split())
SHORT = {
    "-H": "hosts",
    "-D": "debug",
    "-G": "group",
    "-b": "bridge",
    "-g": "graph",
    "-l": "log-level",
    "-p": "pidfile",
    "-s": "storage-driver",
}
PLURAL = {
    "host": "hosts",
    "label": "labels",
    "log-opt": "log-opts",
    "exec-opt": "exec-opts",
    "storage-opt": "storage-opts",
    "dns-opt": "dns-opts",
    "add-runtime": "runtimes",
    "default-ulimit": "default-ulimits",
    "insecure-registry": "insecure-registries",
    "registry-mirror": "registry-mirrors",
    "authorization-plugin": "authorization-plugins",
    "default-address-pool": "default-address-pools",
    "node-generic-resource": "node-generic-resources",
}
"""Flags whose key in daemon.json is another word (moby, daemon/config and cmd/dockerd)."""
FLAGS_ONLY = frozenset({"config-file", "validate", "version", "help"})
MAY_BE_BOTH = frozenset({"runtimes"})
EARLIER_S = 2.0


def run(view: HostView) -> Sequence[Clue]:
    """What is wrong with daemon.json; while the daemon is down also that nothing is."""
    words = command(view)
    found = daemon_json(view, words)
    down = is_down(view)
    if found.keys is None:
        return [_bad(found, found.wrong, down)]
    clues = [*_unknown(view, found, down), *_conflicts(found, words, down)]
    if not down:
        return clues
    clues += _unknown_flags(words)
    if clues:
        return clues
    well = f"{found.path} can be read now, no flag stands against it, and all flags are known"
    return [Clue(rule, well, Severity.INFO, against=True) for rule in (BAD, CONFLICT, FLAG)]


class Next(Struct, frozen=True):
    """What the configuration of now says of the next start of a dockerd that runs."""

    refused: str = ""
    """Why it would fail; empty where nothing certain speaks against it, or nobody can see."""
    live_restore: bool = True
    """False where it is certain that live-restore would be off: then it ends all containers."""

    def foreseen(self, scene: Scene) -> Scene:
        """The scene with what a restart would find."""
        if self.live_restore or not scene.flag("api.live_restore"):
            return scene
        return replace(scene, readings={**scene.readings, "api.live_restore": False})


def next_start(view: HostView) -> Next:
    """By daemon.json and the unit, as they may have been changed since the start."""
    try:
        words = command(view)
        found = daemon_json(view, words)
    except HostFault:
        return Next()
    if found.keys is None:
        return Next("" if _taken(view, found) else f"{found.path}: {found.wrong}{MEND}")
    refused = next((f"{clue.says}{MEND}" for clue in _conflicts(found, words, down=True)), "")
    live = found.keys.get("live-restore") is True or "live-restore" in flags(words)
    return Next(refused, live or not words)


def _bad(file: DaemonJson, wrong: str, down: bool) -> Clue:
    return Clue(
        BAD,
        f"{file.path}: {wrong}" + ("" if down else ": the next start of dockerd will fail"),
        Severity.CRITICAL if down else Severity.WARNING,
        next=f"sudoedit {file.path}",
    )


def _unknown(view: HostView, file: DaemonJson, down: bool) -> Iterator[Clue]:
    """Keys that no dockerd knows, unless this one has started with them."""
    names = sorted(set(file.keys or {}) - KNOWN)
    if not names or (not down and _taken(view, file)):
        return
    told = ", ".join(f"{name!r}{_meant(name)}" for name in names[:5])
    yield _bad(file, f"no option of dockerd's is called {told}", down)


def _unknown_flags(words: Sequence[Word]) -> Iterator[Clue]:
    """Named with the file that gives them; a running daemon has taken its own."""
    for name, word in flags(words).items():
        if word.text.startswith("--") and name not in KNOWN and name not in FLAGS_ONLY:
            yield Clue(
                FLAG,
                f"{word.text.partition('=')[0]} in {word.origin} is no flag of dockerd's"
                f"{_meant(name)}",
                Severity.CRITICAL,
                next="systemctl cat docker.service",
            )


def _meant(name: str) -> str:
    close = difflib.get_close_matches(name, KNOWN, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _taken(view: HostView, file: DaemonJson) -> bool:
    """Whether the running daemon was started after the file was last changed."""
    with contextlib.suppress(HostFault):
        began = view.service(Service.DOCKERD).left_inactive_mono_s
        changed, now = view.lens().entry(file.path).changed, view.now()
        return began is not None and changed < now.wall - (now.mono - began) - EARLIER_S
    return False


def _conflicts(file: DaemonJson, words: Sequence[Word], down: bool) -> Iterator[Clue]:
    """dockerd refuses what is given both ways, also where both say the same."""
    given = flags(words)
    both = [name for name in _flat(file.keys or {}) if name in given and name not in MAY_BE_BOTH]
    if not both:
        return
    told = ", ".join(f"{name} ({given[name].text} in {given[name].origin})" for name in both)
    yield Clue(
        CONFLICT,
        f"{file.path} and the command line both give {told}"
        + ("" if down else ": the next start of dockerd will fail"),
        Severity.CRITICAL if down else Severity.WARNING,
        next=f"sudoedit {file.path}",
    )


def flags(words: Sequence[Word]) -> Mapping[str, Word]:
    """The options of a command line by their key in daemon.json."""
    found: dict[str, Word] = {}
    for word in words[1:]:
        name = word.text.partition("=")[0]
        if name.startswith("--"):
            found.setdefault(PLURAL.get(name[2:], name[2:]), word)
        elif name[:2] in SHORT:
            found.setdefault(SHORT[name[:2]], word)
    return found


def _flat(keys: Mapping[str, object]) -> Iterator[str]:
    """`proxies` is a group of options, not one."""
    for name, value in keys.items():
        if name == "proxies" and isinstance(value, dict):
            yield from value
        else:
            yield name


CHECK = Check(
    name="configuration",
    help="daemon.json: its syntax by line, unknown keys, and flags that stand against it",
    symptom="start",
    timeout_s=5.0,
    run=run,
)
