"""A bare daemon of the tests goes with the run that made it, also where that was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.baredaemon import NOTES, PATIENCE_S, BareDaemon, cgroups_of, require_engine, sweep
from tests.lab.leftovers import proc
from tests.lab.leftovers import started as alive
from tests.sockets import eventually
from tests.test_real_engine import IMAGE, answers, client, image

STARTS = """
import sys, time
from pathlib import Path
from tests.baredaemon import BareDaemon
BareDaemon(Path(sys.argv[1])).start()
time.sleep(100000)
"""


def test_a_killed_run_leaves_nothing_once_it_is_swept(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    require_engine()
    archive = image()
    daemon = BareDaemon(tmp_path_factory.mktemp("k", numbered=True))
    with subprocess.Popen([sys.executable, "-c", STARTS, str(daemon.directory)]) as run:
        try:
            eventually(lambda: answers(daemon), PATIENCE_S)
            ident = started(daemon, archive)
            assert str(daemon.directory) not in sweep()
            assert answers(daemon)
            assert left_of(daemon, ident) == {"processes", "mounts", "cgroups", "files", "a note"}
        finally:
            run.kill()
    sweep()
    eventually(lambda: not left_of(daemon, ident))  # another run may have swept it


def started(daemon: BareDaemon, archive: bytes) -> str:
    """A container that nobody ends, and that its daemon starts again."""
    api = client(daemon)
    api.import_image_from_data(archive, repository=IMAGE)
    host = api.create_host_config(network_mode="none", restart_policy={"Name": "always"})
    ident = str(api.create_container(IMAGE, ["sleep", "100000"], host_config=host)["Id"])
    api.start(ident)
    return ident


def left_of(daemon: BareDaemon, ident: str) -> set[str]:
    mark = str(daemon.directory)
    there = {
        "processes": any(mark in words for _, words in proc("cmdline"))
        or any(ident in groups for pid, groups in proc("cgroup") if alive(pid)),
        "mounts": f"{mark}/" in Path("/proc/self/mountinfo").read_text(),
        "cgroups": bool(cgroups_of([ident])),
        "files": daemon.directory.exists(),
        "a note": daemon.directory in [each.readlink() for each in NOTES.glob("*-*-*")],
    }
    return {what for what, left in there.items() if left}
