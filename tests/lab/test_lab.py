"""The lab itself: what it boots is real, what it breaks is broken, and nothing stays behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.lab import faults, leftovers, outer, product, tree
from tests.lab.conftest import Booted
from tests.lab.host import LabHost

ROOT = Path(__file__).resolve().parents[2]
FROZEN = """
host.run("fsfreeze", "--freeze", "/var/lib/docker")
(host.unit_cgroup("docker.service") / "cgroup.freeze").write_text("1")
"""


def boot_and_die(suite: str, deed: str = "") -> tuple[int, str]:
    """Boot a host in a process of its own, do a deed, SIGKILL it; return (leader, host's name)."""
    program = f"""
import sys, time
from tests.lab.host import LabHost
host = LabHost(sys.argv[1], data_root_mb=200)
{deed}
print(host.leader, host.name, flush=True)
time.sleep(3600)
"""
    run = [sys.executable, "-c", program, suite]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout is not None
        leader, name = owner.stdout.readline().split()
        assert leftovers.owned_by_a_live_process(name)
        owner.kill()
    assert not leftovers.owned_by_a_live_process(name)
    return int(leader), name


def test_a_host_runs_the_engine_that_its_suite_ships(host: LabHost) -> None:
    version = host.docker("version", "--format", "{{.Server.Version}}").stdout
    assert version.startswith(tree.SUITES[host.suite].engine)


def test_a_host_is_a_healthy_systemd_with_unified_cgroups(host: LabHost) -> None:
    assert host.run("ps", "-o", "comm=", "1").stdout.strip() == "systemd"
    state = host.systemctl("is-system-running", "--wait", check=False).stdout.strip()
    assert state in ("running", "degraded")
    assert host.run("stat", "-fc", "%T", "/sys/fs/cgroup").stdout.strip() == "cgroup2fs"


def test_a_container_really_runs(host: LabHost) -> None:
    host.start_container("c1", "-p", "18080:80", cmd=("httpd", "-f", "-h", "/bin"))
    assert "httpd" in host.docker("top", "c1").stdout
    assert "containerd-shim" in outer.program(host.shim("c1"))
    seen = host.docker("exec", "c1", "wget", "-qO-", "http://127.0.0.1/busybox", check=False)
    assert seen.returncode == 0


def test_a_host_has_no_network_but_its_own(host: LabHost) -> None:
    links = host.run("ls", "/sys/class/net").stdout.split()
    assert {"lo", "docker0"} <= set(links)
    assert not {"eth0", "host0"} & set(links)
    ours = Path("/proc/self/ns/net").readlink()
    assert Path(f"/proc/{host.leader}/ns/net").readlink() != ours


def test_main_pid_is_the_same_process_inside_and_outside(host: LabHost) -> None:
    pid = host.main_pid()
    assert outer.program(pid).endswith("/dockerd")
    assert outer.pid_inside(pid) == host.main_pid_inside()


def test_text_put_is_text_read(host: LabHost) -> None:
    host.put("/etc/lab/deep/file.txt", "größer\n", 0o600)
    assert host.read("/etc/lab/deep/file.txt") == "größer\n"
    assert host.run("stat", "-c", "%a", "/etc/lab/deep/file.txt").stdout.strip() == "600"


def test_a_command_without_end_is_stopped_and_told_as_timed_out(host: LabHost) -> None:
    assert host.hangs("sh", "-c", "trap '' TERM; sleep 600", timeout=1)


def test_stop_takes_everything_away(boot: Booted) -> None:
    host = boot(data_root_mb=300)
    host.start_container("c1")
    with faults.frozen_data_root(host):
        assert leftovers.remains(host.name)
    host.stop()
    assert leftovers.remains(host.name) == []
    host.stop()


def test_stop_takes_away_what_a_test_left_frozen(boot: Booted) -> None:
    host = boot(data_root_mb=300)
    host.import_busybox()
    host.run("fsfreeze", "--freeze", "/var/lib/docker")
    assert host.hangs("docker", "run", "--rm", "busybox", "true", timeout=3)
    (host.unit_cgroup("docker.service") / "cgroup.freeze").write_text("1")
    host.stop()
    assert leftovers.remains(host.name) == []


def test_the_next_run_sweeps_what_a_killed_run_left_and_no_live_host(
    boot: Booted, suite: str
) -> None:
    live = boot()
    _, name = boot_and_die(suite, FROZEN)
    leftovers.sweep()
    assert leftovers.remains(name) == []
    assert live.serving()


def test_a_killed_run_takes_its_hosts_along(lab: None, suite: str) -> None:
    leader, name = boot_and_die(suite)
    leftovers.until(lambda: leftovers.started(leader) is None, "the host to die")
    leftovers.until(lambda: not leftovers.populated(leftovers.cgroup_of(name)), "all to die")
    leftovers.sweep()
    assert leftovers.remains(name) == []


def test_the_checkout_runs_in_the_host_by_the_hosts_own_python(boot: Booted) -> None:
    host = boot(product=True)
    where = "import dockerdoctor, docker, msgspec, prometheus_client; print(dockerdoctor.__file__)"
    found = host.run(f"{product.VENV}/bin/python", "-I", "-c", where).stdout
    assert found.startswith(f"{product.VENV}/lib/python")
    assert host.run("readlink", "-f", "/usr/local/bin/dockerdoctor").stdout.startswith(product.VENV)
