"""The images of a daemon without a layer database (the image store of engine 29), as it tells them.

In: bodies of API answers. Out: what `disk reclaim` needs to know of each. What an image shares with
others is counted for none of them: how much of it is freed, and when, the API does not tell.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from urllib.parse import quote

import msgspec
from msgspec import Struct

from dockerdoctor.host.answers import Count, Ident, Text, Wanted, understood
from dockerdoctor.host.clock import wall
from dockerdoctor.host.storage.facts import Image, Layer, Survey, Tree, Usage
from dockerdoctor.host.storage.layerdb import kept_by_label

LIST = "/images/json?shared-size=1"
CACHE = "/system/df?type=build-cache"
MOST = 1000
"""One question each, 1 to 3 ms: for when it was pulled, built or tagged last."""
DRIVER = "overlayfs"
"""What `docker info` calls it: the snapshotter; the layer database's driver is "overlay2"."""
_CACHE_NAME = "build cache"


class Stored(Struct, frozen=True):
    """An image by its line in the list. Sizes in bytes: its content and what was unpacked of it."""

    id: str
    tags: tuple[str, ...]
    bytes: int
    shared: int | None
    """What others have too; None while that is not told."""


class _Line(Wanted):
    id: Ident
    repo_tags: list[Text] | None = None
    repo_digests: list[Text] | None = None
    created: int = 0
    size: Count = 0
    shared_size: int = -1


class _Metadata(Wanted):
    last_tag_time: datetime.datetime | None = None


class _Config(Wanted):
    labels: dict[str, str] | None = None


class _Inspected(Wanted):
    repo_tags: list[Text] | None = None
    repo_digests: list[Text] | None = None
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    config: _Config | None = None


class _Record(Wanted):
    size: Count = 0
    in_use: bool = False
    shared: bool = False


class _Usage(Wanted):
    build_cache: list[_Record] | None = None


def stored(body: bytes) -> tuple[Stored, ...]:
    """The images of an answer to LIST, the largest first. HostFault(GARBLED)."""
    lines = _lines(body)
    names: dict[str, set[str]] = {}
    for line in lines:  # some engines have one for each name
        names.setdefault(line.id, set()).update(line.repo_tags or line.repo_digests or ())
    found = {line.id: line for line in lines}.values()
    images = [
        Stored(
            line.id,
            tuple(sorted(names[line.id])),
            line.size,
            min(line.size, line.shared_size) if line.shared_size >= 0 else None,
        )
        for line in found
    ]
    return tuple(sorted(images, key=lambda each: (-each.bytes, each.id)))


def with_images(found: Survey, ask: Callable[[str], bytes]) -> Survey:
    """The same with the daemon's images, each as if it had one layer of its own, and its build
    cache. `ask` gets a path of the API; HostFault as it raises them, and GARBLED."""
    lines = _lines(ask(LIST))
    images = [_image(line, ask) for line in {each.id: each for each in lines[:MOST]}.values()]
    trees = {line.id: Tree(Usage(_own(line), 0), 0.0) for line in lines}
    if size := _cache_size(ask(CACHE)):
        trees[_CACHE_NAME] = Tree(Usage(size, 0), 0.0)
    return msgspec.structs.replace(
        found,
        driver=DRIVER,
        images={each.id: each for each in images},
        layers={each.id: Layer(each.id, each.id) for each in images},
        trees={**found.trees, **trees},
        cached=frozenset(trees.keys() & {_CACHE_NAME}),
    )


def _lines(body: bytes) -> list[_Line]:
    return understood(lambda: msgspec.json.decode(body, type=list[_Line]), "GET /images/json")


def _image(line: _Line, ask: Callable[[str], bytes]) -> Image:
    """Its one layer has its own name. Its references are those of inspect: some engines have a line
    of the list for each."""
    body = ask(f"/images/{quote(line.id, safe='')}/json")
    seen = understood(lambda: msgspec.json.decode(body, type=_Inspected), "GET /images/ID/json")
    return Image(
        line.id,
        tuple(sorted({*(seen.repo_tags or ()), *(seen.repo_digests or ())})),
        (line.id,),
        max(float(line.created), wall(seen.metadata.last_tag_time)),
        kept=kept_by_label(seen.config.labels if seen.config else None),
    )


def _own(line: _Line) -> int:
    """What is gone with this image, whatever others stay; 0 while that is not told."""
    return max(0, line.size - line.shared_size) if line.shared_size >= 0 else 0


def _cache_size(body: bytes) -> int:
    told = understood(lambda: msgspec.json.decode(body, type=_Usage), "GET /system/df")
    records = told.build_cache or []
    return sum(each.size for each in records if not (each.in_use or each.shared))
