"""One look by all probes at once."""

from __future__ import annotations

import threading
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.glance import glance
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Readings
from tests.looks import settled
from tests.values import PROBES

PATIENCE_S = 60.0


def test_who_names_containers_looks_again_once_the_others_have_asked_them(
    tmp_path: Path,
) -> None:
    looked, asked = threading.Event(), threading.Event()

    def journal(_: HostView) -> Readings:
        names = int(asked.is_set())
        looked.set()
        return {"known": True, "resolver": 1, "nameless": names}

    def locks(_: HostView) -> Readings:
        assert looked.wait(PATIENCE_S)
        asked.set()
        return {"waiting": 0}

    probes = [
        PROBES["ping"],
        replace(PROBES["journal"], run=journal),
        replace(PROBES["locks"], run=locks),
    ]
    assert glance(probes, settled(tmp_path))["journal"].readings["nameless"] == 1
