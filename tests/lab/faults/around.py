"""What is around the daemon and is no fault of its own: packages that are installed, a starved
host, an authorisation that refuses everything, a systemctl that does not come back.

In: a lab host. Out: context managers; it lasts inside the block and is undone at its end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.lab.faults.files import daemon_json
from tests.lab.host import LabHost

AROUND_TIMEOUT_S = 60.0
SYSTEMCTL = "/usr/local/sbin/systemctl"
PRESSURE = "/proc/pressure/cpu"
LOAD = "/proc/loadavg"
FIGURES = {PRESSURE: "/tmp/lab-pressure", LOAD: "/tmp/lab-load"}
SEEN_BY = "/run/systemd/system/dockerdoctor.service.d/lab-figures.conf"
PLUGIN = "/run/docker/plugins/lab.sock"
DPKG = """
import fcntl, time
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(86400)
"""
DEAF = """#!/bin/sh
read -r parent </proc/$PPID/comm
[ "$parent" = timeout ] && exec /usr/bin/systemctl "$@"
exec sleep 86400
"""
REFUSES = """
import http.server, json, os, socketserver, sys
os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)

class Refuses(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = self.path == "/Plugin.Activate"
        said = {"Implements": ["authz"]} if asked else {"Allow": False, "Msg": "not today"}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def address_string(self):
        return "dockerd"

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

Server(sys.argv[1], Refuses).serve_forever()
"""


@contextlib.contextmanager
def packages_installed(host: LabHost) -> Iterator[None]:
    """Hold dpkg's lock, as apt does while it upgrades."""
    apt = host.spawn("python3", "-c", DPKG)
    try:
        assert apt.stdout is not None
        apt.stdout.readline()
        yield
    finally:
        host.end(apt)


@contextlib.contextmanager
def starved(host: LabHost) -> Iterator[None]:
    """Let the kernel's figures say that nobody runs. The figures alone: the outer machine, whose
    figures they are, has other work to do. A service that starts meanwhile has mounts of its own
    (with systemd 252 a /proc of its own), and keeps these files: at the end they say that all is
    calm."""
    _tell(host, share=99.0, load=900.0)
    binds = " ".join(f"{file}:{over}" for over, file in FIGURES.items())
    host.put(SEEN_BY, f"[Service]\nBindReadOnlyPaths={binds}\n")
    host.systemctl("daemon-reload")
    for over, file in FIGURES.items():
        host.run("mount", "--bind", file, over)
    try:
        yield
    finally:
        _tell(host, share=0.0, load=0.1)
        host.run("rm", SEEN_BY)
        host.systemctl("daemon-reload")
        for over in FIGURES:
            host.run("umount", "--lazy", over)


def _tell(host: LabHost, share: float, load: float) -> None:
    """Write the figures, each into the file that there is."""
    host.put(FIGURES[PRESSURE], f"some avg10={share:.2f} avg60=0.00 avg300=0.00 total=1\n")
    host.put(FIGURES[LOAD], f"{load:.2f} 0.00 0.00 1/900 1\n")


@contextlib.contextmanager
def refusing(host: LabHost) -> Iterator[None]:
    """Restart dockerd with an authorisation plugin that answers every call with 403, pings too."""
    plugin = host.spawn("python3", "-c", REFUSES, PLUGIN)
    try:
        host.wait(lambda: _is_socket(host, PLUGIN), AROUND_TIMEOUT_S, "the plugin to listen")
        with daemon_json(host, '{"authorization-plugins": ["lab"]}\n'):
            yield
    finally:
        host.end(plugin)
        host.run("rm", "-f", PLUGIN)


@contextlib.contextmanager
def deaf_systemctl(host: LabHost) -> Iterator[None]:
    """Let systemctl hang for everybody but the lab itself (`timeout`), as when systemd is busy."""
    host.put(SYSTEMCTL, DEAF, 0o755)
    try:
        yield
    finally:
        host.run("rm", SYSTEMCTL)


def _is_socket(host: LabHost, path: str) -> bool:
    return host.run("test", "-S", path, check=False).returncode == 0
