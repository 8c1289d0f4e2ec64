"""Who listens on a socket and who is connected to it, asked without a connection."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dockerdoctor.host import processes
from dockerdoctor.host.clients import connected_to
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


CLIENT = """
import socket, sys
ours = [socket.socket(socket.AF_UNIX) for _ in range(int(sys.argv[2]))]
for one in ours:
    one.connect(sys.argv[1])
print("there", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("own_network", [False, True])
def test_a_client_is_named_with_its_connections_also_from_a_container(
    tmp_path: Path, own_network: bool
) -> None:
    if own_network and os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    path = tmp_path / "docker.sock"
    command = [sys.executable, "-c", CLIENT, str(path), "30"]
    with socket.socket(socket.AF_UNIX) as ours, socket.socket(socket.AF_UNIX) as another:
        ours.bind(str(path))
        ours.listen(100)
        another.connect(str(path))
        with subprocess.Popen(
            ["unshare", "--net", *command] if own_network else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as client:
            assert client.stdout
            assert client.stdout.readline() == b"there\n"
            taken = [ours.accept()[0] for _ in range(31)]
            found = {each.process.pid: each.connections for each in connected_to(path)}
            client.communicate()
    for each in taken:
        each.close()
    assert found == {client.pid: 30, os.getpid(): 1}


def test_a_socket_without_clients_has_none(tmp_path: Path) -> None:
    assert connected_to(tmp_path / "docker.sock") == ()
