"""Stories of those who must not be hurt: whose lock is held by right, who is just being started,
whom somebody else keeps, and a daemon that would not start again now."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor import aftermath
from dockerdoctor.host.nouns import Container, Place, Service, ServiceState
from dockerdoctor.model import Impact, Outcome, Policy
from dockerdoctor.probes.unit import stopped_on_purpose
from tests.fakehost import disk_use
from tests.story import Story


def test_whose_lock_a_copy_holds_is_not_stuck(tmp_path: Path) -> None:
    story = Story(tmp_path)
    shim = story.host.world.spawn("containerd-shim")
    story.host.all_shims.append(shim)
    story.host.all_containers = [Container("c1", "copied", "running")]
    story.goes_on_for(30)
    story.host.stuck["c1"], story.host.live_copies = shim.identity, 1
    story.goes_on_for(1200)
    assert story.acts == []
    assert story.incidents == []
    story.host.live_copies = 0  # and yet it does not answer
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert story.climbed() == ["dump-stacks", "kill-shim"]


def test_who_hangs_for_a_moment_or_is_being_started_keeps_its_shim(tmp_path: Path) -> None:
    story = Story(tmp_path)
    names = ("stuck", "stopping", "starting", "late")
    shims = {name: story.host.world.spawn("containerd-shim") for name in names}
    story.host.all_shims.extend(shims.values())
    story.host.all_containers = [Container(name, name, "running") for name in names]
    story.goes_on_for(30)
    story.host.stuck = {name: shims[name].identity for name in ("stuck", "starting", "late")}
    story.goes_on_until(lambda: bool(story.incidents) and "dump-stacks" in story.climbed())
    known = {each.name: each for each in story.host.all_containers}
    del story.host.stuck["late"]  # answers when it is asked once more
    story.host.stuck["stopping"] = shims["stopping"].identity
    story.host.all_containers = [
        known["stuck"],
        replace(known["stopping"], hangs_since=story.host.now().mono - 20),
        replace(known["starting"], state="exited"),
        known["late"],
    ]
    story.goes_on_until(lambda: "kill-shim" in story.climbed())
    killed = f"killed the shim of stuck (shim pid {shims['stuck'].identity.pid})"
    assert story.attempts()[1].note.startswith(killed)
    assert [act for act in story.acts if "SIGKILL" in act] == ["signal containerd-shim SIGKILL"]


def test_a_daemon_that_hangs_on_a_full_disk_is_restarted_once_there_is_room(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    root = story.host.all_places[Place.DATA_ROOT]
    story.goes_on_for(30)
    story.host.disks[root] = disk_use(root, used_ratio=1.0)
    story.host.dockerd_process.hung = True
    story.goes_on_for(900)
    assert set(story.acts) == {"signal dockerd SIGUSR1"}
    assert story.said[-1].startswith("full: the data-root is 100 % full: a start may fail")
    assert hung(story) == (Outcome.OPEN, "dump-stacks")
    story.host.disks[root] = disk_use(root, used_ratio=0.6)
    story.goes_on_until(lambda: hung(story)[0] is not Outcome.OPEN)
    assert hung(story) == (Outcome.CURED, "restart")


def hung(story: Story) -> tuple[Outcome, str]:
    """How the incident of the daemon that hangs stands, and what was climbed last in it."""
    incident = next(each for each in story.incidents if each.rule == "daemon-unresponsive")
    return incident.outcome, incident.attempts[-1].rung


def test_who_stops_a_daemon_before_systemd_starts_it_again_wants_it_down() -> None:
    """As systemd 257 tells it, after a kill -9 and a stop within RestartSec=."""
    down = ServiceState("docker.service", "inactive", "dead", "signal", restart="always")
    assert stopped_on_purpose(down)
    assert not stopped_on_purpose(replace(down, job="start"))
    assert not stopped_on_purpose(replace(down, active="activating", sub="auto-restart"))


@pytest.mark.parametrize("why", ["its unit kills the shims", "docker.service goes with it"])
def test_a_containerd_that_takes_the_containers_along_costs_them(tmp_path: Path, why: str) -> None:
    story = Story(tmp_path, Policy(max_impact=Impact.DAEMON))
    containerd = story.host.units[Service.CONTAINERD]
    if why == "its unit kills the shims":
        containerd.kill_mode = "mixed"
    else:
        containerd.along = frozenset({"docker.service"})
    story.goes_on_for(30)
    story.host.containerd_process.state = "T"
    story.goes_on_for(120)
    assert story.acts == ["signal dockerd SIGUSR1"]  # the evidence
    assert "restart-containerd: it costs its containers, the policy allows the daemon" in (
        story.incidents[0].why
    )


def test_who_is_no_dockerd_is_not_asked_for_its_stacks(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(30)
    shell = replace(story.host.dockerd_process.identity, name="sh")  # `ExecStart=/bin/sh -c ...`
    story.host.dockerd_process.identity = shell
    story.host.containerd_process.state = "T"
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert story.climbed() == ["dump-stacks", "restart-containerd"]
    assert "its unit runs sh, which SIGUSR1 would end" in story.attempts()[0].note
    assert [act for act in story.acts if "signal sh" in act] == []


def test_a_daemon_that_would_not_start_again_is_not_ended(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(30)
    story.host.closeup.daemon_json('{"debug": true,\n}')
    story.host.closeup.changed = story.host.now().wall
    story.host.dockerd_process.frozen = True
    story.goes_on_for(600)
    assert story.acts == []
    held = story.said[-1]
    assert held.startswith("configuration: /etc/docker/daemon.json: line 2, column 1: ")
    assert held.endswith("dockerd would not start again, mend that first")
    story.host.closeup.daemon_json('{"debug": true, "hosts": ["fd://"]}')
    story.goes_on_for(30)
    assert "both give hosts (-H in /lib/systemd/system/docker.service)" in story.said[-1]
    assert hung(story) == (Outcome.OPEN, "dump-stacks")
    story.host.closeup.daemon_json('{"debug": true}')
    story.goes_on_until(lambda: hung(story)[0] is not Outcome.OPEN)
    assert hung(story) == (Outcome.CURED, "sigkill")


def test_a_socket_that_somebody_removed_costs_one_restart(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(30)
    story.host.socket_removed = True
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert hung(story) == (Outcome.CURED, "restart")
    assert "restart socket dockerd" in story.acts


def test_live_restore_that_is_off_at_the_next_start_spares_nobody(tmp_path: Path) -> None:
    story = Story(tmp_path, Policy(max_impact=Impact.DAEMON))
    story.host.engine = replace(story.host.engine, live_restore=True)
    story.host.closeup.daemon_json('{"debug": true}')  # it was in there when the daemon started
    story.goes_on_for(30)
    story.host.dockerd_process.frozen = True
    story.goes_on_until(lambda: bool(story.incidents) and hung(story)[0] is not Outcome.OPEN)
    assert hung(story)[0] is Outcome.GAVE_UP
    assert "restart: it costs its containers, the policy allows the daemon" in (
        story.incidents[0].why
    )
    assert story.acts == []


def test_what_the_daemon_has_started_with_is_no_reason_to_leave_it_hung(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.closeup.daemon_json("\ufeff{}")  # engines since 23 take the mark, readers may not
    story.goes_on_for(30)
    story.host.dockerd_process.frozen = True
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert hung(story) == (Outcome.CURED, "sigkill")


def test_a_containerd_that_takes_long_to_start_is_left_to_it(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(10)
    containerd = story.host.units[Service.CONTAINERD]
    containerd.start_takes_s = 300.0
    containerd.stop(job="restart")
    story.goes_on_for(250)
    assert story.acts == ["signal dockerd SIGUSR1"]  # the evidence
    assert story.said[-1].startswith("containerd: containerd is activating: it may answer late")
    story.goes_on_for(120)
    assert story.said[-1].startswith("well: ")
    assert story.acts == ["signal dockerd SIGUSR1"]  # the evidence


def test_what_swarm_keeps_is_left_to_swarm(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.all_containers = [
        Container("c1", "web.1", "running", "no", kept_by="swarm"),
        Container("c2", "mine", "running", "no"),
    ]
    story.goes_on_for(30)
    story.host.dockerd_process.frozen = True
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    starts = [act for act in story.acts if act.startswith("start_container")]
    assert starts == ["start_container c2"]
    assert story.attempts()[-1].note == "started mine; 1 left to swarm"


def test_what_others_need_is_started_first_whatever_it_is_called() -> None:
    web = Container("1", "shop-web-1", "exited", links=("shop/cache",), service="shop/web")
    cache = Container("2", "shop-cache-1", "exited", links=("shop/db",), service="shop/cache")
    side = Container("3", "side", "exited", links=("2",))  # `--network container:` by id
    db = Container("4", "shop-db-1", "exited", links=("shop/web",), service="shop/db")  # a ring
    other = Container("5", "other", "exited")
    order = [each.id for each in aftermath.in_order([web, other, side, cache, db])]
    assert order == ["4", "2", "1", "5", "3"]


def test_a_chain_of_needs_may_be_as_long_as_somebody_likes() -> None:
    count = 50_000
    chain = [Container(str(n), f"n{n}", "exited", links=(f"n{n + 1}",)) for n in range(count)]
    order = [each.id for each in aftermath.in_order(chain)]
    assert order == [str(n) for n in reversed(range(count))]


def test_what_ran_is_brought_back_also_by_a_start_that_takes_longer_than_its_rung(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    story.host.all_containers = [Container("c1", "web", "running", "no")]
    story.goes_on_for(30)
    story.host.dockerd.start_takes_s = 600.0
    story.host.dockerd_process.frozen = True
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed), 1500)
    assert any(said.startswith("starting: the daemon is starting") for said in story.said)
    assert story.climbed() == ["dump-stacks", "restart", "sigkill", "bring-back"]
    assert story.attempts()[-1].note == "started web"
    story.goes_on_for(60)
    assert story.watch.scene().running[0].name == "web"


def test_a_start_that_works_is_waited_for_and_one_that_stands_still_is_told(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(30)
    story.host.dockerd.start_takes_s = 3600.0
    story.host.dockerd.stop(job="restart")
    story.goes_on_for(900)
    assert story.said[-1].startswith("starting: the daemon is starting (unit activating/start, at")
    assert story.incidents == []
    story.host.dockerd_process.idle_s = 400.0
    story.goes_on_for(60)
    assert "done nothing for 6 min 40 s" in story.said[-1]
    assert [each.rule for each in story.incidents] == ["start-stands-still"]
    assert story.acts == []


def test_one_that_does_not_tell_when_it_is_up_is_given_its_start(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.dockerd.stop(job="restart")
    story.host.advance(3)
    story.host.dockerd.served = False  # Type=exec
    story.host.dockerd_process.hung = True
    story.goes_on_for(1800)
    assert story.acts == []
    assert story.said[-1].startswith(
        "starting: the daemon has answered nobody since it was started"
    )
    story.host.dockerd_process.idle_s = 400.0
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert hung(story) == (Outcome.CURED, "restart")


def test_a_watchdog_of_systemds_that_dockerd_never_feeds_is_told(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.dockerd.watchdog_s = float("inf")
    story.goes_on_for(30)
    assert story.said[-1].startswith("well: ")
    story.host.dockerd.watchdog_s = 30.0
    story.goes_on_for(30)
    assert story.said[-1].startswith("told: docker.service has WatchdogSec=30 s: dockerd feeds it")
    assert story.acts == []
