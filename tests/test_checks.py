"""The examinations on demand: what each sees on a machine that is broken in its own way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.checks import configuration, network, socket, start, storage
from dockerdoctor.checks._daemon import parsed
from dockerdoctor.declare import Check, Clue, load
from dockerdoctor.errors import HostFault
from dockerdoctor.examination import Examination
from dockerdoctor.host.closeup import parse_networks
from dockerdoctor.host.firewall import parse_chains
from dockerdoctor.host.lens import Network, Program, Word
from dockerdoctor.host.storage.remembered import Remembered
from dockerdoctor.host.storage.survey import survey
from dockerdoctor.host.unitfile import exec_start
from dockerdoctor.host.view import HostView
from dockerdoctor.model import Fault, Process, Severity
from tests.dataroot import DataRoot, ident
from tests.fakehost import FakeHost
from tests.fakelens import DAEMON_JSON, RESOLV, SOCKET
from tests.looks import settled
from tests.story import RULES

CHECKS = load("dockerdoctor.checks", Check)
ROOT = Path("/var/lib/docker")
OWN = {
    "dns-upstream",
    "image-names-lost",
    "not-installed",
    "socket-missing",
    "socket-open-to-all",
    "socket-permission",
    "volume-database-corrupt",
}
"""Clues that no rule has texts for."""


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return settled(tmp_path)


def only(clues: object) -> Clue:
    assert isinstance(clues, list | tuple) and len(clues) == 1, clues
    clue = clues[0]
    assert isinstance(clue, Clue)
    assert clue.rule in OWN or clue.rule in {rule.name for rule in RULES}
    if clue.rule in OWN:
        assert clue.remedy and clue.avoid
    return clue


def failed(host: FakeHost) -> None:
    """Its unit is down, and nobody stopped it."""
    host.dockerd.restart = "no"
    host.crash()
    host.dockerd.result = "exit-code"


@pytest.mark.parametrize("name", CHECKS)
def test_a_machine_that_is_well_gives_no_clue(host: FakeHost, name: str) -> None:
    assert list(CHECKS[name].run(host)) == []


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_only_looks(host: FakeHost, name: str) -> None:
    failed(host)
    before = list(host.ledger)
    CHECKS[name].run(host)
    assert host.ledger == before


# Configuration.


def test_a_mistake_in_daemon_json_has_its_line(host: FakeHost) -> None:
    failed(host)
    host.closeup.daemon_json('{\n  "log-driver": json-file\n}\n')
    clue = only(configuration.run(host))
    assert (clue.rule, clue.severity) == ("bad-daemon-json", Severity.CRITICAL)
    assert clue.says.startswith("/etc/docker/daemon.json: line 2, column 17: ")


def test_while_the_daemon_runs_the_mistake_is_one_of_the_next_start(host: FakeHost) -> None:
    host.closeup.daemon_json("{")
    clue = only(configuration.run(host))
    assert clue.severity is Severity.WARNING
    assert clue.says.endswith("the next start of dockerd will fail")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[]", "it is no object"),
        ("{" * 100_000, ""),
        ('{"a": ' * 20_000, ""),
        ("nonsense", "line 1, column 1"),
    ],
)
def test_whatever_lies_there_is_told_and_not_raised(text: str, wrong: str) -> None:
    told = parsed(DAEMON_JSON, text)
    assert told.keys is None and told.wrong and wrong in told.wrong


@pytest.mark.parametrize("text", ["", " \n", "{}", '{"debug": true}'])
def test_an_empty_daemon_json_is_well(host: FakeHost, text: str) -> None:
    host.closeup.daemon_json(text)
    assert configuration.run(host) == []


def test_an_unknown_key_is_named_with_the_one_that_was_meant(host: FakeHost) -> None:
    failed(host)
    host.closeup.daemon_json('{"live-restor": true, "dns": []}')
    assert "'live-restor' (did you mean 'live-restore'?)" in only(configuration.run(host)).says


def test_a_key_that_the_running_daemon_has_taken_is_known_to_it(host: FakeHost) -> None:
    host.closeup.daemon_json('{"of-the-future": true}')
    assert configuration.run(host) == []  # changed long before it was started


def test_a_flag_in_a_drop_in_that_stands_against_the_file_is_found(host: FakeHost) -> None:
    failed(host)
    drop_in = "/etc/systemd/system/docker.service.d/zz.conf"
    host.closeup.words.append(Word("--log-opt=max-size=1m", drop_in))
    host.closeup.daemon_json('{"log-opts": {}, "hosts": ["unix:///run/docker.sock"]}')
    clue = only(configuration.run(host))
    assert clue.rule == "flag-and-file-conflict"
    assert f"log-opts (--log-opt=max-size=1m in {drop_in})" in clue.says
    assert "hosts (-H in /lib/systemd/system/docker.service)" in clue.says


def test_a_flag_that_nobody_knows_is_named_with_its_drop_in(host: FakeHost) -> None:
    drop_in = "/etc/systemd/system/docker.service.d/zz.conf"
    host.closeup.words += [Word("--log-drivr=local", drop_in), Word("--config-file=/x", drop_in)]
    assert configuration.run(host) == []  # it runs: then it has taken it
    failed(host)
    clue = only(configuration.run(host))
    assert clue.rule == "unknown-flag"
    assert f"--log-drivr in {drop_in} is no flag of dockerd's (did you mean" in clue.says


def test_runtimes_may_be_given_both_ways(host: FakeHost) -> None:
    host.closeup.words.append(Word("--add-runtime=x=/x", "unit"))
    host.closeup.daemon_json('{"runtimes": {}}')
    assert configuration.run(host) == []


def test_a_configuration_that_was_mended_speaks_against_the_old_complaint(host: FakeHost) -> None:
    failed(host)
    clues = configuration.run(host)
    assert [each.rule for each in clues] == [
        "bad-daemon-json",
        "flag-and-file-conflict",
        "unknown-flag",
    ]
    assert all(each.against for each in clues)


def test_a_daemon_json_that_may_not_be_read_is_a_fault(host: FakeHost) -> None:
    host.closeup.faults["content"] = HostFault(Fault.DENIED, "not yours")
    with pytest.raises(HostFault):
        configuration.run(host)


# The unit's command line.

UNIT = """\
# /lib/systemd/system/docker.service
[Unit]
Description=no ExecStart=here
[Service]
Environment="A=1 2" B=3
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// \\
  --containerd=${B}/x $DOCKER_OPTS $NONE
# ExecStart=/bin/false

# /etc/systemd/system/docker.service.d/zz.conf
[Service]
# /not/a/file
"""


def words(text: str, default: str = "") -> list[tuple[str, str]]:
    def read(path: str) -> str:
        if not default:
            raise FileNotFoundError(path)
        return default

    return [(word.text, word.origin.rpartition("/")[2]) for word in exec_start(text, read)]


def test_the_words_of_a_unit_are_told_with_their_file() -> None:
    assert words(UNIT, "# a comment\nDOCKER_OPTS='--debug --mtu 9000'\n") == [
        ("/usr/sbin/dockerd", "docker.service"),
        ("-H", "docker.service"),
        ("fd://", "docker.service"),
        ("--containerd=3/x", "docker.service"),
        ("--debug", "docker"),
        ("--mtu", "docker"),
        ("9000", "docker"),
    ]


def test_an_empty_exec_start_in_a_drop_in_forgets_the_one_before() -> None:
    more = UNIT + "ExecStart=\nExecStart=@-/usr/bin/dockerd 'a b'\n"
    assert words(more) == [("/usr/bin/dockerd", "zz.conf"), ("a b", "zz.conf")]
    assert words(UNIT + "ExecStart=\n") == []
    assert words("") == []
    assert words('# /a.service\n[Service]\nExecStart=x "never closed') != []


# The socket.


def test_a_socket_that_is_gone_is_critical_while_the_daemon_runs(host: FakeHost) -> None:
    host.closeup.entries.clear()
    assert only(socket.run(host)).rule == "socket-missing"
    failed(host)
    assert socket.run(host) == []


def test_a_directory_in_the_place_of_the_socket_is_named(host: FakeHost) -> None:
    host.closeup.socket_is(kind="directory")
    assert "is a directory, no socket: a bind mount made it" in only(socket.run(host)).says


def test_a_user_outside_the_group_learns_that_it_means_root(host: FakeHost) -> None:
    host.closeup.is_called_by("ann", "ann", "users")
    clue = only(socket.run(host))
    assert clue.rule == "socket-permission"
    assert "not a member of the group docker (groups: ann, users)" in clue.says
    assert "usermod -aG docker ann" in clue.remedy and "means root" in clue.remedy
    assert "666" in clue.avoid


def test_a_member_since_this_login_needs_a_new_one(host: FakeHost) -> None:
    host.closeup.is_called_by("ann", "ann", entitled=("ann", "docker"))
    clue = only(socket.run(host))
    assert clue.next == "newgrp docker"


def test_a_member_of_the_group_may_use_it(host: FakeHost) -> None:
    host.closeup.is_called_by("ann", "docker")
    assert socket.run(host) == []


def test_a_socket_of_the_group_root_has_lost_its_group(host: FakeHost) -> None:
    host.closeup.is_called_by("ann", "ann", "docker")
    host.closeup.socket_is(group="root")
    assert "groupadd --system docker" in only(socket.run(host)).remedy


def test_a_socket_for_everybody_makes_everybody_root(host: FakeHost) -> None:
    host.closeup.is_called_by("ann", "ann")
    host.closeup.socket_is(mode=0o666)
    assert only(socket.run(host)).rule == "socket-open-to-all"


# The start.


def test_a_pid_file_that_names_a_stranger_is_told(host: FakeHost) -> None:
    failed(host)
    host.has_its_pid_taken()
    clue = only(start.run(host))
    assert clue.rule == "pid-file-stale"
    assert "names pid 4711, which is sleep and no dockerd" in clue.says


def test_a_second_daemon_on_the_same_data_root_is_named(host: FakeHost) -> None:
    failed(host)
    other = Program(Process(9, 1, "dockerd"), ("dockerd", "--data-root", "/elsewhere"))
    second = Program(Process(8, 1, "dockerd"), ("dockerd", "--debug"))
    host.closeup.running = [other, second]
    clue = only(start.run(host))
    assert clue.rule == "another-dockerd" and "pid 8" in clue.says


def test_a_start_limit_is_what_follows_and_says_how_to_go_on(host: FakeHost) -> None:
    failed(host)
    host.dockerd.result = "start-limit-hit"
    clue = only(start.run(host))
    assert clue.rule == "daemon-down" and clue.follows
    assert clue.next.startswith("systemctl reset-failed docker.service docker.socket")


def test_where_nothing_is_installed_that_is_the_cause(host: FakeHost) -> None:
    for unit in host.units.values():
        unit.exists = False
    host.closeup.entries.clear()
    clue = only(start.run(host))
    assert clue.rule == "not-installed" and clue.severity is Severity.CRITICAL


# The network.


def test_a_bridge_that_is_gone_is_named(host: FakeHost) -> None:
    host.closeup.directories[Path("/sys/class/net")] = ["lo"]
    assert only(network.run(host)).rule == "bridge-gone"
    host.closeup.daemon_json('{"bridge": "none"}')
    assert network.run(host) == []


def test_chains_that_are_gone_are_seen_on_the_spot(host: FakeHost) -> None:
    host.closeup.firewall = frozenset({"filter DOCKER"})
    clue = only(network.run(host))
    assert clue.rule == "firewall-flushed" and "nat DOCKER" in clue.says
    for text in ('{"iptables": false}', '{"firewall-backend": "nftables"}'):
        host.closeup.daemon_json(text)
        assert network.run(host) == []


def test_where_nobody_knows_the_command_line_neither_bridge_nor_chains_are_missed(
    host: FakeHost,
) -> None:
    """A bare daemon's, without root: it may say --bridge=none."""
    host.closeup.directories[Path("/sys/class/net")] = ["lo"]
    host.closeup.firewall = frozenset()
    host.closeup.words = []
    assert network.run(host) == []


def test_who_may_not_see_the_firewall_says_nothing_of_it(host: FakeHost) -> None:
    host.closeup.faults["chains"] = HostFault(Fault.DENIED, "root only")
    assert network.run(host) == []


def test_address_ranges_that_run_out_are_told_before_they_do(host: FakeHost) -> None:
    many = [Network(f"n{n}", "bridge", (f"172.{17 + n}.0.0/16",)) for n in range(15)]
    many += [Network(f"m{n}", "bridge", (f"192.168.{16 * n}.0/20",)) for n in range(16)]
    host.closeup.all_networks = many[:-2]
    assert only(network.run(host)).severity is Severity.WARNING
    host.closeup.all_networks = many
    clue = only(network.run(host))
    assert "31 of 31 address ranges" in clue.says and clue.severity is Severity.CRITICAL


def test_ranges_outside_the_pools_take_nothing_from_them(host: FakeHost) -> None:
    host.closeup.daemon_json('{"default-address-pools": [{"base": "10.9.0.0/16", "size": 17}, 7]}')
    host.closeup.all_networks = [
        Network("a", "bridge", ("172.17.0.0/16", "nonsense", "fd00::/64", "10.9.0.0/17"))
    ]
    assert network.run(host) == []
    host.closeup.all_networks += [Network("b", "bridge", ("10.9.128.0/17",))]
    assert "2 of 2" in only(network.run(host)).says


def test_name_servers_that_containers_cannot_reach_are_told(host: FakeHost) -> None:
    host.closeup.files[RESOLV] = b"nameserver 127.0.0.1\n"
    assert only(network.run(host)).severity is Severity.INFO
    host.closeup.files[RESOLV] = b"search example.org\n"
    assert only(network.run(host)).severity is Severity.WARNING
    del host.closeup.files[RESOLV]
    assert only(network.run(host)).rule == "dns-upstream"
    host.closeup.daemon_json('{"dns": ["192.0.2.1"]}')
    assert network.run(host) == []


def test_the_stub_of_systemd_resolved_is_looked_through(host: FakeHost) -> None:
    host.closeup.files[RESOLV] = b"nameserver 127.0.0.53\n"
    host.closeup.files[network.RESOLVED] = b"nameserver 192.0.2.1\n"
    assert network.run(host) == []


def test_chains_and_networks_are_read_from_what_the_programs_say() -> None:
    told = "# comment\n*nat\n:DOCKER - [0:0]\n-A POSTROUTING -j X\nCOMMIT\n*filter\n:INPUT ACCEPT\n"
    assert parse_chains(told) == {"nat DOCKER", "filter INPUT"}
    body = b"""[{"Name": "a", "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "10.0.0.0/8"}]}},
        {"Name": "host", "Driver": "host", "IPAM": {"Config": null}}, {"Name": "x"}]"""
    assert [each.subnets for each in parse_networks(body)] == [("10.0.0.0/8",), (), ()]
    with pytest.raises(HostFault):
        parse_networks(b'{"Name": 1}')


# Storage.


def bolt(page: int = 0) -> bytes:
    """The first pages of a bolt database, with one good meta page."""
    head = bytearray(b"\xff" * 65600)
    head[page + 16 : page + 20] = (0xED0CDAED).to_bytes(4, "little")
    return bytes(head)


def test_a_database_that_is_none_is_named_by_its_own_first_bytes(host: FakeHost) -> None:
    path = ROOT / "network/files/local-kv.db"
    host.closeup.files[path] = b"\0garbled\xff{]" * 400
    clue = only(storage.run(host))
    assert clue.rule == "network-database-corrupt" and str(path) in clue.says
    assert f"mv {path} {path}.bad" in clue.next


@pytest.mark.parametrize("good", [bolt(), bolt(4096), bolt(16384), b""])
def test_one_good_page_of_two_is_enough(host: FakeHost, good: bytes) -> None:
    host.closeup.files[ROOT / "volumes/metadata.db"] = good
    assert storage.run(host) == []


def test_the_database_of_volumes_is_moved_aside_and_the_volumes_are_well(host: FakeHost) -> None:
    host.closeup.files[ROOT / "volumes/metadata.db"] = b"x" * 9000
    assert "the volumes are well" in only(storage.run(host)).remedy


@pytest.mark.parametrize(
    ("skipped", "rule"),
    [
        (
            "'containers/abc': its configuration cannot be read (No such file)",
            "container-unreadable",
        ),
        ("'layerdb/mounts/abc': has a hole (mount-id makes no sense)", "container-without-layer"),
        ("'layerdb/abc': has a hole (cache-id makes no sense)", "image-layer-missing"),
        ("'imagedb/abc': cannot be read (Expecting value)", "image-layer-missing"),
        ("'repositories.json': cannot be read (x): no image is known by name", "image-names-lost"),
    ],
)
def test_what_a_survey_cannot_read_is_a_clue(host: FakeHost, skipped: str, rule: str) -> None:
    other = "volumes/x: another file system is mounted there"
    host.stock = replace(host.stock, skipped=(other, skipped))
    clue = only(storage.run(host))
    assert (clue.rule, clue.says) == (rule, skipped)


def test_a_real_survey_of_a_damaged_data_root_is_understood(host: FakeHost, tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "data")
    root.layer("sha256:" + "1" * 64)
    lost = root.path / "containers" / ident("lost")
    lost.mkdir()
    (lost / "config.v2.json").write_bytes(b"")
    for layer in (root.database / "layerdb/sha256").iterdir():
        (layer / "cache-id").write_bytes(b"")
    (root.database / "repositories.json").write_text("{")
    host.stock = survey(root.path, Remembered(None), measure=False)
    rules = {clue.rule for clue in storage.run(host)}
    assert rules == {"container-unreadable", "image-layer-missing", "image-names-lost"}


def test_a_disk_that_hangs_is_said_and_not_waited_for_file_by_file(host: FakeHost) -> None:
    host.closeup.faults["content"] = HostFault(Fault.TIMEOUT, "read has not ended within 2 s")
    with pytest.raises(HostFault):
        storage.run(host)


def test_leftovers_of_pulls_are_told_when_they_are_many(host: FakeHost) -> None:
    tmp = ROOT / "image/overlay2/layerdb/tmp"
    host.closeup.directories[tmp] = [f"write-set-{n}" for n in range(3)]
    assert storage.run(host) == []
    host.closeup.directories[tmp] = [f"write-set-{n}" for n in range(30)]
    assert only(storage.run(host)).severity is Severity.INFO


# All of them together.


def test_a_check_that_cannot_look_hides_no_other(host: FakeHost) -> None:
    def denied(_: HostView) -> list[Clue]:
        raise HostFault(Fault.DENIED, "not yours")

    def mistaken(_: HostView) -> list[Clue]:
        raise ZeroDivisionError("oh")

    def finds(_: HostView) -> list[Clue]:
        return [Clue("x", "found", Severity.INFO)]

    runs = {"denied": denied, "mistaken": mistaken, "finds": finds}
    checks = [Check(name, "", "start", 60.0, each) for name, each in runs.items()]
    results = Examination(checks, host).results()
    assert {name: each.fault for name, each in results.items()} == {
        "denied": Fault.DENIED,
        "mistaken": Fault.BUG,
        "finds": None,
    }
    assert [clue.says for clue in results["finds"].clues] == ["found"]


def test_a_check_that_hangs_is_given_up_on(host: FakeHost) -> None:
    let_go = threading.Event()

    def hangs(_: HostView) -> list[Clue]:
        let_go.wait()
        return []

    result = Examination([Check("hangs", "", "disk", 0.0, hangs)], host).results()["hangs"]
    let_go.set()
    assert (result.fault, result.clues) == (Fault.TIMEOUT, ())


def test_the_socket_is_looked_at_and_not_connected_to(host: FakeHost) -> None:
    host.operator_stops()
    for check in CHECKS.values():
        check.run(host)
    assert host.dockerd.active == "inactive"
    assert SOCKET in host.closeup.entries
