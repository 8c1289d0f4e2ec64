"""The watchdog's configuration: what is right is read, what is wrong is told, all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dockerdoctor
from dockerdoctor.config import Config, load
from dockerdoctor.configkeys import KEYS
from dockerdoctor.errors import ConfigError, Exit
from dockerdoctor.model import Impact, Policy

SHIPPED = Path(dockerdoctor.__file__).parent / "shipped" / "dockerdoctor.toml"


def loaded(tmp_path: Path, text: str, **more: str) -> Config:
    """What a main file of this text, and files in conf.d, amount to."""
    main = tmp_path / "dockerdoctor.toml"
    main.write_text(text)
    (tmp_path / "conf.d").mkdir(exist_ok=True)
    for name, content in more.items():
        (tmp_path / "conf.d" / f"{name}.toml").write_text(content)
    return load(main, {})


def mistakes(tmp_path: Path, text: str, **more: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text, **more)
    assert caught.value.exit is Exit.CONFIG
    return [mistake.replace(f"{tmp_path}/", "") for mistake in caught.value.mistakes]


def test_without_files_the_defaults_hold(tmp_path: Path) -> None:
    config = Config()
    assert loaded(tmp_path, "") == load_of(config, tmp_path)
    assert config.policy == Policy()
    assert str(config.daemon.socket) == "/var/run/docker.sock"
    assert str(config.watch.record) == "/var/lib/dockerdoctor/record.sqlite"
    assert str(config.watch.evidence) == "/var/lib/dockerdoctor/evidence"
    assert config.metrics.address == ("127.0.0.1", 10073)


def load_of(config: Config, tmp_path: Path) -> Config:
    """The same, as read from the main file."""
    return Config(
        config.daemon,
        config.watch,
        config.policy,
        config.metrics,
        config.canary,
        config.rules_dirs,
        (tmp_path / "dockerdoctor.toml",),
    )


def test_the_shipped_file_says_nothing_and_shows_every_default(tmp_path: Path) -> None:
    text = SHIPPED.read_text()
    assert loaded(tmp_path, text) == load_of(Config(), tmp_path)
    said = re.sub(r"^# (\w+ = .*)$", r"\1", text, flags=re.MULTILINE)
    assert loaded(tmp_path, said) == load_of(Config(), tmp_path)
    shown = re.findall(r"^(\w+) = ", said, flags=re.MULTILINE)
    assert sorted(shown) == sorted(key for table in KEYS.values() for key in table)


def test_a_later_file_wins_key_by_key(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        '[policy]\nmax_climbs = 3\nwindow = "10min"\n[watch]\npace = "8s"\n',
        b='[policy]\nmax_climbs = 9\nmax_impact = "host"\n',
        a="[policy]\nmax_climbs = 7\nkill_shims = true\n",
    )
    assert config.policy == Policy(
        max_impact=Impact.HOST, max_climbs=9, window_s=600, kill_shims=True
    )
    assert config.watch.pace_s == 8
    assert [file.name for file in config.files] == ["dockerdoctor.toml", "a.toml", "b.toml"]


def test_every_mistake_of_every_file_is_told_with_its_place(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        """
        rule_dirs = []
        colour = "red"
        [daemon]
        host = "tcp://10.0.0.1:2376"
        unit = "docker"
        pidfile = "docker.pid"
        max_climbs = 3
        [polizy]
        max_climbs = 3
        [policy]
        max_climbs = "many"
        max_impact = "world"
        window = "20"
        kill_shims = 1
        """,
        x='watch = 3\n[policy]\nmax_climbs = 0\nmax_clims = 3\n[metrics]\nlisten = "10073"\n',
        y="[policy\n",
        z='[watch]\npace = "0s"\nrun_dir = ["/run"]\n',
    )
    assert found == [
        "dockerdoctor.toml: [daemon] host: “tcp://10.0.0.1:2376” is not the daemon of this host, "
        "and no other can be healed from here: write it like unix:///var/run/docker.sock",
        "dockerdoctor.toml: [daemon] unit: must be the name of a unit that ends in .service, "
        "not “docker”",
        "dockerdoctor.toml: [daemon] pidfile: must be an absolute path, not “docker.pid”",
        "dockerdoctor.toml: [daemon] max_climbs: there is no such key here: it belongs to [policy]",
        "dockerdoctor.toml: [policy] max_climbs: must be a whole number, not 'many'",
        "dockerdoctor.toml: [policy] max_impact: must be one of none, daemon, containers, host, "
        "not “world”",
        "dockerdoctor.toml: [policy] window: “20” is no duration: write it like 30s, 5min or 1h30m",
        "dockerdoctor.toml: [policy] kill_shims: must be true or false, not 1",
        "dockerdoctor.toml: rule_dirs: there is no such key: did you mean rules_dirs?",
        "dockerdoctor.toml: colour: there is no such key",
        "dockerdoctor.toml: polizy: there is no such table: did you mean [policy]?",
        "conf.d/x.toml: watch: must be a table: write [watch] on its own line",
        "conf.d/x.toml: [policy] max_climbs: must be from 1 to 1000, not 0",
        "conf.d/x.toml: [policy] max_clims: there is no such key: did you mean max_climbs?",
        "conf.d/x.toml: [metrics] listen: “10073” is no address: write it like 127.0.0.1:10073",
        "conf.d/y.toml: is not TOML: Expected ']' at the end of a table declaration "
        "(at line 1, column 8)",
        "conf.d/z.toml: [watch] pace: must be from 100 ms to 10 min, not 0s",
        "conf.d/z.toml: [watch] run_dir: must be text in quotes, not ['/run']",
    ]


def test_a_file_that_was_named_must_be_there_and_be_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml", {})
    (tmp_path / "latin.toml").write_bytes(b"# \xff\n")
    with pytest.raises(ConfigError, match=r"latin\.toml: is not UTF-8"):
        load(tmp_path / "latin.toml", {})


@pytest.mark.parametrize("listen", ["0.0.0.0:10073", ":10073", "[::]:10073", "example.org:1"])
def test_other_hosts_are_not_served_in_the_open_unless_said_twice(
    tmp_path: Path, listen: str
) -> None:
    [mistake] = mistakes(tmp_path, f'[metrics]\nlisten = "{listen}"\n')
    assert "serves other hosts without TLS and users" in mistake
    said = f'[metrics]\nlisten = "{listen}"\nallow_insecure = true\n'
    assert loaded(tmp_path, said).metrics.allow_insecure
    said = f'[metrics]\nlisten = "{listen}"\nweb_config = "/etc/dockerdoctor/web.yml"\n'
    assert loaded(tmp_path, said).metrics.web_config == Path("/etc/dockerdoctor/web.yml")


@pytest.mark.parametrize("listen", ["localhost:1", "127.0.0.2:1", "[::1]:1"])
def test_this_host_alone_is_served_as_it_is(tmp_path: Path, listen: str) -> None:
    assert loaded(tmp_path, f'[metrics]\nlisten = "{listen}"\n').metrics.address is not None


def test_metrics_can_be_turned_off(tmp_path: Path) -> None:
    assert loaded(tmp_path, '[metrics]\nlisten = ""\n').metrics.address is None


@pytest.mark.parametrize("listen", ["a", "::1:80", "h:x", "h:70000", "h:-1", "h:"])
def test_what_is_no_address_is_refused(tmp_path: Path, listen: str) -> None:
    [mistake] = mistakes(tmp_path, f'[metrics]\nlisten = "{listen}"\n')
    assert "is no address" in mistake


def test_the_directories_systemd_made_are_used_unless_the_file_says_otherwise(
    tmp_path: Path,
) -> None:
    made = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "RUNTIME_DIRECTORY": "/run/a"}
    file = tmp_path / "dockerdoctor.toml"
    file.touch()
    watch = load(file, made).watch
    assert (str(watch.state_dir), str(watch.run_dir)) == ("/var/lib/a", "/run/a")
    assert str(watch.evidence) == "/var/lib/a/evidence"
    file.write_text('[watch]\nstate_dir = "/srv/state"\nevidence_dir = "/srv/evidence"\n')
    watch = load(file, made).watch
    assert (str(watch.state_dir), str(watch.run_dir)) == ("/srv/state", "/run/a")
    assert str(watch.evidence) == "/srv/evidence"


def test_looking_closely_is_not_slower_than_looking(tmp_path: Path) -> None:
    [mistake] = mistakes(tmp_path, '[watch]\npace = "1s"\nclose_pace = "2s"\n')
    assert mistake == "dockerdoctor.toml: [watch] close_pace: must not be longer than pace"
