"""What of a data-root may go at all, in the order of regret; and why the rest stays. Pure.

In: a `Scene`. Out: stages of steps, each least recently used first. In use, kept by a label or a
name, younger than the grace time: never. Named volumes: never.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeAlias

from msgspec import Struct

from dockerdoctor.account import cache_names, image_name, orphans
from dockerdoctor.allowed import ANY, Allowed, Step, kept_by_name
from dockerdoctor.host.nouns import COMES_BACK
from dockerdoctor.host.storage.facts import (
    NOTHING,
    Box,
    Image,
    Kind,
    Removal,
    Survey,
    Usage,
    Volume,
    sum_of,
)
from dockerdoctor.host.storage.layerdb import NAME, familiar, on_a_line

CUT_COSTS = (
    "older lines are lost; who follows it goes on, and `docker logs` needs --tail N from then on"
)
SHORT = re.compile(r"[0-9a-f]{1,63}")
"""What may be the beginning of an image's id."""
CRUMBS = 16
"""Images with some 10 kB each in the image database: BuildKit writes several pages of 4 kB."""
MIN_LOG = 1 << 20
"""A log that would give back less than this is left alone."""


class Scene(Struct, frozen=True):
    """What is decided by. What was used since `before` is too young; not `steady`: the daemon
    started a short while ago, so that stopped containers may be on their way back. Only `kinds`
    give back anything where room is wanted; `brimful`: nothing can be written there."""

    survey: Survey
    allowed: Allowed
    uses: Mapping[str, float]
    before: float
    steady: bool
    spared: Counter[str]
    kinds: Collection[Kind] = tuple(Kind)
    brimful: bool = False


Stage: TypeAlias = Callable[[Usage], Iterator[Step]]
"""Told what is still to be freed, it gives what may go."""


def stages(scene: Scene, daemon: bool = True) -> list[Stage]:
    """In the order of regret; each is asked only when those before were not enough. `daemon` False:
    only those that need none."""
    images, allowed = Images(scene), scene.allowed
    known: list[tuple[Kind, bool, Stage]] = [
        (Kind.ORPHAN, allowed.orphans, lambda _: lost(scene)),
        (Kind.CONTAINER, daemon, lambda _: boxes(scene)),
        (Kind.DANGLING, daemon, lambda _: images.steps(dangling=True)),
        (Kind.DANGLING, daemon and scene.brimful, lambda _: images.crumbs()),
        (Kind.CACHE, daemon, lambda left: cache(scene, left, images)),
        (Kind.IMAGE, daemon, lambda _: images.steps(dangling=False)),
        (Kind.LOG, allowed.cut_logs, lambda left: logs(scene) if left.bytes else iter(())),
        (Kind.VOLUME, allowed.anonymous_volumes and daemon, lambda _: volumes(scene)),
    ]
    return [stage for kind, may, stage in known if may and kind in scene.kinds]


def spare(scene: Scene, why: str) -> bool:
    """Counts what is spared; whether there is a reason to."""
    if why:
        scene.spared[why] += 1
    return bool(why)


def lost(scene: Scene) -> Iterator[Step]:
    """What nothing knows, in tmp and of overlay2, the oldest first: nobody can miss it."""
    survey, age_s = scene.survey, scene.allowed.orphan_age_s
    found = {Kind.TMP: survey.tmp}
    if survey.driver == "overlay2":
        names = (name for name in orphans(survey, age_s) if NAME.fullmatch(name))
        found[Kind.ORPHAN] = {name: survey.trees[name] for name in names}
    for kind, trees in found.items():
        for name, tree in sorted(trees.items(), key=lambda item: (item[1].born, item[0])):
            if survey.taken - tree.born >= age_s:
                what, short = Removal(kind, name, survey.taken - age_s), on_a_line(name[:20])
                yield Step(what, short, tree.usage, tree.born, "nothing: nobody knows of it")


def why_box_stays(box: Box, scene: Scene) -> str:
    """Why a container is no litter; empty when it is."""
    if box.state not in ("exited", "dead") or not box.ended:
        return "containers that run, or have not run yet"
    if not scene.steady:
        return "stopped containers, as the daemon was started within the hour"
    if box.restart_policy in COMES_BACK:
        return "stopped containers with a restart policy"
    if box.kept or kept_by_name(scene.allowed, box.name):
        return "kept by a label or by name"
    return "younger than the grace time" if box.ended >= scene.before else ""


def boxes(scene: Scene) -> Iterator[Step]:
    survey = scene.survey
    for box in sorted(survey.boxes.values(), key=lambda box: (box.ended, box.id)):
        if spare(scene, why_box_stays(box, scene)):
            continue
        usage = survey.logs[box.id].usage if box.id in survey.logs else NOTHING
        if mount := survey.mounts.get(box.id):
            for name in (mount.mount_id, mount.init_id):
                usage += survey.trees[name].usage if name in survey.trees else NOTHING
        what = Removal(Kind.CONTAINER, box.id, scene.before, (box.name,))
        yield Step(what, box.name, usage, box.ended, "what it wrote is lost; its volumes stay")


class Images:
    """The images that may go, and which layers go with the last image that has them."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        survey = scene.survey
        self._gone: set[str] = set()
        self._freed: set[str] = set()
        self._waiting: list[Image] = []
        self._children = Counter(image.parent for image in survey.images.values() if image.parent)
        self._users = Counter(chain for image in survey.images.values() for chain in image.chains)
        self._held = set(survey.cached_chains) | self._mounted()
        self._used_by = {box.image for box in survey.boxes.values()}
        self._short = [(name, at) for name, at in scene.uses.items() if SHORT.fullmatch(name)]
        self._tops = {mount.parent for mount in survey.mounts.values() if mount.parent}
        # A container whose image cannot be told, by its files or by its layers, spares them all.
        self._blind = any(
            not box.image and box.id not in survey.mounts for box in survey.boxes.values()
        )

    def release_cache(self) -> None:
        """The build cache is asked to give up everything: its layers no longer stay."""
        self._held = self._mounted()

    def steps(self, dangling: bool) -> Iterator[Step]:
        """Those without a reference, or those with; least recently used first."""
        yield from self._ready()
        images = [
            image for image in self._scene.survey.images.values() if bool(image.tags) != dangling
        ]
        for image in sorted(images, key=lambda image: (self.used(image), image.id)):
            if image.id not in self._gone and not spare(self._scene, self.why_stays(image)):
                self._give_up(image)
                self._waiting.append(image)
                yield from self._ready()

    def crumbs(self) -> Iterator[Step]:
        """Some without a reference that give no layer back, as the build cache has them all: what
        little is theirs alone is enough for a daemon to write down what it removes next."""
        crumbs, self._waiting = self._waiting[:CRUMBS], self._waiting[CRUMBS:]
        return (self._step(image, NOTHING) for image in crumbs)

    def _ready(self) -> Iterator[Step]:
        """Images that give something back now. One whose layers others have too waits for them, and
        goes with them: a layer is gone with the last image that has it."""
        chains = {chain for image in self._waiting for chain in image.chains}
        left = {chain for chain in chains if not self._users[chain]} - self._held - self._freed
        going = [image for image in self._waiting if left & set(image.chains)]
        self._waiting = [image for image in self._waiting if image not in going]
        self._freed |= left
        shares: list[Usage] = []
        for image in reversed(going):
            mine = left & set(image.chains)
            left -= mine
            shares.append(sum_of(self._size(chain) for chain in mine))
        yield from map(self._step, going, reversed(shares))

    def _step(self, image: Image, usage: Usage) -> Step:
        kind = Kind.IMAGE if image.tags else Kind.DANGLING
        what = Removal(kind, image.id, self._scene.before, image.tags)
        back = "pull or build it again" if image.tags else "build it again"
        return Step(what, image_name(image), usage, self.used(image), back)

    def used(self, image: Image) -> float:
        """When it was last used, as far as anybody knows (wall clock)."""
        uses, number = self._scene.uses, image.id.removeprefix("sha256:")
        tags = [familiar(tag) for tag in image.tags]
        names = [image.id, number, *tags, *(tag.removesuffix(":latest") for tag in tags)]
        short = [at for name, at in self._short if number.startswith(name)]
        return max([image.touched, *short, *(uses.get(name, 0.0) for name in names)])

    def why_stays(self, image: Image) -> str:
        """Why an image may not go; empty when it may."""
        if self._blind:
            return "images, as a container does not tell which it needs"
        if image.id in self._used_by or (image.chains and image.chains[-1] in self._tops):
            return "images that a container has"
        if self._children[image.id]:
            return "images that others were built from"
        if image.kept or kept_by_name(self._scene.allowed, *image.tags):
            return "kept by a label or by name"
        # Without a name it is not run by one: then its own date counts.
        anyway = self._scene.uses.get(ANY, 0.0) if image.tags else 0.0
        last = max(self.used(image), anyway)
        return "younger than the grace time" if last >= self._scene.before else ""

    def _give_up(self, image: Image) -> None:
        """Count it as gone, with the nameless steps that it was built by, as the daemon does it."""
        current: Image | None = image
        while current is not None:
            self._gone.add(current.id)
            self._users.subtract(current.chains)
            self._children[current.parent] -= 1
            current = self._orphaned(current.parent)

    def _orphaned(self, ident: str) -> Image | None:
        """A step that nothing needs any more."""
        parent = self._scene.survey.images.get(ident)
        if parent is None or parent.tags or self._children[ident] > 0 or ident in self._used_by:
            return None
        return parent

    def _size(self, chain: str) -> Usage:
        layer = self._scene.survey.layers.get(chain)
        tree = self._scene.survey.trees.get(layer.cache_id) if layer else None
        return tree.usage if tree else NOTHING

    def _mounted(self) -> set[str]:
        """Layers below containers."""
        held: set[str] = set()
        for mount in self._scene.survey.mounts.values():
            chain = mount.parent
            while chain and chain not in held:
                held.add(chain)
                layer = self._scene.survey.layers.get(chain)
                chain = layer.parent if layer else ""
        return held


def cache(scene: Scene, left: Usage, images: Images) -> Iterator[Step]:
    """As much of the build cache as is needed, least recently used first: the daemon chooses."""
    survey = scene.survey
    total = sum_of(survey.trees[name].usage for name in cache_names(survey))
    if not (total.bytes or survey.cached_chains):
        return
    # Which record has how many inodes is not known: where they are short, all of it.
    keep = 0 if left.inodes else max(0, total.bytes - left.bytes)
    what = Removal(Kind.CACHE, "build cache", scene.before, keep_bytes=keep)
    frees = Usage(total.bytes - keep, 0 if keep else total.inodes)
    if not keep:
        images.release_cache()
    yield Step(what, "(oldest first)", frees, 0.0, "the next builds take longer")


def logs(scene: Scene) -> Iterator[Step]:
    """Logs without rotation, the largest first. They give no inode back."""
    survey, keep = scene.survey, scene.allowed.keep_log_bytes
    ordered = sorted(survey.logs.items(), key=lambda item: (-item[1].usage.bytes, item[0]))
    for ident, log in ordered:
        box = survey.boxes[ident]
        gives = log.usage.bytes - keep
        if box.log_driver != "json-file" or box.log_rotates or gives < MIN_LOG:
            continue
        if box.kept or kept_by_name(scene.allowed, box.name):
            spare(scene, "kept by a label or by name")
            continue
        what = Removal(Kind.LOG, ident, scene.before, keep_bytes=keep)
        yield Step(what, f"log of {box.name}", Usage(gives, 0), 0.0, CUT_COSTS)


def why_volume_stays(volume: Volume, used: frozenset[str], scene: Scene) -> str:
    """Why a volume stays; empty when it may go."""
    if not volume.anonymous:
        return "named volumes: never"
    if volume.name in used:
        return "volumes that a container has"
    if kept_by_name(scene.allowed, volume.name):
        return "kept by a label or by name"
    return "younger than the grace time" if volume.touched >= scene.before else ""


def volumes(scene: Scene) -> Iterator[Step]:
    survey = scene.survey
    if any(box.state == "unknown" for box in survey.boxes.values()):
        spare(scene, "volumes, as a container does not tell which it has")
        return
    used = frozenset(name for box in survey.boxes.values() for name in box.volumes)
    for volume in sorted(survey.volumes.values(), key=lambda each: (each.touched, each.name)):
        if spare(scene, why_volume_stays(volume, used, scene)):
            continue
        what = Removal(Kind.VOLUME, volume.name, scene.before)
        yield Step(what, volume.name[:12], volume.usage, volume.touched, "its data are lost")
