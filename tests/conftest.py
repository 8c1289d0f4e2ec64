"""For all tests: hypothesis tries the same examples on every run, so that a red run is a change's;
HYPOTHESIS_PROFILE=explore looks for new ones. Where several workers run them (`-n`), all but the
lab's stay on one: many start a daemon of their own, and these share /etc/docker."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile("explore", settings.get_profile("steady"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.hookimpl(tryfirst=True)  # before xdist looks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("here"))
    items.sort(key=lambda item: item.get_closest_marker("lab") is not None)  # the lab comes last
