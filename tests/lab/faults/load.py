"""Faults of load: event clients that do not read, storms of short containers, many containers.

In: a lab host. Out: context managers; the load lasts inside the block.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab.faults.files import unit_setting
from tests.lab.host import IMAGE, LabHost

LOAD_TIMEOUT_S = 180.0
CLIENTS = """
import resource, socket, sys, time
count = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 64, count + 64))
clients = []
for _ in range(count):
    client = socket.socket(socket.AF_UNIX)
    client.connect("/run/docker.sock")
    client.sendall(b"GET /events HTTP/1.1\\r\\nHost: docker\\r\\n\\r\\n")
    clients.append(client)
time.sleep(86400)
"""
BUILD = """
import io, socket, sys, tarfile
version, text = sys.argv[1], sys.argv[2].encode()
context = io.BytesIO()
with tarfile.open(fileobj=context, mode="w") as tar:
    info = tarfile.TarInfo("Dockerfile")
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text))
link = socket.socket(socket.AF_UNIX)
link.connect("/run/docker.sock")
body = context.getvalue()
head = f"POST /build?version={version}&nocache=1&networkmode=none HTTP/1.1"
kind = f"Host: docker\\r\\nContent-Type: application/x-tar\\r\\nContent-Length: {len(body)}"
link.sendall(f"{head}\\r\\n{kind}\\r\\n\\r\\n".encode() + body)
said = b""
while not said.endswith(b"\\r\\n0\\r\\n\\r\\n") and (more := link.recv(65536)):
    said += more
sys.stdout.write(said.decode("utf-8", "replace"))
"""
"""Build a Dockerfile, by the classic builder (1) or BuildKit (2): the docker CLI of 26 and later
has no BuildKit without a plugin, the API has. Without `Connection: close`: a daemon that was told
so does not notice that its client has left, and builds on."""
STORM = "while :; do docker run --rm {image} true; done >/dev/null 2>&1"


@contextlib.contextmanager
def event_clients(host: LabHost, count: int = 1000) -> Iterator[None]:
    """Open `count` event streams and read none: listeners, goroutines and RSS of dockerd grow."""
    clients = host.spawn("python3", "-c", CLIENTS, str(count))
    try:
        enough = lambda: event_listeners(host) >= count  # noqa: E731
        host.wait(enough, LOAD_TIMEOUT_S, f"{count} event clients")
        yield
    finally:
        host.end(clients)


def event_listeners(host: LabHost) -> int:
    """Return how many event streams dockerd says it serves."""
    told = host.docker("info", "--format", "{{.NEventsListener}}", check=False)
    return int(told.stdout or 0) if told.returncode == 0 else 0


@contextlib.contextmanager
def few_files(host: LabHost, limit: int = 256) -> Iterator[None]:
    """Restart dockerd so that it may open few files, and let clients take them all."""
    with unit_setting(host, f"LimitNOFILE={limit}"):
        clients = host.spawn("python3", "-c", CLIENTS, str(limit + 64))
        try:
            full = lambda: open_files(host) >= limit  # noqa: E731
            host.wait(full, LOAD_TIMEOUT_S, "its files to be used up")
            yield
        finally:
            host.end(clients)


def open_files(host: LabHost) -> int:
    """Return how many files dockerd has open."""
    return len(list(Path(f"/proc/{host.main_pid()}/fd").iterdir()))


@contextlib.contextmanager
def event_storm(host: LabHost, workers: int = 2) -> Iterator[None]:
    """Run and remove containers without end; one cycle emits some seven events."""
    host.import_busybox()
    loops = [host.spawn("sh", "-c", STORM.format(image=IMAGE)) for _ in range(workers)]
    try:
        yield
    finally:
        for loop in loops:
            host.end(loop)


@contextlib.contextmanager
def many_containers(host: LabHost, count: int = 200) -> Iterator[None]:
    """Create containers that are never started: they slow the next start of dockerd."""
    host.import_busybox()
    create = f"for i in $(seq {count}); do docker create --name lab-$i {IMAGE} true; done"
    remove = f"docker rm --force $(seq --format lab-%g {count})"
    host.run("sh", "-ec", create, timeout=count * 2 + 60)
    try:
        yield
    finally:
        host.run("sh", "-c", remove, timeout=count * 2 + 60, check=False)
