"""What is given back of a full disk: the least regretted first, no more than needed, nothing
protected ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dockerdoctor.allowed import Allowed
from dockerdoctor.cli.reclaimtext import plan_text
from dockerdoctor.errors import HostFault
from dockerdoctor.host.nouns import DiskUse
from dockerdoctor.host.storage.facts import Box, Image, Kind, Removal, Survey, Tree, Usage, Volume
from dockerdoctor.model import Fault
from dockerdoctor.reclaim import Done, Plan, Room, carry_out, low_enough, need, plan
from dockerdoctor.regret import CRUMBS
from tests.fakehost import FakeHost
from tests.stock import DAY, MIB, NOW, OLD, box, image, survey

ALL = Allowed(start_ratio=0.0, stop_ratio=0.01)
"""Everything that may go goes."""


def use(used: float, total: int = 1000 * MIB, inodes: float = 0.1) -> DiskUse:
    return DiskUse(Path("/d"), total, int(total * (1 - used)), used, inodes, 100_000)


def planned(
    found: Survey,
    allowed: Allowed = ALL,
    used: float = 0.95,
    uses: dict[str, float] | None = None,
    steady: bool = True,
) -> Plan:
    return plan(found, use(used), allowed, uses or {}, NOW, steady)


def names(told: Plan) -> list[str]:
    return [step.name for step in told.steps]


def test_need_is_what_is_above_the_stop_mark_of_bytes_and_of_inodes() -> None:
    assert need(use(0.9), 0.8).bytes == pytest.approx(100 * MIB, abs=2)
    assert need(use(0.5, inodes=0.9), 0.8).bytes == 0
    assert need(use(0.5, inodes=0.9), 0.8).inodes == pytest.approx(10_000, abs=2)
    assert need(DiskUse(Path("/d"), 100, 0, 1.0, 0.0), 0.8) == Usage(20, 0)


def test_below_the_start_mark_nothing_is_planned() -> None:
    told = planned(survey([image("a", ["a"])]), Allowed(), used=0.84)
    assert not told.full
    assert told.steps == ()


def test_least_regretted_first_and_least_recently_used_first_among_them() -> None:
    images = [
        image("new", ["n"], OLD + DAY),
        image("old", ["o"]),
        image("none", ["d"], tagged=False),
        image("used", ["u"]),
    ]
    boxes = [
        box("late", images[3], ended=OLD + 1),
        box("early", images[3], ended=OLD),
        box("runs", images[3], "running", 0.0),
    ]
    found = survey(images, boxes, cached={"c": MIB})
    assert [(step.what.kind, step.name) for step in planned(found).steps] == [
        (Kind.CONTAINER, "early"),
        (Kind.CONTAINER, "late"),
        (Kind.DANGLING, "none"),
        (Kind.CACHE, "(oldest first)"),
        (Kind.IMAGE, "old:latest"),
        (Kind.IMAGE, "new:latest"),
    ]


def test_it_ends_when_the_target_is_met() -> None:
    found = survey([image(f"i{number:02}", [f"l{number}"]) for number in range(20)])
    told = plan(found, use(0.9), replace(ALL, stop_ratio=0.897), {}, NOW)
    assert told.need.bytes == pytest.approx(3 * MIB, abs=1)
    assert len(told.steps) in (3, 4)
    assert told.short == Usage(0, 0)


def test_inodes_alone_call_for_room_too() -> None:
    found = survey([image(f"i{number}", [f"l{number}"]) for number in range(9)])
    allowed = Allowed(start_ratio=0.85, stop_ratio=0.85)
    told = plan(found, use(0.2, inodes=0.8502), allowed, {}, NOW)
    assert told.full
    assert told.need.bytes == 0
    assert 19 <= told.need.inodes <= 21
    assert len(told.steps) in (2, 3)


def test_inodes_that_nobody_tells_beforehand_are_not_said_to_be_too_few() -> None:
    """As of containerd's image store, or before anything was measured."""
    brimful, allowed, where = use(0.2, inodes=1.0), Allowed(), Room(Path("/d"), "d", tuple(Kind))
    for measured, said in ((True, "Not enough: "), (False, "is not known beforehand")):
        told = plan(survey([image("a", ["a"])], measured=measured), brimful, allowed, {}, NOW)
        assert said in plan_text(told, where, brimful, allowed, NOW, None)


def test_an_image_seen_in_use_lately_is_young() -> None:
    found = survey([image("a", ["a"]), image("b", ["b"])])
    assert names(planned(found, uses={"a": NOW - 60})) == ["b:latest"]
    assert names(planned(found, uses={"sha256:a": NOW - 60})) == ["b:latest"]
    assert names(planned(found, uses={"a:latest": OLD + 2 * DAY})) == ["b:latest", "a:latest"]


def test_a_layer_goes_with_the_last_image_that_has_it() -> None:
    both = [image("a", ["base", "a"]), image("b", ["base"], OLD + DAY)]
    told = planned(survey(both))
    assert [(step.name, step.frees.bytes) for step in told.steps] == [
        ("a:latest", MIB),
        ("b:latest", MIB),
    ]


def test_an_image_that_gives_nothing_back_is_left_alone() -> None:
    young = image("young", ["base", "y"], NOW)
    assert names(planned(survey([image("old", ["base"]), young]))) == []
    twice = [image("one", ["base"]), image("two", ["base"], OLD + 1)]
    told = planned(survey(twice))
    assert names(told) == ["one:latest", "two:latest"]
    assert told.frees.bytes == MIB


def test_layers_of_the_build_cache_are_freed_only_when_it_gives_them_up() -> None:
    built = image("built", ["b"], tagged=False)
    found = survey([built], cached={"c": MIB}, cached_chains=built.chains)
    told = planned(found)
    assert [(step.name, step.frees.bytes) for step in told.steps] == [
        ("(oldest first)", MIB),
        ("built", MIB),
    ]


def test_no_more_build_cache_than_needed() -> None:
    found = survey([image("a", ["a"])], cached={"c": 300 * MIB})
    told = planned(found, Allowed(), used=0.9)
    assert len(told.steps) == 1
    assert told.steps[0].what.keep_bytes == pytest.approx(200 * MIB, abs=2)
    assert told.frees.bytes == told.need.bytes


def test_a_step_of_the_classic_builder_goes_with_what_was_built_of_it() -> None:
    step = image("step", ["base", "s"], tagged=False)
    final = image("final", ["base", "s", "f"], parent=step.id)
    told = planned(survey([step, final]))
    assert names(told) == ["final:latest"]
    assert told.frees.bytes == 3 * MIB


def test_soon_after_a_start_no_container_is_litter() -> None:
    one = image("a", ["a"])
    found = survey([one], [box("b", one)])
    assert names(planned(found, steady=False)) == []
    assert names(planned(found)) == ["b"]


def test_a_container_that_cannot_be_read_spares_all_images_and_volumes() -> None:
    lost = Box("x", "x", "", "unknown")
    volume = Volume("a" * 64, Usage(MIB, 2), True, OLD)
    found = survey([image("a", ["a"])], volumes=[volume])
    found = replace(found, boxes={"x": lost})
    assert planned(found, replace(ALL, anonymous_volumes=True)).steps == ()


def test_logs_and_anonymous_volumes_go_only_where_that_is_allowed() -> None:
    one = image("a", ["a"])
    runs = box("runs", one, "running", 0.0, log_driver="json-file")
    volume = Volume("a" * 64, Usage(MIB, 2), True, OLD)
    named = Volume("precious", Usage(MIB, 2), False, OLD)
    found = survey([one], [runs], [volume, named], logs={"runs": 50 * MIB})
    assert planned(found).steps == ()
    told = planned(found, replace(ALL, cut_logs=True, anonymous_volumes=True))
    assert [(step.what.kind, step.frees.bytes) for step in told.steps] == [
        (Kind.LOG, 40 * MIB),
        (Kind.VOLUME, MIB),
    ]


def test_on_a_brimful_disk_some_nameless_images_go_before_the_cache_that_has_their_layers() -> None:
    """BuildKit cannot write down what it removes, until some kB are free."""
    layers = [f"l{number}" for number in range(20)]
    nameless = [image(f"of {layer}", [layer], tagged=False) for layer in layers]
    found = survey(nameless, cached={"c": 900 * MIB}, cached_chains=layers)
    assert plan(found, use(0.5), ALL, {}, NOW).steps[0].what.kind is Kind.CACHE
    told = plan(found, use(1.0), Allowed(), {}, NOW)
    kinds = [step.what.kind for step in told.steps]
    assert kinds == [*[Kind.DANGLING] * CRUMBS, Kind.CACHE]


def test_what_could_not_be_removed_stands_in_nobodys_way() -> None:
    found = survey([image("a", ["a"]), image("b", ["b"])])
    little = use(0.0105, inodes=0.0)
    told = plan(found, little, ALL, {}, NOW)
    assert names(told) == ["a:latest"]
    told = plan(found, little, ALL, {}, NOW, without=[told.steps[0].what.ident])
    assert names(told) == ["b:latest"]


def test_no_log_is_cut_for_the_sake_of_inodes() -> None:
    runs = box("runs", image("a", ["a"]), "running", 0.0, log_driver="json-file")
    found = survey([image("a", ["a"])], [runs], logs={"runs": 50 * MIB})
    told = plan(found, use(0.2, inodes=0.97), Allowed(cut_logs=True), {}, NOW)
    assert told.need.inodes
    assert told.steps == ()


def test_what_is_spared_is_told_with_the_reason() -> None:
    images = [image("a", ["a"], NOW), image("b", ["b"], kept=True), image("c", ["c"])]
    told = planned(survey(images), replace(ALL, keep=("c:*",)))
    assert dict(told.spared) == {
        "younger than the grace time": 1,
        "kept by a label or by name": 2,
    }


@pytest.mark.parametrize(
    ("kept", "name", "stays"),
    [
        ("postgres", "postgres:16", True),
        ("docker.io/library/postgres:*", "postgres:16", True),
        ("docker.io/team/*", "team/web:1", True),
        ("host:5000/web", "host:5000/web:1", True),
        ("host:5000/web", "host:5000/web@sha256:" + "0" * 64, True),
        ("postgres:16", "postgres:17", False),
        ("host", "host:5000/web:1", False),
        ("web", "team/web:1", False),
    ],
)
def test_an_image_is_kept_by_each_name_that_people_call_it(
    kept: str, name: str, stays: bool
) -> None:
    found = survey([replace(image("a", ["a"]), tags=(name,))])
    assert bool(planned(found, replace(ALL, keep=(kept,))).steps) is not stays


times = st.sampled_from([OLD, OLD + DAY, NOW - DAY - 1, NOW - DAY, NOW - 3600, NOW, 0.0])
flags = st.booleans()


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    count = draw(st.integers(1, 6))
    images: list[Image] = []
    for number in range(count):
        layers = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True))
        parent = draw(st.sampled_from(["", *(each.id for each in images)]))
        tagged = draw(flags)
        made = image(f"i{number}", layers, draw(times), tagged, parent=parent, kept=draw(flags))
        images.append(made)
    boxes = [
        box(
            f"b{number}",
            draw(st.sampled_from(images)),
            draw(st.sampled_from(["running", "exited", "created", "dead", "paused", "unknown"])),
            draw(times),
            restart_policy=draw(st.sampled_from(["no", "always", "unless-stopped", "on-failure"])),
            volumes=tuple(draw(st.lists(st.sampled_from(["a" * 64, "named"]), max_size=2))),
            log_driver=draw(st.sampled_from(["json-file", "local"])),
            log_rotates=draw(flags),
            kept=draw(flags),
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    if draw(st.sampled_from([False, False, False, True])):
        boxes.append(Box("lost", "lost", "", "unknown"))  # neither files nor layers tell of it
    volumes = [
        Volume(name, Usage(MIB, 2), len(name) == 64, draw(times))
        for name in ("a" * 64, "b" * 64, "named", "kept")
    ]
    leftovers = draw(st.sets(st.sampled_from(["GetImageBlob1", "docker-builder2"])))
    tmp = {name: Tree(Usage(MIB, 1), draw(times)) for name in leftovers}
    found = survey(
        images,
        boxes,
        volumes,
        logs={each.id: draw(st.sampled_from([0, 50 * MIB])) for each in boxes},
        cached={"c": 3 * MIB} if draw(flags) else {},
        cached_chains=draw(st.sampled_from([(), images[0].chains])),
        measured=draw(flags),
        strange={name: draw(times) for name in draw(st.sets(st.sampled_from(["x", "y", "z"])))},
    )
    return replace(found, tmp=tmp)


@st.composite
def allowances(draw: st.DrawFn) -> Allowed:
    return replace(
        ALL,
        keep=("i5:*", "b3", "bbbb*"),
        cut_logs=draw(flags),
        anonymous_volumes=draw(flags),
        orphans=draw(flags),
        orphan_age_s=draw(st.sampled_from([0.0, DAY, 7 * DAY])),
        grace_s=draw(st.sampled_from([0.0, DAY, 40 * DAY])),
    )


@given(
    found=surveys(),
    used=st.floats(0.02, 1.0),
    allowed=allowances(),
    steady=flags,
    daemon=flags,
    uses=st.dictionaries(st.sampled_from(["i0", "i1:latest", "sha256:i2"]), times),
)
def test_nothing_protected_is_ever_chosen(
    found: Survey,
    used: float,
    allowed: Allowed,
    steady: bool,
    daemon: bool,
    uses: dict[str, float],
) -> None:
    told = plan(found, use(used), allowed, uses, NOW, steady, daemon)
    young = NOW - allowed.grace_s
    chosen: dict[Kind, set[str]] = {kind: set() for kind in Kind}
    for step in told.steps:
        assert step.what.ident not in chosen[step.what.kind]
        chosen[step.what.kind].add(step.what.ident)
    for ident in chosen[Kind.CONTAINER]:
        gone = found.boxes[ident]
        assert gone.state in ("exited", "dead")
        assert gone.restart_policy not in ("always", "unless-stopped")
        assert 0 < gone.ended < young
        assert steady
        assert not gone.kept
        assert gone.name != "b3"
    gone_images = chosen[Kind.IMAGE] | chosen[Kind.DANGLING]
    for ident in gone_images:
        lost = found.images[ident]
        assert ident not in {each.image for each in found.boxes.values()}
        assert not lost.kept
        assert lost.touched < young
        assert lost.tags != ("i5:latest",)
        name = ident.removeprefix("sha256:")
        assert all(uses.get(each, 0.0) < young for each in (name, f"{name}:latest", ident))
        children = {each.id for each in found.images.values() if each.parent == ident}
        assert children <= gone_images
    boxes = found.boxes.values()
    assert not gone_images or all(each.image or each.id in found.mounts for each in boxes)
    assert not chosen[Kind.LOG] or allowed.cut_logs
    for ident in chosen[Kind.LOG]:
        cut = found.boxes[ident]
        assert (cut.log_driver, cut.log_rotates, cut.kept) == ("json-file", False, False)
        assert cut.name != "b3"
    assert not chosen[Kind.VOLUME] or allowed.anonymous_volumes
    for ident in chosen[Kind.VOLUME]:
        assert ident == "a" * 64  # named, or kept by a glob: the others
        assert found.volumes[ident].touched < young
        assert not any(ident in each.volumes or each.state == "unknown" for each in boxes)
    assert not chosen[Kind.ORPHAN] or allowed.orphans
    for ident in chosen[Kind.ORPHAN]:
        assert ident in "xyz"
        assert found.trees[ident].born <= NOW - allowed.orphan_age_s
    assert not chosen[Kind.TMP] or allowed.orphans
    for ident in chosen[Kind.TMP]:
        assert found.tmp[ident].born <= NOW - allowed.orphan_age_s
    if not daemon:
        assert {step.what.kind for step in told.steps} <= {Kind.LOG, Kind.ORPHAN, Kind.TMP}
    below = {mount.parent for mount in found.mounts.values()}
    assert all(found.images[ident].chains[-1] not in below for ident in gone_images)


@given(found=surveys(), used=st.floats(0.02, 1.0))
def test_no_step_is_planned_once_the_target_is_met(found: Survey, used: float) -> None:
    told = plan(found, use(used), ALL, {}, NOW)
    if told.steps:
        before = Usage(
            sum(step.frees.bytes for step in told.steps[:-1]),
            sum(step.frees.inodes for step in told.steps[:-1]),
        )
        assert before.bytes < told.need.bytes or before.inodes < told.need.inodes
    assert told.frees.bytes + told.short.bytes >= told.need.bytes


@given(found=surveys(), used=st.floats(0.02, 1.0), allowed=allowances())
def test_whatever_is_planned_is_done_in_that_order_and_nothing_else(
    found: Survey, used: float, allowed: Allowed, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host = FakeHost(tmp_path_factory.getbasetemp())
    host.stock = found
    told = plan(found, use(used), allowed, {}, NOW)
    done = carry_out(told.steps, host, lambda: False)
    assert [each.step for each in done] == list(told.steps)
    wanted = [f"remove {step.what.kind} {step.what.ident}" for step in told.steps]
    assert host.ledger == wanted
    gone = {step.what.ident for step in told.steps}
    assert found.images.keys() - host.stock.images.keys() <= gone
    assert found.boxes.keys() - host.stock.boxes.keys() <= gone


def test_what_is_planned_is_what_is_done(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    found = survey([image(f"i{number}", [f"l{number}"]) for number in range(5)])
    host.stock = found
    told = planned(found)
    done = carry_out(told.steps, host, lambda: False)
    assert [each.step for each in done] == list(told.steps)
    assert host.ledger == [f"remove image sha256:i{number}" for number in range(5)]
    assert host.stock.images == {}


def test_it_stops_as_soon_as_there_is_room(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.stock = survey([image(f"i{number}", [f"l{number}"]) for number in range(5)])
    told = planned(host.stock)
    seen: list[Done] = []
    done = carry_out(told.steps, host, lambda: len(seen) == 2, ended=seen.append)
    assert len(done) == 2


def test_a_daemon_that_hangs_is_asked_nothing_more(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.stock = survey([image(f"i{number}", [f"l{number}"]) for number in range(5)])
    host.dockerd_process.frozen = True
    done = carry_out(planned(host.stock).steps, host, lambda: False)
    assert len(done) == 1
    assert "no answer" in done[0].why


class LateHost(FakeHost):
    """Some things hang when they are to be removed, and the daemon is well."""

    late: tuple[str, ...] = ()

    def remove(self, what: Removal, timeout_s: float) -> str:
        if what.ident in self.late:
            raise HostFault(Fault.TIMEOUT, f"no answer within {timeout_s:g} s")
        return super().remove(what, timeout_s)


def test_one_thing_that_hangs_does_not_keep_what_is_of_another_kind(tmp_path: Path) -> None:
    host = LateHost(tmp_path)
    images = [image(f"i{number}", [f"l{number}"]) for number in range(4)]
    host.stock = survey(images, [box("c1", images[0]), box("c2", images[0])])
    steps = planned(host.stock).steps
    kinds = [step.what.kind for step in steps]
    assert kinds[:3] == [Kind.CONTAINER, Kind.CONTAINER, Kind.IMAGE]
    assert Kind.CONTAINER not in kinds[2:]
    host.late = (steps[0].what.ident,)
    done = carry_out(steps, host, lambda: False)
    assert [(each.step, each.late) for each in done] == [
        (steps[0], True),
        *((step, False) for step in steps[2:]),
    ]


class BusyHost(FakeHost):
    """Another prune runs for the first two tries."""

    tries = 0

    def remove(self, what: object, timeout_s: float) -> str:
        self.tries += 1
        if self.tries < 3:
            raise HostFault(Fault.REFUSED, "a prune is already running")
        return ""


def test_a_prune_of_somebody_else_is_waited_for(tmp_path: Path) -> None:
    host = BusyHost(tmp_path)
    told = planned(survey([image("a", ["a"])]))
    assert carry_out(told.steps, host, lambda: False) == (Done(told.steps[0]),)
    assert host.tries == 3


def test_enough_is_both_bytes_and_inodes() -> None:
    assert low_enough(use(0.8, inodes=0.8), Allowed())
    assert not low_enough(use(0.1, inodes=0.81), Allowed())
    assert not low_enough(use(0.81), Allowed())
