"""Starts real programs of Prometheus on ports of 127.0.0.1 that nobody else has, and asks them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import urlencode

import psutil
import pytest

from tools import unpack

PATIENCE_S = 120.0
"""For anything a loaded machine may take its time with."""

Address = tuple[str, int]
T = TypeVar("T")


def program(name: str) -> str:
    """Where it is: on PATH, or unpacked by `make`. Without it the test is skipped, or fails with
    CI=true."""
    home = unpack.cache()
    unpacked = [f"{home / tool / 'bin'}" for tool in ("prometheus", "alertmanager")]
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *unpacked]))
    if found is None:
        _skip(f"{name} is not here: tools/unpack.py gets it, on Debian or Ubuntu")
    return found


def _skip(why: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def promtool(*words: str | Path, text: str | None = None) -> str:
    """What promtool says; it must have nothing against it."""
    done = subprocess.run(
        [program("promtool"), *words], input=text, capture_output=True, text=True, timeout=300
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@contextmanager
def running(argv: Sequence[str | Path], log: Path) -> Iterator[Address]:
    """A program that serves HTTP on a port of its own choice, until it is ready and then until the
    block ends."""
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        address = wait_for(lambda: _address(process, log), f"{argv[0]} listens")
        wait_for(lambda: get(address, "/-/ready")[0] == 200, f"{argv[0]} is ready")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE_S)


def _address(process: subprocess.Popen[bytes], log: Path) -> Address | None:
    assert process.poll() is None, log.read_text()
    return listener(process.pid)


def listener(pid: int) -> Address | None:
    """Where the process listens."""
    for connection in psutil.Process(pid).net_connections("tcp4"):
        if connection.status == psutil.CONN_LISTEN:
            return "127.0.0.1", connection.laddr.port
    return None


def wait_for(condition: Callable[[], T | None], what: str, step_s: float = 0.1) -> T:
    """The condition's first result that counts; the test fails when none comes."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(step_s)


def get(address: Address, path: str, **query: str) -> tuple[int, str]:
    """Status and body; status 0 when nobody answers."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        connection.request("GET", f"{path}?{urlencode(query)}" if query else path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except ConnectionError:
        return 0, ""
    finally:
        connection.close()


def ask(prometheus: Address, expression: str, at: float) -> list[Mapping[str, str]]:
    """The labels of what an expression finds at that time, with the value as `value`; NaN counts as
    nothing. The test fails when it is no expression."""
    status, body = get(prometheus, "/api/v1/query", query=expression, time=f"{at:.3f}")
    answer = json.loads(body)
    assert status == 200, f"{expression}: {answer.get('error')}"
    data = answer["data"]
    assert data["resultType"] == "vector", expression
    return [
        {**each["metric"], "value": each["value"][1]}
        for each in data["result"]
        if each["value"][1] != "NaN"
    ]


@contextmanager
def prometheus(directory: Path, config: str) -> Iterator[Address]:
    """A Prometheus with this configuration and no data."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "prometheus.yml"
    path.write_text(config)
    argv = [
        program("prometheus"),
        f"--config.file={path}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--log.level=warn",
        "--enable-feature=exemplar-storage",
    ]
    with running(argv, directory / "prometheus.log") as address:
        yield address


@contextmanager
def alertmanager(directory: Path, config: str) -> Iterator[Address]:
    """An Alertmanager with this configuration, alone."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "alertmanager.yml"
    path.write_text(config)
    argv = [
        *_alertmanager(),
        f"--config.file={path}",
        f"--storage.path={directory / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]
    with running(argv, directory / "alertmanager.log") as address:
        yield address


def _alertmanager() -> list[str]:
    """Debian's reads its template from /usr/share: the unpacked one sees its own there, in a mount
    namespace that ends with it."""
    found = Path(program("prometheus-alertmanager"))
    share = found.parents[1] / "root/usr/share"
    if not share.exists():  # it is installed
        return [str(found)]
    apart = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    return [*apart, "sh", "-c", 'mount --bind "$0" /usr/share && exec "$@"', str(share), str(found)]
