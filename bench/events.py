"""How many events are lost, and what following them costs: `python -m bench.events`.

A process of its own feeds recorded events of a real engine over a real socket, as dockerd does: a
buffer of 1,024, and what the subscriber has not taken within 100 ms is dropped. Each container of
the recording gets a new id with each round, so that the tally grows as on a busy host.
"""

from __future__ import annotations

import json
import os
import queue
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from dockerdoctor.host.address import Address
from dockerdoctor.host.events import EventWatch

RECORDING = Path(__file__).parent.parent / "tests" / "events" / "26.1.5.jsonl"
WANTED = {"create", "start", "die", "destroy", "connect", "disconnect"}
RATES = (100, 500, 1000, 2000, 4000, 8000)
SECONDS = 10.0
BUFFER = 1024
PATIENCE_S = 0.1
HEAD = b"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nTransfer-Encoding: chunked\r\n\r\n"
LISTS = (
    b"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 2\r\n\r\n[]",
    b'HTTP/1.1 404 Not Found\r\nContent-Length: 20\r\n\r\n{"message":"no such"}',
)


def feed(path: str, rate: float, seconds: float) -> None:
    """The daemon's side: prints how many events it had and how many it dropped."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        target = connection.recv(65536).split(b" ")[1]
        if target.startswith(b"/events"):
            threading.Thread(target=publish, args=(connection, rate, seconds)).start()
        else:
            connection.sendall(LISTS[not target.startswith(b"/containers/json")])
            connection.close()


def publish(connection: socket.socket, rate: float, seconds: float) -> None:
    """Events at a steady rate into a bounded buffer; one thread sends them."""
    connection.sendall(HEAD)
    buffer: queue.Queue[bytes] = queue.Queue(BUFFER)
    threading.Thread(target=send, args=(connection, buffer), daemon=True).start()
    lines = [line for line in RECORDING.read_bytes().splitlines() if _wanted(line)]
    began = time.monotonic()
    had = dropped = 0
    while had < rate * seconds:
        late = began + had / rate - time.monotonic()
        if late > 0:
            time.sleep(late)
        line = _renamed(lines[had % len(lines)], had // len(lines))
        had += 1
        try:
            buffer.put(b"%x\r\n%s\n\r\n" % (len(line) + 1, line), timeout=PATIENCE_S)
        except queue.Full:
            dropped += 1
    took = time.monotonic() - began
    print(json.dumps({"had": had, "dropped": dropped, "took_s": took}), flush=True)


def send(connection: socket.socket, buffer: queue.Queue[bytes]) -> None:
    """Takes from the buffer as fast as the subscriber reads."""
    while True:
        pieces = [buffer.get()]
        while not buffer.empty() and len(pieces) < 64:
            pieces.append(buffer.get_nowait())
        connection.sendall(b"".join(pieces))


def measure(rate: float, seconds: float) -> dict[str, float]:
    """One run: events that were there, that were dropped, that were not counted; CPU; RSS."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/d.sock"
        feeder = subprocess.Popen(
            [sys.executable, "-m", "bench.events", "feed", path, str(rate), str(seconds)],
            stdout=subprocess.PIPE,
        )
        assert feeder.stdout is not None
        feeder.stdout.readline()
        watch = EventWatch(Address("unix", path=path))
        before = time.process_time()
        watch.tally()
        told = json.loads(feeder.stdout.readline())
        deadline = time.monotonic() + 10
        while watch.tally().events_total < told["had"] and time.monotonic() < deadline:
            time.sleep(0.05)
        tally = watch.tally()
        spent = time.process_time() - before
        watch.stop()
        feeder.kill()
        feeder.wait()
    return {
        "asked": rate,
        "rate": told["had"] / told["took_s"],
        "had": told["had"],
        "dropped": told["dropped"],
        "lost": told["had"] - tally.events_total,
        "starts": tally.starts_total,
        "cpu": spent / told["took_s"],
        "rss_mb": _rss_bytes() / 1e6,
    }


def main() -> None:
    """Print a table of one run per rate."""
    print("events/s asked | fed | events | dropped by the buffer | lost | starts | core | RSS MB")
    for rate in RATES:
        row = measure(rate, SECONDS)
        print(
            f"{row['asked']:14.0f} | {row['rate']:.0f} | {row['had']:.0f} | {row['dropped']:.0f} | "
            f"{row['lost']:.0f} | {row['starts']:.0f} | {row['cpu']:.1%} | {row['rss_mb']:.1f}"
        )
    print(f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.1f} MB")


def _wanted(line: bytes) -> bool:
    return json.loads(line)["Action"] in WANTED


_ID = re.compile(rb'("(?:id|ID|container)":")[0-9a-f]{24}')
_NANO = re.compile(rb'"timeNano":[0-9]+')


def _renamed(line: bytes, round_: int) -> bytes:
    line = _ID.sub(rb"\g<1>%024x" % round_, line)
    return _NANO.sub(b'"timeNano":%d' % time.time_ns(), line)


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    if sys.argv[1:2] == ["feed"]:
        feed(sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
