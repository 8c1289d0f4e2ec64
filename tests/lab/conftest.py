"""Fixtures of the lab: hosts per suite, shared by a module or fresh, always taken away.

DOCKERDOCTOR_LAB_SUITES names the suites (default `bookworm trixie`; `all` for every one). Where
the lab cannot run its tests are skipped with the reason; with CI=true that is a failure.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.lab import leftovers, showing, sources, tree
from tests.lab.host import LabHost
from tests.lab.watchdog import Watchdog

NAMED = "DOCKERDOCTOR_LAB_SUITES"
BOOK = showing.Book()
UNITS = ("docker.service", "containerd.service", "dockerdoctor.service")


def suites() -> list[str]:
    """Return the suites to test on, as DOCKERDOCTOR_LAB_SUITES names them."""
    named = os.environ.get(NAMED, "bookworm trixie").split()
    if unknown := set(named) - {"all", *tree.SUITES}:
        raise pytest.UsageError(f"{NAMED}: no such suite: {sorted(unknown)}")
    return list(tree.SUITES) if "all" in named else named


@pytest.hookimpl(tryfirst=True)  # before any is deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    BOOK.collected(items)
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.xdist_group(_hosts_name(item)))
        if NAMED not in os.environ and item.get_closest_marker("thorough"):
            item.add_marker(pytest.mark.skip(f"takes long: run where {NAMED} is set"))


def _hosts_name(item: pytest.Item) -> str:
    """The tests that share a host stay together, where several workers run them."""
    suite = item.callspec.params.get("suite", "") if hasattr(item, "callspec") else ""
    return f"{item.path.stem} {suite}".strip()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    BOOK.saw(item, report)
    if report.failed:
        for host in _hosts(item):
            report.sections.append((f"{host.name}", _last_words(host)))
    return report


def pytest_sessionfinish() -> None:
    if path := showing.wanted():
        BOOK.write(path, showing.engine)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured (`record_property`), for people to read."""
    told = [
        f"{report.nodeid.rpartition('[')[2].partition(']')[0]:10} {name} {value}"
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
    ]
    if told:
        terminalreporter.section("measured in the lab")
        terminalreporter.write_line("\n".join(told))


def _hosts(item: pytest.Item) -> list[LabHost]:
    used = getattr(item, "funcargs", {}).values()
    booted = [host for value in used if isinstance(value, Booted) for host in value.hosts]
    found = [value for value in used if isinstance(value, LabHost)]
    found += [value.host for value in used if isinstance(value, Watchdog)]
    return list({host.name: host for host in [*found, *booted]}.values())


def _last_words(host: LabHost) -> str:
    words = host.console().splitlines()
    with contextlib.suppress(Exception):
        for unit in UNITS:
            words += [f"--- {unit}", *host.journal(unit, lines=25).splitlines()]
    return "\n".join(line[:300] for line in words)


@pytest.fixture(scope="session")
def lab() -> None:
    """Build what is missing; skip, with the reason, where the lab cannot run (CI: fail)."""
    try:
        sources.require()
        leftovers.cgroup_root()
        for name in suites():
            tree.tree(name)
    except (sources.LabUnavailableError, leftovers.LabError) as why:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the lab must run here: {why}")
        pytest.skip(str(why))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that says ON_ONE_SUITE asks about what no engine changes: unless suites are named,
    it is run on the newest of the default ones alone."""
    if "suite" not in metafunc.fixturenames:
        return
    names = suites()
    if getattr(metafunc.module, "ON_ONE_SUITE", False) and NAMED not in os.environ:
        names = names[-1:]
    metafunc.parametrize("suite", names, scope="module", indirect=True)


@pytest.fixture(scope="module")
def suite(request: pytest.FixtureRequest) -> str:
    """The Debian suite under test."""
    return str(request.param)


@pytest.fixture(scope="module")
def shared_host(lab: None, suite: str) -> Iterator[LabHost]:
    """One host for all tests of a module; take `host` instead, which has been made well again."""
    with LabHost(suite) as booted:
        yield booted


@pytest.fixture(scope="module")
def shared_watchdog(lab: None, suite: str) -> Iterator[Watchdog]:
    """A host with dockerdoctor as a service; take `watchdog` instead, which runs and is well."""
    with LabHost(suite, product=True) as booted:
        yield Watchdog(booted)


@pytest.fixture
def watchdog(shared_watchdog: Watchdog) -> Watchdog:
    """dockerdoctor.service with a short cool-down and an empty record, on a host that is well."""
    shared_watchdog.stop()
    _made_well(shared_watchdog.host)
    shared_watchdog.begin()
    return shared_watchdog


@pytest.fixture
def host(shared_host: LabHost) -> LabHost:
    """The module's host, with a dockerd that serves; containers of earlier tests are gone."""
    _made_well(shared_host)
    return shared_host


def _made_well(host: LabHost) -> None:
    host.settle()
    host.wait(lambda: _emptied(host), 180, "the containers of other tests to go")


def _emptied(host: LabHost) -> bool:
    left = host.docker("ps", "--all", "--quiet").stdout.split()
    if left:
        # One that is being removed already refuses; it is gone the next time we look.
        host.docker("rm", "--force", *left, check=False, timeout=120)
    return not left


class Booted:
    """Boots hosts for one test, by the options of LabHost, and stops them at its end."""

    def __init__(self, suite: str, at_end: contextlib.ExitStack) -> None:
        self.suite = suite
        self.hosts: list[LabHost] = []
        self._at_end = at_end

    def __call__(
        self,
        *,
        product: bool = False,
        data_root_mb: int | None = None,
        inodes: int | None = None,
        files: dict[str, str] | None = None,
    ) -> LabHost:
        """Boot a host; see LabHost."""
        host = LabHost(
            self.suite, product=product, data_root_mb=data_root_mb, inodes=inodes, files=files
        )
        self._at_end.callback(host.stop)
        self.hosts.append(host)
        return host


@pytest.fixture
def boot(lab: None, suite: str) -> Iterator[Booted]:
    """Boots a host of the suite, for this test alone: `boot(product=True, data_root_mb=300)`."""
    with contextlib.ExitStack() as at_end:
        yield Booted(suite, at_end)
