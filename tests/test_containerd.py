"""One gRPC call by hand, against servers that lie. A real containerd is asked in the contract."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockerdoctor import compose
from dockerdoctor.config import Config, DaemonConfig, WatchConfig
from dockerdoctor.errors import HostFault
from dockerdoctor.host import containerd
from dockerdoctor.host.containerd import frame
from dockerdoctor.model import Fault
from tests.values import PROBES

SETTINGS = frame(4, 0, 0, b"")
ANSWER = frame(0, 0, 1, b"\0\0\0\0\x07\x0a\x051.6.2")


@contextlib.contextmanager
def server(path: Path, talk: Callable[[socket.socket], None]) -> Iterator[Path]:
    """Serves one client."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                link, _ = listener.accept()
                with link:
                    talk(link)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(60)


def fault(path: Path, timeout_s: float) -> Fault | None:
    try:
        containerd.answers(path, timeout_s)
    except HostFault as error:
        return error.fault
    return None


def saying(*parts: bytes) -> Callable[[socket.socket], None]:
    def talk(link: socket.socket) -> None:
        link.recv(65536)
        for part in parts:
            link.sendall(part)
        silent(link)

    return talk


def silent(link: socket.socket) -> None:
    """Listens until the client goes."""
    while link.recv(65536):
        pass


def test_an_answer_after_settings_and_pings_is_an_answer(tmp_path: Path) -> None:
    talk = saying(SETTINGS, frame(6, 0, 0, b"12345678"), frame(1, 4, 1, b"\x88"), ANSWER)
    with server(tmp_path / "s", talk) as path:
        assert 0 < containerd.answers(path, 60) < 60


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((b"HTTP/1.1 400 Bad Request\r\n\r\nnonsense",), Fault.GARBLED),
        ((b"\xff" * 100,), Fault.GARBLED),
        ((SETTINGS, frame(1, 5, 1, b"\x88")), Fault.REFUSED),
        ((SETTINGS, frame(3, 0, 1, b"\0\0\0\x02")), Fault.REFUSED),
        ((SETTINGS, frame(7, 0, 0, b"\0" * 8)), Fault.REFUSED),
    ],
)
def test_other_answers_are_no_answer(
    tmp_path: Path, parts: tuple[bytes, ...], expected: Fault
) -> None:
    with server(tmp_path / "s", saying(*parts)) as path:
        assert fault(path, 60) is expected


def test_a_server_that_hangs_up_refuses(tmp_path: Path) -> None:
    with server(tmp_path / "s", lambda link: link.close()) as path:
        assert fault(path, 60) is Fault.REFUSED


def test_silence_is_a_timeout(tmp_path: Path) -> None:
    with server(tmp_path / "s", silent) as path:
        assert fault(path, 0.2) is Fault.TIMEOUT


def test_a_drip_does_not_stretch_the_deadline(tmp_path: Path) -> None:
    gone = threading.Event()

    def drip(link: socket.socket) -> None:
        for byte in SETTINGS * 1000:
            if gone.wait(0.05):
                return
            link.sendall(bytes((byte,)))

    with server(tmp_path / "s", drip) as path:
        began = time.monotonic()
        assert fault(path, 0.5) is Fault.TIMEOUT
        assert time.monotonic() - began < 30
        gone.set()


def test_no_socket_is_missing_and_no_listener_refuses(tmp_path: Path) -> None:
    assert fault(tmp_path / "none", 60) is Fault.MISSING
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / "dead"))
    assert fault(tmp_path / "dead", 60) is Fault.REFUSED


def test_the_socket_of_the_configuration_is_asked_and_one_that_nobody_knows_is_not_silent(
    tmp_path: Path,
) -> None:
    """A dockerd with a containerd of its own, whose command line no unit tells."""
    path = tmp_path / "c.sock"
    daemon = DaemonConfig(
        host=f"unix://{tmp_path}/d.sock",
        unit="dockerdoctor-no-such-unit.service",
        containerd_unit="",
        containerd_socket=path,
    )
    host = compose.host(Config(daemon=daemon, watch=WatchConfig(state_dir=tmp_path)))
    with server(path, saying(SETTINGS, ANSWER)):
        assert PROBES["containerd"].run(host)["answered"] is True
    assert PROBES["containerd"].run(host)["why"] == "refused"
    path.unlink()
    with pytest.raises(HostFault, match="cannot ask containerd at"):
        PROBES["containerd"].run(host)
