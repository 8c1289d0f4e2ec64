"""The watchdog's unit, as systemd itself reads it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.config import Config
from dockerdoctor.metrics import STALLED_S
from dockerdoctor.service import SURVEY, TIMER, UNIT, WATCHDOG_S, unit_text, units

PYTHON = Path("/usr/bin/python3")


def analyzed(tmp_path: Path, text: str, *arguments: str, name: str = UNIT) -> str:
    """What systemd-analyze says of this unit."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        why = "systemd-analyze is not here"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    path = tmp_path / name
    path.write_text(text.replace(str(PYTHON), "/bin/true"))
    done = subprocess.run(
        [analyze, *arguments, str(path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def without_systemd() -> Config:
    config = Config()
    return replace(config, daemon=replace(config.daemon, pidfile=Path("/run/docker.pid")))


@pytest.mark.parametrize("config", [Config(), without_systemd()])
def test_systemd_has_nothing_to_say_against_it(tmp_path: Path, config: Config) -> None:
    said = analyzed(tmp_path, unit_text(config, PYTHON), "verify", "--man=no")
    assert UNIT not in said


def test_systemd_has_nothing_to_say_against_the_daily_survey(tmp_path: Path) -> None:
    texts = units(Config(), PYTHON)
    (tmp_path / SURVEY).write_text(texts[SURVEY].replace(str(PYTHON), "/bin/true"))
    for name in (SURVEY, TIMER):
        said = analyzed(tmp_path, texts[name], "verify", "--man=no", name=name)
        assert "dockerdoctor" not in said
    assert f"{PYTHON} -I -m dockerdoctor disk show --json\n" in texts[SURVEY]
    named = units(Config(), PYTHON, Path("/etc/my.toml"))[SURVEY]
    assert "-m dockerdoctor --config /etc/my.toml disk show" in named


def test_what_it_does_not_need_is_taken_away(tmp_path: Path) -> None:
    said = analyzed(tmp_path, unit_text(Config(), PYTHON), "security", "--offline=yes")
    found = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= 3.5, said


def test_it_outlives_the_daemon_and_is_never_left_dead() -> None:
    lines = unit_text(Config(), PYTHON).splitlines()
    directives = [line for line in lines if not line.startswith("#")]
    assert not [line for line in directives if "docker.service" in line]
    for line in (
        "Type=notify",
        "NotifyAccess=main",
        "Restart=always",
        "RestartSec=5",
        "StartLimitIntervalSec=0",
        "RestartPreventExitStatus=78",
        "ExecStart=/usr/bin/python3 -I -m dockerdoctor.daemon",
        "StateDirectory=dockerdoctor",
        "RuntimeDirectory=dockerdoctor",
    ):
        assert line in directives
    assert WATCHDOG_S >= STALLED_S


def test_a_daemon_without_a_unit_is_not_put_into_our_sandbox() -> None:
    text = unit_text(without_systemd(), PYTHON)
    assert "KillMode=process" in text
    for word in ("MemoryMax", "CapabilityBoundingSet", "ProtectSystem=", "NoNewPrivileges"):
        assert word not in text


def test_names_that_systemd_would_read_otherwise_are_quoted() -> None:
    text = unit_text(Config(), Path("/opt/my python/bin/python"), Path('/etc/100%/$x"y\\z.toml'))
    command = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    assert command == (
        'ExecStart="/opt/my python/bin/python" -I -m dockerdoctor.daemon '
        '--config "/etc/100%%/$$x\\"y\\\\z.toml"'
    )


def test_directories_of_ones_own_are_left_to_whoever_chose_them() -> None:
    config = Config()
    watch = replace(config.watch, state_dir=Path("/srv/state"), run_dir=Path("/run/a/b"))
    text = unit_text(replace(config, watch=watch), PYTHON)
    assert "StateDirectory=" not in text
    assert "RuntimeDirectory=a/b" in text
