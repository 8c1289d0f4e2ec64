"""What eats a data-root, largest first: a `Survey` goes in, a tree of named parts comes out. Pure.

Every byte of the survey is in exactly one leaf, so the parts add up to the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from dockerdoctor.host.storage.facts import NOTHING, Box, Image, Survey, Usage, named, sum_of
from dockerdoctor.host.storage.layerdb import on_a_line
from dockerdoctor.units import plain_seconds

UNDER_WAY_S = 3600.0
"""A directory younger than this that no database knows may be a pull or a build under way."""
NAMES_SHOWN = 3


class Part(Struct, frozen=True):
    """One part of the whole, and what it consists of (largest first; together not more than it)."""

    kind: str
    """One word for programs: image, container, log, volume, cache, orphan, ..."""
    name: str
    usage: Usage
    note: str = ""
    parts: tuple[Part, ...] = ()


def account(survey: Survey) -> Part:
    """The whole data-root, and containerd's store beside it where that is another place."""
    parts = [
        _images(survey),
        _writable(survey),
        _logs(survey),
        _volumes(survey),
        _cache(survey),
        *_unknown(survey),
        *_others(survey),
    ]
    return _sum("data-root", str(survey.root), parts)


def store_account(survey: Survey) -> Part | None:
    """containerd's own root; None where it is empty or a part of the data-root."""
    if not survey.store or survey.store_root is None:
        return None
    parts = [Part("store", _PLUGINS.get(name, name), usage) for name, usage in survey.store.items()]
    return _sum("containerd", str(survey.store_root), parts)


def users(survey: Survey) -> Mapping[str, tuple[str, ...]]:
    """Names of the containers that need an image, by its id."""
    found: dict[str, list[str]] = {}
    for box in survey.boxes.values():
        found.setdefault(box.image, []).append(box.name)
    return {image: tuple(sorted(names)) for image, names in found.items()}


def image_name(image: Image) -> str:
    """Its first tag (and of how many), else its short id; for people."""
    tags = [tag for tag in image.tags if "@" not in tag]
    more = f" (and {len(tags) - 1} more)" if len(tags) > 1 else ""
    first = (tags or list(image.tags) or [image.id.removeprefix("sha256:")[:12]])[0]
    return on_a_line(first) + more


def cache_names(survey: Survey) -> frozenset[str]:
    """The driver's directories that only the build cache needs."""
    return frozenset(survey.cached & survey.trees.keys()) - named(survey)


def orphans(survey: Survey, age_s: float = UNDER_WAY_S) -> frozenset[str]:
    """Directories of the driver that neither the layer database nor the build cache knows, and
    that are too old to be a pull or build under way. Empty where there is no layer database."""
    if not survey.layers:
        return frozenset()
    return frozenset(
        name for name in _strange(survey) if survey.taken - survey.trees[name].born >= age_s
    )


def _strange(survey: Survey) -> frozenset[str]:
    return frozenset(survey.trees.keys() - named(survey) - survey.cached)


def _images(survey: Survey) -> Part:
    """Each image with the layers that it alone has; those of several apart."""
    needed: dict[str, list[str]] = {}
    for image in survey.images.values():
        for chain in image.chains:
            needed.setdefault(chain, []).append(image.id)
    by = users(survey)
    own: dict[str, Usage] = {}
    shared = unnamed = NOTHING
    for chain, layer in survey.layers.items():
        tree = survey.trees.get(layer.cache_id)
        usage = tree.usage if tree else NOTHING
        owners = _leaves(survey, needed.get(chain, []))
        if len(owners) == 1:
            own[owners[0]] = own.get(owners[0], NOTHING) + usage
        elif owners:
            shared += usage
        else:
            unnamed += usage
    parts = [
        Part("image", image_name(survey.images[ident]), usage, used_by(by.get(ident, ())))
        for ident, usage in own.items()
    ]
    parts.append(Part("shared", "shared by several images", shared))
    parts.append(
        Part("layers", "of no image any more", unnamed, "a container or the build cache needs them")
    )
    whole = _leaves(survey, list(survey.images))
    unused = sum(1 for ident in whole if ident not in by)
    note = f"{unused} of {len(whole)} images unused" if unused else ""
    return _sum("images", "image layers", parts, note)


def _leaves(survey: Survey, owners: list[str]) -> list[str]:
    """Without the nameless steps on the way to another of them (classic builder)."""
    if len(owners) == 1:
        return owners
    steps = {survey.images[ident].parent for ident in owners}
    return [ident for ident in owners if survey.images[ident].tags or ident not in steps]


def _writable(survey: Survey) -> Part:
    parts = []
    for ident, mount in survey.mounts.items():
        trees = [survey.trees.get(mount.mount_id), survey.trees.get(mount.init_id)]
        usage = sum_of(tree.usage for tree in trees if tree)
        box = survey.boxes.get(ident, Box(ident, ident[:12], "", "unknown"))
        note = box.state
        if box.state in ("exited", "dead") and box.ended:
            note += f" {plain_seconds(max(0.0, survey.taken - box.ended))} ago"
        parts.append(Part("container", box.name, usage, note))
    return _sum("containers", "what containers wrote", parts)


def _logs(survey: Survey) -> Part:
    parts = []
    for ident, log in survey.logs.items():
        box = survey.boxes[ident]
        note = box.log_driver + ("" if box.log_rotates else ", no rotation")
        parts.append(Part("log", box.name, log.usage, note))
    endless = sum(1 for part in parts if part.note.endswith("no rotation"))
    note = f"{endless} without rotation: see `disk logs`" if endless else ""
    return _sum("logs", "container logs", parts, note)


def _volumes(survey: Survey) -> Part:
    by: dict[str, list[str]] = {}
    for box in survey.boxes.values():
        for name in box.volumes:
            by.setdefault(name, []).append(box.name)
    parts = []
    for volume in survey.volumes.values():
        note = used_by(tuple(sorted(by.get(volume.name, ()))))
        note = f"anonymous, {note}" if volume.anonymous else note
        name = volume.name[:12] if volume.anonymous else volume.name
        parts.append(Part("volume", name, volume.usage, note))
    return _sum("volumes", "volumes", parts)


def _cache(survey: Survey) -> Part:
    layers = sum_of(survey.trees[name].usage for name in cache_names(survey))
    parts = [
        Part("cache", "layers that only it needs", layers),
        Part("cache", "its databases and content", survey.rest.get("buildkit", NOTHING)),
    ]
    return _sum("cache", "build cache", parts)


def _unknown(survey: Survey) -> list[Part]:
    strange = _strange(survey)
    if not survey.layers:
        usage = sum_of(survey.trees[name].usage for name in strange)
        return [Part("layers", f"{survey.driver} (no layer database)", usage)]
    lost = orphans(survey)
    return [
        _sum(
            "orphans",
            f"orphans in {survey.driver}",
            [Part("orphan", name, survey.trees[name].usage) for name in lost],
            "no database knows them: see `disk reclaim --orphans`" if lost else "",
        ),
        Part(
            "layers",
            "layers not yet known",
            sum_of(survey.trees[name].usage for name in strange - lost),
            "a pull or build under way" if strange - lost else "",
        ),
    ]


def _others(survey: Survey) -> list[Part]:
    named = {"buildkit"}
    parts = [
        Part(_KINDS.get(name, "other"), _REST.get(name, name), usage)
        for name, usage in survey.rest.items()
        if name not in named
    ]
    apart = [part for part in parts if part.kind != "other"]
    return [*apart, _sum("other", "all else", [part for part in parts if part.kind == "other"])]


def _sum(kind: str, name: str, parts: Iterable[Part], note: str = "") -> Part:
    listed = [part for part in parts if part.usage.inodes or part.usage.bytes]
    ordered = sorted(listed, key=lambda part: (-part.usage.bytes, part.name))
    return Part(kind, name, sum_of(part.usage for part in ordered), note, tuple(ordered))


UNUSED = "unused"


def used_by(names: tuple[str, ...]) -> str:
    """For people."""
    if not names:
        return UNUSED
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"used by {', '.join(names[:NAMES_SHOWN])}{more}"


def by_files(part: Part) -> Part:
    """The same with the most files first: where it is inodes that are short."""
    parts = sorted(map(by_files, part.parts), key=lambda each: (-each.usage.inodes, each.name))
    return replace(part, parts=tuple(parts))


def topped(part: Part, count: int) -> Part:
    """The same with at most `count` parts on each level; the others as one."""
    parts = [topped(each, count) for each in part.parts]
    if len(parts) > count + 1:
        left = parts[count:]
        rest = Part("more", f"{len(left)} more", sum_of(each.usage for each in left))
        parts = [*parts[:count], rest]
    return replace(part, parts=tuple(parts))


_KINDS = {"tmp": "tmp", "swarm": "swarm", "containerd": "containerd"}
_REST = {
    ".": "the directory itself",
    "containers": "configuration of containers",
    "image": "image and layer databases",
    "tmp": "tmp: pulls and builds that were cut off",
    "containerd": "containerd's store",
    "network": "network database",
    "volumes": "volume database",
    "overlay2": "overlay2's short links",
}
_PLUGINS = {
    "io.containerd.content.v1.content": "content: compressed image layers",
    "io.containerd.snapshotter.v1.overlayfs": "snapshots (overlayfs)",
    "io.containerd.metadata.v1.bolt": "metadata",
}
