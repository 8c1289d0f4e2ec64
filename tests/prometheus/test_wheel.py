"""The wheel brings the alerts and the dashboards along, also when it is made from the archive."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.prometheus.shipped import ROOT

BUILD = "import sys, hatchling.build as h; print(getattr(h, f'build_{sys.argv[1]}')(sys.argv[2]))"


def build(kind: str, source: Path, into: Path) -> Path:
    """What hatchling makes of `source`: sdist, wheel or editable."""
    into.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(into)],
        cwd=source,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return into / done.stdout.splitlines()[-1]


def brought(wheel: Path) -> dict[str, bytes]:
    """The files of rules and grafana in a wheel."""
    with zipfile.ZipFile(wheel) as files:
        return {
            name.removeprefix("dockerdoctor/shipped/"): files.read(name)
            for name in files.namelist()
            if name.startswith(("dockerdoctor/shipped/rules/", "dockerdoctor/shipped/grafana/"))
        }


def wanted() -> dict[str, bytes]:
    return {
        str(path.relative_to(ROOT)): path.read_bytes()
        for directory in ("rules", "grafana")
        for path in (ROOT / directory).rglob("*")
        if path.is_file()
    }


def test_a_wheel_made_from_the_archive_has_them_all(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    archive = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(archive) as files:
        files.extractall(tmp_path / "source")  # our own; Debian 12's Python knows no filters
    (source,) = (tmp_path / "source").iterdir()
    assert brought(build("wheel", source, tmp_path / "wheel")) == wanted()


def test_an_editable_install_can_be_made(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    pytest.importorskip("editables")
    assert build("editable", ROOT, tmp_path / "editable").exists()
