"""The house rules that a machine can check, read from the source itself."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PACKAGE = CHECKOUT / "dockerdoctor"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("model", "errors", "units", "configkeys", "signatures", "stack*", "mask"),
    ("host",),
    ("declare", "judge", "account", "allowed", "regret", "reclaim", "loglook", "leftovers"),
    ("rules", "holds", "ladder", "probes", "rungs", "checks", "store*", "record"),
    ("config", "pausing", "memory", "imageuse", "episodes", "aftermath", "recover", "sayings"),
    ("collect", "around", "eaten", "watch", "whereabouts"),
    ("compose", "glance", "examination", "together", "bundle", "metric*", "demo*", "service"),
    ("canary",),
    ("daemon", "cli", "__main__"),
)
"""Arrows point upwards in this list, or stay within a line. A new module gets its place here."""

ONLY_IN_HOST = {"subprocess", "socket", "signal", "time", "docker", "ctypes"}
NEVER_IN_THE_WATCHDOG = ("typer", "click", "rich", "pygments", "pydantic", "aiohttp", "httpx")
MAX_LINES = 300
MAX_FUNCTION = 40
PATIENCE_S = 300.0

SECRETS = (
    ("deb.", "debian.org"),
    ("security.", "debian.org"),
    ("snapshot.", "debian.org"),
    ("archive.", "ubuntu.com"),
    ("pypi", ".org"),
    ("python", "hosted.org"),
    ("npmjs", ".org"),
    ("proxy.", "golang.org"),
    ("/work/", "main"),
    ("/work/", "wt"),
    ("/work/", "notes"),
    ("/work/", "shared"),
)
"""Hosts of registries and paths of one machine, in two parts so that this file has none of them."""


@cache
def sources() -> Mapping[str, ast.Module]:
    """The package's modules by dotted name, parsed."""
    return {
        ".".join(path.relative_to(CHECKOUT).with_suffix("").parts): ast.parse(path.read_text())
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def package_of(name: str) -> str:
    """A module's name without `.__init__`."""
    return name.removesuffix(".__init__")


def imported(name: str, tree: ast.Module) -> Iterator[str]:
    """Every module that is imported anywhere in this one, also in functions."""
    known = {package_of(each) for each in sources()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else str(node.module)


def ours(name: str, tree: ast.Module) -> set[str]:
    """What it imports of our own, but itself."""
    return {each for each in imported(name, tree) if each.split(".")[0] == "dockerdoctor"} - {
        package_of(name)
    }


def layer(module: str) -> int:
    """Its line in LAYERS; the package itself is below all."""
    words = module.split(".")
    if len(words) == 1:
        return -1
    for number, names in enumerate(LAYERS):
        if any(fnmatch(words[1], name) for name in names):
            return number
    raise AssertionError(f"{module} has no place in LAYERS")


def run_python(code: str, cwd: Path, **environment: str) -> str:
    """stdout of a fresh interpreter, this one's kind."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": "", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_arrows_point_one_way() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, tree in sources().items()
        for other in ours(name, tree)
        if layer(other) > layer(package_of(name))
    ]
    assert not wrong


def test_no_module_needs_itself() -> None:
    graph = {package_of(name): ours(name, tree) for name, tree in sources().items()}
    # A package that is imported for the sake of a module in it is no arrow back.
    graph = {
        name: {other for other in others if not name.startswith(f"{other}.")}
        for name, others in graph.items()
    }
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1]))


def test_a_newcomer_finds_every_module_in_the_table() -> None:
    text = (CHECKOUT / "CONTRIBUTING.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    told = [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
    files = [*PACKAGE.glob("[!_]*.py"), *(path.parent for path in PACKAGE.glob("*/__init__.py"))]
    names = [path.name if path.suffix else f"{path.name}/" for path in files]
    assert not [name for name in names if not any(fnmatch(name, each) for each in told)]


def test_only_host_touches_the_machine() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, tree in sources().items()
        if not name.startswith("dockerdoctor.host.")
        for other in imported(name, tree)
        if other.split(".")[0] in ONLY_IN_HOST
    ]
    assert not wrong


def test_values_are_structs() -> None:
    """A dataclass takes half a millisecond to make, and mypy does not see that `replace` of
    dataclasses refuses a Struct."""
    modules = sources().items()
    wrong = [name for name, tree in modules if "dataclasses" in set(imported(name, tree))]
    assert not wrong


def test_only_the_build_cache_is_ever_pruned() -> None:
    """A prune of volumes takes named ones below API 1.42, one of containers counts their age from
    their creation, one of images takes what is wanted: all else is removed thing by thing."""
    called = {
        node.attr
        for tree in sources().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("prune_")
    }
    assert called == {"prune_builds"}
    assert not [path for path in PACKAGE.rglob("*.py") if "volumes/prune" in path.read_text()]


@pytest.mark.parametrize("name", sources())
def test_every_module_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(sources()[name])


@pytest.mark.parametrize("name", sources())
def test_modules_stay_short(name: str) -> None:
    path = CHECKOUT.joinpath(*name.split(".")).with_suffix(".py")
    assert len(path.read_text().splitlines()) < MAX_LINES


@pytest.mark.parametrize("name", sources())
def test_functions_stay_short(name: str) -> None:
    """Their signatures and docstrings are not counted: those of commands are their help."""
    functions = [each for each in ast.walk(sources()[name]) if isinstance(each, ast.FunctionDef)]
    bodies = [each.body[bool(ast.get_docstring(each)) :] for each in functions]
    lengths = [(body[-1].end_lineno or 0) - body[0].lineno + 1 for body in bodies if body]
    assert max(lengths, default=0) <= MAX_FUNCTION


def test_the_watchdog_loads_nothing_of_the_command_line() -> None:
    loaded = run_python(
        "import sys\n"
        "from dockerdoctor import compose, daemon\n"
        "from dockerdoctor.config import Config\n"
        "compose.knowledge(Config(rules_dirs=()))\n"
        "print(*sys.modules)",
        CHECKOUT,
    ).split()
    assert "dockerdoctor.probes.ping" in loaded
    assert not [name for name in loaded if name.split(".")[0] in NEVER_IN_THE_WATCHDOG]


def test_help_loads_nothing_of_the_engine() -> None:
    loaded = run_python(
        "import sys, contextlib, io\n"
        "from dockerdoctor.cli.main import run\n"
        "with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):\n"
        "    run(['--help'])\n"
        "print(*sys.modules)",
        CHECKOUT,
    ).split()
    heavy = ("docker", "prometheus_client", "pydantic", "rich", "tenacity")
    assert not [name for name in loaded if name.split(".")[0] in heavy]


def test_no_registry_and_no_path_of_one_machine_is_named() -> None:
    wrong = [
        f"{path.relative_to(CHECKOUT)} names {host}{rest}"
        for path in tracked()
        for host, rest in SECRETS
        if (host + rest).encode() in path.read_bytes()
    ]
    assert not wrong


def tracked() -> list[Path]:
    """The repository's files; in an unpacked archive all files there are."""
    told = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    names = told.stdout.split("\0") if told.returncode == 0 else []
    paths = [CHECKOUT / name for name in names if name] or list(PACKAGE.rglob("*.py"))
    return [path for path in paths if path.is_file() and not path.is_symlink()]


RULES = "from dockerdoctor.rules import shipped_rules; print(shipped_rules())"


def assert_all_rules(told: str) -> None:
    """The directory that was told holds the same rule files as the checkout's."""
    there = {path.name for path in Path(told).glob("*.toml")}
    assert there == {path.name for path in (CHECKOUT / "rules").glob("*.toml")}
    assert there


def built(kind: str, into: Path) -> Path:
    """A wheel of the checkout, unpacked: `wheel` or `editable`."""
    told = run_python(
        f"import hatchling.build; print(hatchling.build.build_{kind}({str(into)!r}))", CHECKOUT
    )
    unpacked = into / "unpacked"
    with zipfile.ZipFile(into / told.splitlines()[-1]) as wheel:
        wheel.extractall(unpacked)
    return unpacked


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="there is one worker")
def test_tests_that_start_a_daemon_here_share_a_worker(request: pytest.FixtureRequest) -> None:
    """Else two daemons write one /etc/docker; a pytest that xdist does not know ignores groups."""
    assert request.node.nodeid.endswith("@here")


def test_the_rules_are_found_from_a_checkout() -> None:
    told = run_python(RULES, CHECKOUT)
    assert_all_rules(told)
    assert Path(told) == CHECKOUT / "rules"


def test_a_wheel_installs_completions_and_the_man_page_where_shells_and_man_look(
    tmp_path: Path,
) -> None:
    (share,) = built("wheel", tmp_path).glob("*.data/data/share")
    installed = {str(path.relative_to(share)) for path in share.rglob("*") if path.is_file()}
    assert installed == {
        "bash-completion/completions/dockerdoctor",
        "zsh/site-functions/_dockerdoctor",
        "fish/vendor_completions.d/dockerdoctor.fish",
        "man/man1/dockerdoctor.1",
    }


def test_the_rules_are_found_from_a_wheel(tmp_path: Path) -> None:
    unpacked = built("wheel", tmp_path)
    told = run_python(RULES, tmp_path, PYTHONPATH=str(unpacked))
    assert_all_rules(told)
    assert Path(told).is_relative_to(unpacked)
    assert not (unpacked / "tests").exists()


def test_the_rules_are_found_from_an_editable_install(tmp_path: Path) -> None:
    pytest.importorskip("editables")
    unpacked = built("editable", tmp_path)
    told = run_python(f"import site; site.addsitedir({str(unpacked)!r}); {RULES}", tmp_path)
    assert_all_rules(told)
