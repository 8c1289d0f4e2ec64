"""kill -9 of the watchdog, at each place of each climb: the next one goes on and ends it well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dockerdoctor.host.nouns import Container, Place, Service
from dockerdoctor.host.traces import Doubled, Firewall
from dockerdoctor.model import Incident, Policy
from dockerdoctor.recover import BRING_BACK
from tests.fakehost import disk_use
from tests.fakemachine import Killed
from tests.stock import DAY, image, survey
from tests.story import Story

HAIRPIN = "-A POSTROUTING -s 172.17.0.9/32 -d 172.17.0.9/32 -p tcp -m tcp --dport 80 -j MASQUERADE"
MOST = 200
"""Places in one climb."""


def freeze(story: Story) -> None:
    story.host.dockerd_process.frozen = True


def hang(story: Story) -> None:
    """Its shutdown hangs as well, until systemd ends it."""
    story.host.dockerd_process.hung = True
    story.host.dockerd_process.end_takes_s = float("inf")
    story.host.dockerd.stop_timeout_s = 10.0


def stop_containerd(story: Story) -> None:
    story.host.containerd_process.state = "T"


def hold_a_lock(story: Story) -> None:
    shim = story.host.world.spawn("containerd-shim")
    story.host.all_shims.append(shim)
    story.host.stuck["web"] = shim.identity


def take_its_pid(story: Story) -> None:
    story.host.has_its_pid_taken()


def leave_a_proxy(story: Story) -> None:
    story.host.leaves_a_proxy(18081)


def double_rules(story: Story) -> None:
    story.host.rules = Firewall(60, (Doubled("nat", HAIRPIN, 15),))


def fill_the_disk(story: Story) -> None:
    root = story.host.all_places[Place.DATA_ROOT]
    story.host.disks[root] = disk_use(root, used_ratio=0.97)
    now = story.host.now().wall
    images = [image(f"i{number}", [f"l{number}"], now - 30 * DAY + number) for number in range(4)]
    sizes = {f"dir of {each.chains[0]}": 10_000_000_000 for each in images}
    story.host.stock = survey(images, sizes=sizes)


TROUBLES = (
    *(freeze, hang, stop_containerd, hold_a_lock, take_its_pid),
    *(leave_a_proxy, double_rules, fill_the_disk),
)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_wherever_it_is_killed_the_next_one_ends_what_was_begun(
    tmp_path: Path, trouble: Callable[[Story], None]
) -> None:
    places = 0
    while places < MOST and was_killed_at(tmp_path / str(places), trouble, places):
        places += 1
    assert 3 <= places < MOST


def was_killed_at(directory: Path, trouble: Callable[[Story], None], place: int) -> bool:
    """Whether the story has so many places. At its end all is well, and nothing was done twice."""
    story = Story(directory, Policy(cooldown_s=0.0))
    story.host.all_containers = [Container("web", "web", "running", "no")]
    story.host.advance(4000)
    story.goes_on_for(30)
    trouble(story)
    story.host.acts_to_live = place
    killed = False
    try:
        story.goes_on_until(lambda: is_over(story))
    except Killed:
        killed = True
        story.killed_and_started_again()
        story.goes_on_until(lambda: is_over(story))
    story.host.acts_to_live = None
    story.goes_on_for(60)
    assert story.host.serves()
    assert story.host.containerd_serves()
    assert story.host.units[Service.SOCKET].active == "active"
    if trouble is not hold_a_lock:
        assert story.host.all_containers[0].state == "running"
    assert not story.host.rebooted
    for incident in story.incidents:
        assert again(incident) <= {*cut_short(incident), "start", BRING_BACK}
    return killed


def again(incident: Incident) -> set[str]:
    """What was climbed more than once."""
    climbed = Counter(each.rung for each in incident.attempts if not each.skipped)
    return {rung for rung, times in climbed.items() if times > 1}


def cut_short(incident: Incident) -> set[str]:
    return {each.rung for each in incident.attempts if each.ended is None}


def is_over(story: Story) -> bool:
    return bool(story.incidents) and all(each.closed for each in story.incidents)
