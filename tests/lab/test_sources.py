"""The mirror is read from apt's own sources, in both of their forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.sources import LabUnavailableError, mirror

SECURITY_FIRST = """\
Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

# the main archive
Types: deb deb-src
URIs: http://main.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
SWITCHED_OFF = """\
Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://comment.example/debian bookworm main
deb cdrom:[Debian]/ bookworm main
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/key] http://vendor.example/apt bookworm stable
deb [ arch=amd64 ] http://lines.example/debian bookworm main non-free-firmware
"""


def apt(tmp_path: Path, **files: str) -> Path:
    """Make an /etc/apt with these files in sources.list.d (name_ending → name.ending)."""
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        (tmp_path / "sources.list.d" / name.replace("_", ".")).write_text(text)
    return tmp_path


def test_the_suites_own_stanza_is_taken_and_not_the_security_archive(tmp_path: Path) -> None:
    home = apt(tmp_path, debian_sources=SECURITY_FIRST)
    assert mirror(home, "bookworm") == "http://main.example/debian"


def test_one_line_sources_may_have_options_and_be_commented_out(tmp_path: Path) -> None:
    assert mirror(apt(tmp_path, old_list=ONE_LINE), "bookworm") == "http://lines.example/debian"


def test_the_old_sources_list_counts_too(tmp_path: Path) -> None:
    home = apt(tmp_path)
    (home / "sources.list").write_text("deb http://list.example/debian trixie main\n")
    assert mirror(home, "trixie") == "http://list.example/debian"


def test_a_source_that_is_switched_off_is_none(tmp_path: Path) -> None:
    with pytest.raises(LabUnavailableError, match="no mirror for bookworm"):
        mirror(apt(tmp_path, off_sources=SWITCHED_OFF), "bookworm")


def test_no_sources_at_all_say_so(tmp_path: Path) -> None:
    with pytest.raises(LabUnavailableError, match="no mirror"):
        mirror(tmp_path, "sid")
