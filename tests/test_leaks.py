"""Stories of a leak that is beyond what a host can bear, and of a peak that only looks like one."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from dockerdoctor.model import Outcome
from tests.story import Story


def leaks_beyond_six_gib(story: Story, live_restore: bool, grows: bool = True) -> None:
    """20 MiB a minute on top of 6 GiB, with its clients if it `grows`."""
    story.host.engine = replace(story.host.engine, live_restore=live_restore)
    if live_restore:
        story.host.closeup.daemon_json('{"live-restore": true}')
    story.host.dockerd_process.rss_bytes = 6 << 30
    for _ in range(60):
        if story.acts:
            return
        story.host.dockerd_process.rss_bytes += 20 << 20
        if grows:
            seen = story.host.engine
            story.host.engine = replace(seen, listeners=seen.listeners + 20)
        story.goes_on_for(60)


def test_a_leak_that_the_host_cannot_bear_is_ended_where_containers_go_on(tmp_path: Path) -> None:
    story = Story(tmp_path)
    leaks_beyond_six_gib(story, live_restore=True)
    story.goes_on_until(lambda: bool(story.incidents[-1].closed))
    incident = next(each for each in story.incidents if each.rule == "memory-leak-critical")
    assert incident.outcome is Outcome.CURED
    assert [each.rung for each in incident.attempts] == ["dump-stacks", "restart-if-live"]
    assert "the host swaps in " in incident.says
    assert story.acts == ["restart dockerd"]


def test_a_leak_is_told_with_the_time_that_is_left(tmp_path: Path) -> None:
    story = Story(tmp_path)
    leaks_beyond_six_gib(story, live_restore=False)
    told = {each.rule: each.says for each in story.watch.judgement.verdict.findings}  # type: ignore[union-attr]
    assert "it has 6 GiB in 0 ms, the host swaps in " in told["memory-leak"]


def test_no_leak_costs_a_container(tmp_path: Path) -> None:
    story = Story(tmp_path)
    leaks_beyond_six_gib(story, live_restore=False)
    assert story.acts == []
    incident = next(each for each in story.incidents if each.rule == "memory-leak-critical")
    assert incident.outcome is Outcome.GAVE_UP
    assert "live-restore is off" in incident.why


def test_much_memory_that_grows_alone_is_no_reason_to_act(tmp_path: Path) -> None:
    story = Story(tmp_path)
    leaks_beyond_six_gib(story, live_restore=True, grows=False)
    assert story.acts == []


def test_no_leak_is_ended_in_the_middle_of_a_build(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.goes_on_for(1800)
    story.host.live_builds = 1
    leaks_beyond_six_gib(story, live_restore=True)
    waited = [said for said in story.said if said.startswith("building: an image is being built")]
    assert waited
    began = next(each for each in story.incidents if each.rule == "memory-leak-critical")
    assert story.acts == [] or began.attempts[-1].began > began.opened + 60
