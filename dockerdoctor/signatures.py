"""What dockerd and containerd write when something known is wrong: lines in, names out.

One table, read from top to bottom; the first that fits names the line. Recorded on engines 20.10,
26.1 and 28.5, others from moby's source. What users choose (paths, commands, names) can be part of
a message, so every pattern holds on to the beginning or the end of what the daemon itself says; and
still a message alone is never a reason to act. Errors that only a client is told (a name that is
taken, a second prune, an API that is too old) never reach the journal, seen on all three:
CLIENT_ERRORS has them.
"""

from __future__ import annotations

import re

from msgspec import Struct

SERIOUS = frozenset({"warning", "warn", "error", "fatal", "panic"})
MAX_SAID = 300
"""Characters of a message that are shown."""
SHORT = 12
"""Characters of a container's id, as `docker ps` shows it."""

_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')
_HANDLER = re.compile(r"Handler for [A-Z]+ \S+ returned error: ")
_PULL = re.compile(
    r"^(?:Attempting next endpoint for|Not continuing with) pull after error(?:: |$)"
)
"""How a pull that failed is told, on the level of information."""
_DATED = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")
_ESCAPED = re.compile(r"\\(.)")
_UNKNOWN = r"(?:: unknown)?$"


class Signature(Struct, frozen=True):
    """A message that is known: its name (of a reading), what it means, and how it is told."""

    name: str
    help: str
    pattern: re.Pattern[str]


def _of(name: str, help_: str, *patterns: str) -> Signature:
    return Signature(name, help_, re.compile("|".join(f"(?:{each})" for each in patterns)))


SIGNATURES = (
    _of(
        "flag_conflict",
        "An option given both as a flag and in daemon.json",
        r"^unable to configure the Docker daemon with file \S+: the following directives are "
        "specified both as a flag and in the configuration file: ",
    ),
    _of("bad_config", "A bad daemon.json", r"^unable to configure the Docker daemon with file "),
    _of(
        "bad_flag",
        "A flag that dockerd does not know, or with a bad value",
        r"^(?:Status: )?unknown (?:shorthand )?flag: ",
        r'^(?:Status: )?invalid argument ".*" for ".*" flag: ',
    ),
    _of(
        "stale_pid",
        "A pid file that names a process that runs",
        r"^failed to start daemon[:,] (?:pid file found, )?ensure docker is not running or delete ",
    ),
    _of(
        "second_daemon",
        "A database that another dockerd holds",
        r"^failed to start daemon: error while opening volume store metadata database.*: timeout$",
        r"^failed to start daemon: Error initializing network controller: .*: timeout$",
    ),
    _of(
        "network_db",
        "A corrupt database of networks",
        r"^failed to start daemon: Error initializing network controller: .*(?:invalid database"
        r"|invalid freelist page|checksum error|version mismatch|same bridge name)",
        r"^panic: .*local-kv\.db",
    ),
    _of(
        "address_pools",
        "No range of addresses left for a network",
        r"all predefined address pools have been fully subnetted$",
        r"could not find an available, non-overlapping IPv[46] address pool among the defaults to "
        "assign to the network$",
        r"PredefinedLocalScopeDefaultNetworks List: .*: no available network$",
    ),
    _of(
        "firewall_chains",
        "Firewall chains of dockerd that are gone",
        r"[iI][pP][46]?[tT]ables failed: ip6?tables .*(?:No chain/target/match by that name"
        r"|does not exist|No such file or directory)",
    ),
    _of(
        "network_controller",
        "A network controller that does not start",
        r"^failed to start daemon: [Ee]rror initializing network controller: ",
    ),
    _of(
        "bridge_gone",
        "A bridge of dockerd that is gone",
        r"adding interface \S+ to bridge \S+ failed: "
        r"(?:Device does not exist|could not find bridge|Link not found)",
    ),
    _of(
        "no_containerd",
        "A containerd that dockerd cannot reach",
        r"^failed to start (?:daemon: failed to (?:dial|start containerd)|containerd: )",
    ),
    _of(
        "container_mount",
        "A container whose layer is missing",
        r"^failed to load container mount\b",
        r"^RWLayer of container \S+ is unexpectedly nil$",
    ),
    _of(
        "container_unreadable",
        "A container whose configuration cannot be read",
        r"^[Ff]ailed to load container\b",
    ),
    _of(
        "name_kept",
        "A create that failed and was not undone",
        r"^failed to cleanup container on create error\b",
    ),
    _of(
        "layer_leftover",
        "A layer that cannot be registered for what an old pull left",
        r"^failed to register layer: .*(?:file exists|directory not empty)$",
    ),
    _of(
        "layer_missing",
        "An image whose layer is missing",
        r"^not restoring image\b",
        r"^layer does not exist(?:$|, not restoring image )",
    ),
    _of(
        "buildkit_db",
        "A corrupt database of the build cache",
        r"^(?:error initializing buildkit: .*)?failed to open database file \S*/buildkit/\S+?[:,] ",
        r"^panic: .*/buildkit/",
    ),
    _of(
        "containerd_db",
        "A corrupt database of containerd",
        r'^failed to load plugin(?: "?io\.containerd\.metadata\.v1\.bolt"?)?: invalid database$',
    ),
    _of(
        "bolt_panic",
        "A panic over a corrupt database",
        r"^panic: (?:freepages: |invalid page type|invalid freelist page|page \d+ already freed"
        r"|assertion failed: Page)",
    ),
    _of("no_space", "A write without space", rf"no space left on device{_UNKNOWN}"),
    _of(
        "too_many_files",
        "An open file too many",
        rf"too many open files(?:; retrying in \w+)?{_UNKNOWN}",
    ),
    _of(
        "ghost",
        "A container that a kill did not end",
        r"^(?:[Cc]ontainer \S+|.*: )?(?:container kill failed because of 'container not found'"
        r"|failed to exit within \d+ ?s?\w* of kill - trying direct SIGKILL)",
        r"^Container failed to exit within \S+ of kill - trying direct SIGKILL",
    ),
    _of(
        "id_in_use",
        "A container that containerd has already",
        # One that it finds at a start and removes itself is none (seen on 20.10; later ones do so
        # without a word).
        r"^(?!Container not cleaned up from containerd from previous run).*"
        rf"(?:container with (?:given )?[iI][dD] (?:already )?exists|id already in use){_UNKNOWN}",
    ),
    _of("port_allocated", "A port that dockerd thinks is taken", r"port is already allocated$"),
    _of(
        "port_foreign",
        "A port that another program listens on",
        r"(?:bind|listen \w+ \S+): address already in use$",
        r"failed to bind host port .*: address already in use$",
    ),
    _of(
        "resolver",
        "A container without name resolution",
        r"^Resolver (?:Setup.)?(?:Start|[Ff]unction) failed for container (?P<whom>[0-9a-f]+)",
    ),
    _of(
        "resolver_rules",
        "A rule that leads a container to its name server and could not be written",
        # All that 20.10 says of it; later ones name the container, as above.
        r"^set up rule failed, \[-t nat -I DOCKER_(?:OUTPUT|POSTROUTING) ",
    ),
)


class ClientError(Struct, frozen=True):
    """What only a client is told: what it means, what helps and what does not."""

    name: str
    says: str
    remedy: str
    avoid: str
    pattern: re.Pattern[str]


CLIENT_ERRORS = (
    ClientError(
        "name-taken",
        "another container has that name, be it one that does not run",
        "`docker ps --all` shows it: rename or remove it. If it is not there, dockerd holds a name "
        "without a container: a restart in a quiet hour builds its names anew (moby #25416)",
        "deleting directories of a daemon that runs",
        re.compile(r"^Conflict\. The container name \S+ is already in use by container "),
    ),
    ClientError(
        "prune-running",
        "another prune runs, and dockerd takes one at a time; it has no deadline",
        "wait for it. After minutes: `dockerdoctor check` names a container that hangs; "
        "`dockerdoctor explain` reads from a dump what it waits for; a restart in a quiet hour "
        "ends it",
        "asking again and again, or beside it: every prune of that kind gets the same answer",
        re.compile(r"^a prune operation is already running$"),
    ),
    ClientError(
        "client-too-old",
        "the client is older than this daemon takes; the daemon is well, it has answered",
        "upgrade the client, or the library that it is built with (engine 29 takes no API below "
        "1.44); until then set DOCKER_MIN_API_VERSION for the daemon",
        "a restart of the daemon",
        re.compile(r"^client version \S+ is too old\. Minimum supported API version is "),
    ),
)
_CLIENT = re.compile(r"^(?:docker: |ERROR: |Error: )*(?:Error response from daemon: )?")


def client_error(said: str) -> ClientError | None:
    """What a client's error is known to mean; None when it is not known."""
    plain = spoken(said)
    return next((each for each in CLIENT_ERRORS if each.pattern.search(plain)), None)


def spoken(said: str) -> str:
    """What a daemon said, without what a client or a log put before it. Of several lines (`See
    'docker run --help'.`) that which quotes the daemon, or else the first."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    named = [line for line in lines if "Error response from daemon: " in line] or lines
    plain = _CLIENT.sub("", named[0], count=1) if named else ""
    return essence(plain) or plain


def essence(line: str) -> str:
    """What a line says, without its wrapping; empty when it is not serious.

    `time="…" level=error msg="Handler for POST … returned error: X" error=Y` says "X: Y", and one
    that names a container beside its message names it here too."""
    if not line.startswith("time="):
        return _DATED.sub("", line, count=1).strip()
    fields = {name: _unquoted(value) for name, value in reversed(_FIELD.findall(line))}
    said, pulls = _PULL.subn("", fields.get("msg", ""), count=1)
    if fields.get("level") not in SERIOUS and not pulls:
        return ""
    said = _HANDLER.sub("", said, count=1).strip()
    error = fields.get("error") or fields.get("err") or ""
    whose = f" {container[:SHORT]}" if (container := fields.get("container")) else ""
    return f"{said}{whose}: {error}" if said and error else said or error


def recognise(said: str) -> str:
    """The name of the signature that an essence has; empty when it is not known."""
    for signature in SIGNATURES:
        if signature.pattern.search(said):
            return signature.name
    return ""


def whom(said: str) -> str:
    """The id of the container that a recognised essence is about, where its signature tells it."""
    for signature in SIGNATURES:
        if found := signature.pattern.search(said):
            return found.groupdict().get("whom") or ""
    return ""


def is_last_word(line: str) -> bool:
    """Whether it is how a dockerd that cannot start says why: plainly, or as fatal."""
    if line.startswith("time="):
        return " level=fatal " in line[:80]
    return bool(line.strip()) and not _DATED.match(line) and not line.startswith("http: ")


def _unquoted(value: str) -> str:
    """Go's quoting, as far as it matters here."""
    if not value.startswith('"'):
        return value
    return _ESCAPED.sub(lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), value[1:-1])
