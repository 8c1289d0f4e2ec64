"""Who listens on a socket, asked without a connection."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from dockerdoctor.host import processes
from dockerdoctor.host.peers import Listening


def test_a_process_listens_until_it_closes_its_socket(tmp_path: Path) -> None:
    us = processes.identify(os.getpid())
    assert us is not None
    (tmp_path / "link").symlink_to(tmp_path)
    listening = Listening(tmp_path / "link" / "docker.sock")
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(str(tmp_path / "docker.sock"))
        assert not listening.held_by(us)  # bound is not listening
        ours.listen()
        assert listening.held_by(us)
    assert not listening.held_by(us)


def test_one_process_does_not_listen_for_another(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as ours, subprocess.Popen(["sleep", "1000"]) as other:
        ours.bind(str(path))
        ours.listen()
        known = processes.identify(other.pid)
        assert known is not None
        assert not Listening(path).held_by(known)
        other.kill()
