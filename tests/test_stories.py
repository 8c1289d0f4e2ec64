"""Whole stories on a fake host: what breaks, what dockerdoctor does, and what is on record."""

from __future__ import annotations

import gzip
import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.errors import HostFault
from dockerdoctor.host import imagestore
from dockerdoctor.host.nouns import Container, Place, Service
from dockerdoctor.host.storage.door import Door
from dockerdoctor.host.storage.facts import Survey
from dockerdoctor.host.traces import HeldThread, JournalTally, KernelTraces, Whose
from dockerdoctor.memory import HELD
from dockerdoctor.model import Fault, Held, Impact, Outcome, Policy, Process
from dockerdoctor.sayings import News
from dockerdoctor.signatures import SIGNATURES
from tests.fakehost import disk_use
from tests.stock import DAY, box, image, survey
from tests.story import Story
from tests.values import attempt, incident


def test_an_ordinary_day_has_no_act_and_no_incident(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(3600)
    assert story.acts == []
    assert story.incidents == []
    assert set(story.said) == {"well: answered in 2 ms, RSS 90 MiB, disk 50 %"}


def test_a_frozen_daemon_is_killed_at_once_and_serves_within_thirty_seconds(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(10)
    story.host.dockerd_process.frozen = True
    took = story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert took < 30
    assert story.climbed() == ["dump-stacks", "restart", "sigkill"]
    assert story.incidents[0].outcome is Outcome.CURED
    assert [each.rung for each in story.attempts() if each.skipped] == ["systemd-kill"]
    assert "signal dockerd SIGKILL" in story.acts
    assert "signal containerd SIGKILL" not in story.acts


def test_a_stopped_daemon_is_cured_by_the_gentle_restart(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.dockerd_process.state = "T"
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert story.climbed() == ["dump-stacks", "restart"]
    assert story.attempts()[-1].cured


def test_a_stopped_daemon_is_certain_sooner_than_one_that_hangs(tmp_path: Path) -> None:
    stopped, hung = Story(tmp_path / "stopped"), Story(tmp_path / "hung")
    stopped.host.dockerd_process.state = "T"
    hung.host.dockerd_process.hung = True
    sooner = stopped.goes_on_until(lambda: bool(stopped.acts))
    later = hung.goes_on_until(lambda: bool(hung.acts))
    assert sooner + 3 < later


def test_a_stopped_daemon_that_the_kernel_holds_too_is_not_certain_and_not_restarted(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    story.goes_on_for(30)
    story.host.dockerd_process.state = "T"
    story.host.dockerd_process.held = True
    story.goes_on_for(300)
    assert not any("restart" in act or "SIG" in act for act in story.acts)
    assert "kernel-holds-daemon" in {each.rule for each in story.incidents}


def test_a_daemon_that_is_stopped_for_a_moment_is_left_alone(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(10)
    story.host.dockerd_process.state = "T"
    story.goes_on_for(0.1)  # one look
    assert story.said[-1].startswith("looking closer: daemon-unresponsive")
    story.host.dockerd_process.state = "S"
    story.goes_on_for(60)
    assert story.acts == []
    assert story.incidents == []


def test_a_hung_daemon_leaves_its_stacks_before_it_is_restarted(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.dockerd_process.hung = True
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    evidence = story.attempts()[0].evidence
    assert any("goroutine-stacks" in path for path in evidence)
    assert all(Path(path).exists() for path in evidence)
    assert story.climbed() == ["dump-stacks", "restart"]


def test_the_record_tells_what_the_stacks_of_a_hung_daemon_wait_for(tmp_path: Path) -> None:
    story = Story(tmp_path)
    dump = Path(__file__).parent / "dumps" / "dockerd-26.1.5-stuck.log.gz"
    story.host.stacks = gzip.decompress(dump.read_bytes()).decode()
    story.host.dockerd_process.hung = True
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    note = story.attempts()[0].note
    assert "kept " in note
    assert "7 wait for a lock for 2 min in daemon.(*Daemon).ContainerInspectCurrent" in note
    assert "(like moby #37910)" in note


def test_a_daemon_whose_shutdown_hangs_gets_its_time_and_then_the_next_rung(tmp_path: Path) -> None:
    story = Story(tmp_path)
    live = story.host.dockerd_process
    live.hung, live.end_takes_s = True, float("inf")
    began = story.host.now().mono
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert story.climbed()[:2] == ["dump-stacks", "restart"]
    assert story.host.now().mono - began > 60


def test_a_daemon_held_by_a_debugger_is_left_alone_and_the_debugger_is_named(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    story.host.dockerd_process.tracer = Process(77, 7, "gdb")
    story.goes_on_for(120)
    assert story.acts == []
    assert story.incidents[0].outcome is Outcome.GAVE_UP
    assert "gdb (pid 77)" in story.incidents[0].why
    story.host.release()
    story.goes_on_for(60)
    assert story.incidents[0].closed


def test_a_killed_daemon_is_left_to_systemd(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(10)
    story.host.crash()
    story.goes_on_for(120)
    assert story.acts == []


def test_a_hung_containerd_is_restarted_and_dockerd_is_not(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(10)
    before = story.host.dockerd_process
    story.host.containerd_process.state = "T"
    took = story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert took < 60
    assert story.climbed() == ["dump-stacks", "restart-containerd"]
    assert story.host.dockerd_process is before


def test_a_containerd_that_an_operator_stopped_is_told_and_not_started(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(10)
    story.host.units[Service.CONTAINERD].stop()
    story.goes_on_for(600)
    assert story.acts == []
    assert story.incidents == []
    assert story.said[-1].startswith("told: containerd.service was stopped on purpose")
    story.host.units[Service.CONTAINERD].start()
    story.goes_on_for(60)
    assert story.said[-1].startswith("well: ")


def test_an_operator_who_stops_the_daemon_is_never_overruled(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.operator_stops()
    story.goes_on_for(3600)
    assert story.acts == []
    assert story.incidents == []
    assert story.said[-1].startswith("stopped: docker.service was stopped on purpose")


def test_an_operator_who_stops_a_hung_daemon_is_not_overruled_when_it_is_killed_for_it(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    story.host.dockerd_process.frozen = True
    story.host.operator_stops()
    story.goes_on_for(600)
    assert story.host.dockerd.result == "timeout"
    assert story.acts == []
    assert story.said[-1].startswith("stopped: docker.service was stopped on purpose (failed, ")


def test_a_daemon_without_a_unit_is_called_by_its_own_name(tmp_path: Path) -> None:
    story = Story(tmp_path, bare=True)
    story.host.operator_stops()
    story.goes_on_for(60)
    assert story.said[-1].startswith("stopped: dockerd was stopped on purpose")


def test_a_daemon_whose_socket_stays_is_not_woken_by_our_own_looks(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.dockerd.stop()
    story.goes_on_for(600)
    assert story.acts == []
    assert not story.host.serves()
    assert story.said[-1].startswith("stopped: ")


def test_nothing_is_done_while_paused_and_the_incident_waits(tmp_path: Path) -> None:
    story = Story(tmp_path, Policy(paused="paused by me"))
    story.host.dockerd_process.frozen = True
    story.goes_on_for(300)
    assert story.acts == []
    assert story.said[-1] == "paused: paused by me"
    story.policy = Policy()
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert story.incidents[0].outcome is Outcome.CURED


def test_why_the_watchdog_keeps_still_is_on_record_while_it_does(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.dockerd_process.frozen = True
    story.host.faults["service"] = HostFault(Fault.TIMEOUT, "systemctl does not answer")
    story.goes_on_for(60)
    held = story.store.read(story.path).recall(HELD, Held)
    assert held is not None
    assert (held.reason, held.why) == ("blind", story.said[-1].removeprefix("blind: "))
    story.killed_and_started_again()
    story.goes_on_for(60)
    assert story.store.read(story.path).recall(HELD, Held) == held
    story.host.faults.clear()
    story.goes_on_for(120)
    assert story.store.read(story.path).recall(HELD, Held) is None


def test_nobody_acts_when_systemd_cannot_be_asked(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.dockerd_process.frozen = True
    story.host.faults["service"] = HostFault(Fault.TIMEOUT, "systemctl does not answer")
    story.goes_on_for(300)
    assert story.acts == []
    assert story.said[-1].startswith("blind: ")


def test_a_daemon_that_nobody_may_ask_is_no_sick_daemon(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.faults["ping"] = HostFault(Fault.DENIED, "no permission on the socket")
    story.goes_on_for(300)
    assert story.acts == []
    assert story.incidents == []


def test_an_answer_of_500_is_life(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.status = 500
    story.goes_on_for(300)
    assert story.acts == []


def full_of_images(now: float) -> Survey:
    """Four images of 10 GB that nobody has used for a month."""
    images = [image(f"i{number}", [f"l{number}"], now - 30 * DAY + number) for number in range(4)]
    sizes = {f"dir of {each.chains[0]}": 10_000_000_000 for each in images}
    return survey(images, sizes=sizes)


def test_a_full_disk_is_pruned_and_the_daemon_is_not_restarted(tmp_path: Path) -> None:
    story = Story(tmp_path)
    root = story.host.all_places[Place.DATA_ROOT]
    story.host.disks[root] = disk_use(root, used_ratio=0.97)
    story.host.stock = full_of_images(story.host.now().wall)
    story.host.advance(4000)
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert story.climbed() == ["dump-stacks", "prune"]
    assert story.acts == [f"remove image sha256:i{number}" for number in range(2)]
    assert "volumes" not in " ".join(story.acts)
    assert story.incidents[0].outcome is Outcome.CURED


def store_of_images(story: Story, driver: str = imagestore.DRIVER) -> Path:
    """containerd's root is nearly full, on a file system of its own, with docker's images in it
    where that is their driver; the data-root has room."""
    store = story.host.all_places[Place.CONTAINERD]
    story.host.disks[store] = replace(disk_use(store, used_ratio=0.97), device=1)
    story.host.stock = replace(full_of_images(story.host.now().wall), driver=driver)
    story.host.advance(4000)
    return store


def test_images_in_containerds_own_file_system_are_given_back_when_that_is_full(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    store = store_of_images(story)
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert story.incidents[0].rule == "containerd-disk-full"
    assert story.climbed() == ["dump-stacks", "prune"]
    assert story.acts == [f"remove image sha256:i{number}" for number in range(2)]
    assert "given back on containerd's root" in story.attempts()[1].note
    assert story.incidents[0].outcome is Outcome.CURED
    assert story.host.disks[store].used_ratio <= 0.80


def test_no_image_goes_for_a_full_file_system_that_it_does_not_lie_on(tmp_path: Path) -> None:
    """Neither in the data-root for containerd's, nor in containerd's for the data-root, nor where
    the driver's directory in the data-root is another one."""
    story = Story(tmp_path / "a")
    store_of_images(story, "overlay2")
    story.goes_on_for(300)
    assert [each.rule for each in story.incidents] == ["containerd-disk-full"]
    assert story.acts == []
    other = Story(tmp_path / "b")
    store, root = store_of_images(other), other.host.all_places[Place.DATA_ROOT]
    other.host.disks[store] = replace(disk_use(store, used_ratio=0.5), device=1)
    other.host.disks[root] = disk_use(root, used_ratio=0.97)
    other.goes_on_for(300)
    assert [each.rule for each in other.incidents] == ["disk-full"]
    assert other.acts == []
    third = Story(tmp_path / "c")
    third.host.stock = full_of_images(third.host.now().wall)
    root = third.host.all_places[Place.DATA_ROOT]
    third.host.disks[root] = disk_use(root, used_ratio=0.97)
    third.host.disks[root / "overlay2"] = replace(disk_use(root, used_ratio=0.5), device=1)
    third.goes_on_for(300)
    assert [each.rule for each in third.incidents] == ["disk-full"]
    assert third.acts == []


def test_a_disk_that_fills_within_the_hour_is_given_room_before_it_is_full(tmp_path: Path) -> None:
    story = Story(tmp_path)
    root = story.host.all_places[Place.DATA_ROOT]
    story.host.stock = full_of_images(story.host.now().wall)
    door = Door(None)
    fullest = 0.0

    def fill() -> None:
        """Half a percent a minute; whoever removes something makes room below it."""
        nonlocal fullest
        seen = story.host.disks[root]
        used = min(1.0, seen.used_ratio + 0.005 / 6)
        fullest = max(fullest, used)
        known = door.followed(disk_use(root, used_ratio=used), story.host.now().mono)
        story.host.disks[root] = known
        story.host.world.after(10.0, fill)

    story.host.disks[root] = disk_use(root, used_ratio=0.70)
    fill()
    story.goes_on_until(
        lambda: bool(story.incidents and story.incidents[0].closed), within_s=4800.0
    )
    assert story.incidents[0].rule == "disk-full-soon"
    assert story.incidents[0].outcome is Outcome.CURED
    assert story.climbed() == ["dump-stacks", "prune"]
    assert fullest < 0.90
    assert story.host.disks[root].used_ratio <= 0.82


def test_soon_after_a_restart_no_dead_container_is_called_litter(tmp_path: Path) -> None:
    story = Story(tmp_path)
    root = story.host.all_places[Place.DATA_ROOT]
    story.host.disks[root] = disk_use(root, used_ratio=0.97)
    old = image("old", ["l"], story.host.now().wall - 30 * DAY)
    dead = box("dead", old, ended=old.touched)
    story.host.stock = survey([old, image("other", ["o"], old.touched)], [dead])
    story.goes_on_for(200)
    assert "remove image sha256:other" in story.acts
    assert "remove container dead" not in story.acts


def test_a_watchdog_killed_between_began_and_the_act_goes_on_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    story.host.dockerd_process.frozen = True
    opened = replace(incident(name="daemon-unresponsive", ident="20270115-080000-aaaa"))
    story.store.open_incident(opened)
    began = story.host.now().wall
    for rung, impact in (("dump-stacks", Impact.NONE), ("restart", Impact.CONTAINERS)):
        cut = replace(attempt(rung, ended=None, impact=impact), began=began)
        story.store.began(opened.id, cut)
    story.killed_and_started_again()
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert len(story.incidents) == 1
    assert "restart dockerd" not in story.acts
    assert story.climbed() == ["dump-stacks", "restart", "systemd-kill", "sigkill"]


@pytest.mark.parametrize("killed", [True, False])
def test_a_watchdog_killed_between_the_stop_and_the_start_starts_the_daemon(
    tmp_path: Path, killed: bool
) -> None:
    story = Story(tmp_path)
    opened = incident(name="daemon-unresponsive", ident="20270115-080000-aaaa")
    story.store.open_incident(opened)
    cut = replace(attempt("sigkill", ended=None), began=story.host.now().wall)
    story.store.began(opened.id, cut)
    story.host.dockerd.stop()
    if killed:
        story.host.dockerd.signal(signal.SIGKILL)
    story.host.advance(2)
    assert story.host.dockerd.active == ("failed" if killed else "inactive")
    story.killed_and_started_again()
    story.goes_on_until(lambda: story.host.serves(), within_s=120)
    assert "start" in story.climbed()


def test_a_storm_of_hangs_ends_in_a_call_for_people(tmp_path: Path) -> None:
    story = Story(tmp_path, Policy(cooldown_s=5))
    for _ in range(8):
        story.host.dockerd_process.frozen = True
        story.goes_on_for(60)
    assert sum("SIGKILL" in act for act in story.acts) < 5
    assert any("did not keep it well" in said for said in story.said)


def test_what_is_as_it_was_is_told_once_and_again_after_a_while(tmp_path: Path) -> None:
    story = Story(tmp_path, Policy(cooldown_s=600))
    log: list[str] = []
    news = News()

    def goes_on_for(seconds: float) -> None:
        end = story.host.now().mono + seconds
        while (now := story.host.now().mono) < end:
            sentence = story.watch.cycle()
            if news.is_news(story.watch.decision, sentence, now):
                log.append(sentence)
            story.host.advance(max(1.0, story.watch.pause_s()))

    goes_on_for(900)
    assert len(log) == 2
    assert all(said.startswith("well: ") for said in log)
    for _ in range(2):
        story.host.dockerd_process.frozen = True
        goes_on_for(100)
    assert sum(said.startswith("cool-down: ") for said in log) == 1
    assert log[-1].startswith("cool-down: ")


def test_evidence_that_cannot_be_kept_keeps_nobody_from_the_next_rung(tmp_path: Path) -> None:
    story = Story(tmp_path)
    full = HostFault(Fault.REFUSED, "cannot keep evidence: No space left on device")
    story.host.faults |= {"keep": full, "keep_copy": full}
    story.host.dockerd_process.hung = True
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    first = story.incidents[0].attempts[0]
    assert first.rung == "dump-stacks"
    assert first.evidence == ()
    assert first.note.startswith("kept 0 pieces of evidence (")
    for piece in ("state of the process", "journal of dockerd", "journal of containerd"):
        assert f"{piece}: {full.sentence}" in first.note
    assert "stays where it is" in first.note


def test_a_reboot_needs_the_policy_of_host(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.dockerd_process.held = True
    story.host.dockerd_process.state = "D"
    story.goes_on_for(900)
    assert not story.host.rebooted
    assert story.incidents[0].outcome is Outcome.GAVE_UP


def test_the_containers_that_ran_are_remembered_from_the_last_good_look(tmp_path: Path) -> None:
    story = Story(tmp_path)
    ran = Container("c1", "web", "running", "always", inspected=True)
    story.host.all_containers = [ran, Container("c2", "done", "exited")]
    story.goes_on_for(30)
    assert story.store.recall("running", tuple[Container, ...]) == (ran,)
    story.host.dockerd_process.frozen = True
    story.goes_on_for(6)
    assert story.watch.scene().running == (ran,)


def test_one_stuck_container_costs_its_shim_and_nothing_else(tmp_path: Path) -> None:
    story = Story(tmp_path)
    shim = story.host.world.spawn("containerd-shim")
    story.host.all_shims.append(shim)
    story.host.all_containers = [
        Container("c1", "stuck", "running"),
        Container("c2", "fine", "running"),
    ]
    story.goes_on_for(30)
    story.host.stuck["c1"] = shim.identity
    took = story.goes_on_until(lambda: bool(story.incidents))
    assert took < 60
    story.goes_on_until(lambda: bool(story.incidents[0].closed))
    assert story.climbed() == ["dump-stacks", "kill-shim"]
    assert [act for act in story.acts if "SIGKILL" in act] == ["signal containerd-shim SIGKILL"]


def test_without_live_restore_no_daemon_is_restarted_for_one_container(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.all_containers = [Container("c1", "stuck", "running")]
    story.goes_on_for(30)
    story.host.stuck["c1"] = Process(99_999, 1, "containerd-shim")
    story.goes_on_until(lambda: bool(story.incidents))
    story.goes_on_for(300)
    assert story.incidents[0].outcome is Outcome.GAVE_UP
    assert "live-restore is off" in story.incidents[0].why
    assert "restart dockerd" not in story.acts


def test_what_ran_before_runs_after_and_what_had_ended_stays_ended(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.all_containers = [
        Container("c1", "web", "running", "no", links=("db",)),
        Container("c2", "db", "running", "no"),
        Container("c3", "proxy", "running", "always"),
        Container("c4", "job", "running", "no"),
    ]
    story.goes_on_for(30)
    story.host.dockerd_process.frozen = True
    story.goes_on_until(lambda: bool(story.incidents))
    ended = replace(story.host.all_containers[3], state="exited", finished_at=1.0)
    story.host.all_containers[3] = ended
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    states = {each.name: each.state for each in story.host.all_containers}
    assert states == {"web": "running", "db": "running", "proxy": "running", "job": "exited"}
    starts = [act for act in story.acts if act.startswith("start_container")]
    assert starts == ["start_container c2", "start_container c1"]
    assert story.incidents[0].why.startswith("daemon-unresponsive: cured by sigkill")
    note = story.attempts()[-1].note
    assert note == "1 came back by themselves; started db, web; job had ended before"


def test_who_does_not_want_it_gets_no_container_started(tmp_path: Path) -> None:
    story = Story(tmp_path, Policy(bring_back=False))
    story.host.all_containers = [Container("c1", "web", "running", "no")]
    story.goes_on_for(30)
    story.host.dockerd_process.frozen = True
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert not [act for act in story.acts if act.startswith("start_container")]


def test_what_the_kernel_holds_is_told_and_left_alone_until_it_lets_go(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.dockerd_process.held = True  # one thread; the others answer
    took = story.goes_on_until(lambda: bool(story.incidents))
    assert took < 60
    story.goes_on_for(600)
    assert story.acts == []
    assert [each.rule for each in story.incidents] == ["kernel-holds-daemon"]
    assert "percpu_rwsem_wait (a frozen file system" in story.incidents[0].says
    story.host.release()
    story.goes_on_for(60)
    assert story.incidents[0].outcome is Outcome.PASSED


def test_a_daemon_that_the_kernel_holds_and_that_answers_nobody_is_not_killed(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    live = story.host.dockerd_process
    live.held, live.hung = True, True
    story.goes_on_for(300)
    assert story.acts == ["signal dockerd SIGUSR1"]
    hung = next(each for each in story.incidents if each.rule == "daemon-unresponsive")
    assert hung.outcome is Outcome.GAVE_UP
    assert "a kill would only leave a zombie" in hung.why
    assert any(said.startswith("waiting: dockerd (pid") for said in story.said)


def test_a_daemon_that_waits_for_its_disk_for_a_moment_is_healed_when_it_hangs(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    live = story.host.dockerd_process
    live.held, live.hung = True, True
    story.goes_on_for(15)
    live.held = False
    story.goes_on_until(lambda: any(each.closed for each in story.incidents))
    assert story.climbed() == ["dump-stacks", "restart"]


def test_the_shim_of_a_container_that_the_kernel_holds_is_not_killed(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.engine = replace(story.host.engine, live_restore=True)
    shim = story.host.world.spawn("containerd-shim")
    story.host.all_shims.append(shim)
    story.host.all_containers = [Container("c1", "stuck", "running")]
    story.goes_on_for(30)
    story.host.stuck["c1"] = shim.identity
    story.host.held_container = HeldThread(
        Whose.CONTAINER, Process(50, 5, "cat"), 50, "rpc_wait_bit_killable", 130.0, "stuck"
    )
    story.goes_on_for(300)
    assert not [act for act in story.acts if "SIGKILL" in act or "restart" in act]
    assert "would wait for it at its start" in story.incidents[0].why
    assert {"container-stuck", "kernel-holds-container"} <= {
        each.rule
        for each in story.watch.judgement.verdict.findings  # type: ignore[union-attr]
    }


def test_a_daemon_that_fails_to_start_is_told_with_its_own_first_words(tmp_path: Path) -> None:
    story = Story(tmp_path)
    why = "unable to configure the Docker daemon with file /etc/docker/daemon.json: invalid"
    story.host.tidings = JournalTally(first_error=why, cause="bad_config")
    story.host.dockerd.start_fails = "exit-code"
    story.host.crash()
    story.goes_on_for(120)
    down = next(each for each in story.incidents if each.rule == "daemon-down")
    assert why in down.says
    assert why in down.why
    assert down.outcome is Outcome.GAVE_UP
    assert "bad-daemon-json" in {each.rule for each in story.incidents}
    assert not [act for act in story.acts if act.startswith(("start", "restart"))]


def test_a_message_in_the_journal_is_never_a_reason_to_act(tmp_path: Path) -> None:
    story = Story(tmp_path)
    names = [signature.name for signature in SIGNATURES]
    story.host.tidings = JournalTally(
        counts_1h=dict.fromkeys(names, 99), last=dict.fromkeys(names, "it said so")
    )
    story.host.kernel_log = KernelTraces(
        log_known=True,
        hung_tasks_1h=9,
        netdev_waits_20m=9,
        oom_kills_1h=9,
        fs_errors_1h=9,
        silent_nfs="nas",
        data_root_read_only=True,
    )
    story.goes_on_for(600)
    assert story.acts == []
    assert [each.rule for each in story.incidents] == ["data-root-read-only"]


def test_who_runs_is_remembered_also_while_something_is_only_told(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.tidings = JournalTally(counts_1h={"no_space": 1}, last={"no_space": "x"})
    ran = Container("c1", "web", "running", "always", inspected=True)
    story.host.all_containers = [ran]
    story.goes_on_for(30)
    assert story.watch.scene().running == (ran,)


def leaks_for(story: Story, minutes: int, clients: bool) -> None:
    """Memory grows by 20 MiB a minute and, with `clients`, so do listeners and goroutines."""
    for _ in range(minutes):
        story.host.dockerd_process.rss_bytes += 20 << 20
        if clients:
            seen = story.host.engine
            story.host.engine = replace(
                seen, listeners=seen.listeners + 20, goroutines=seen.goroutines + 40
            )
        story.goes_on_for(60)


def rules_found(story: Story) -> set[str]:
    assert story.watch.judgement is not None
    return {finding.rule for finding in story.watch.judgement.verdict.findings}


def test_memory_that_grows_with_its_clients_is_called_a_leak_and_told(tmp_path: Path) -> None:
    story = Story(tmp_path)
    leaks_for(story, 45, clients=True)
    assert "memory-leak" in rules_found(story)
    told = next(said for said in story.said if said.startswith("told: dockerd's memory grows"))
    assert "event listeners (clients of `docker events`) an hour" in told
    assert story.acts == []


def test_memory_that_grows_alone_is_no_leak_by_our_word(tmp_path: Path) -> None:
    story = Story(tmp_path)
    leaks_for(story, 45, clients=False)
    assert story.watch.judgement is not None
    assert float(story.watch.judgement.readings["trend.rss_growth_bytes"]) > 64 << 20
    assert not {"memory-leak", "memory-leak-of-version"} & rules_found(story)


def test_a_version_that_is_known_to_leak_is_named(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.host.engine = replace(story.host.engine, version="27.0.3")
    leaks_for(story, 45, clients=False)
    assert "memory-leak-of-version" in rules_found(story)
    assert story.acts == []


def test_live_restore_is_still_known_while_the_daemon_hangs(tmp_path: Path) -> None:
    story = Story(tmp_path, Policy(max_impact=Impact.DAEMON))
    story.host.engine = replace(story.host.engine, live_restore=True)
    story.host.closeup.daemon_json('{"live-restore": true}')
    story.goes_on_for(60)
    story.host.dockerd_process.frozen = True
    story.killed_and_started_again()
    story.goes_on_until(lambda: bool(story.incidents and story.incidents[0].closed))
    assert story.incidents[0].outcome is Outcome.CURED
    assert {attempt.impact for attempt in story.attempts()} == {Impact.NONE, Impact.DAEMON}
