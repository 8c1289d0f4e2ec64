"""What was found in a data-root: plain values, no behaviour. Sizes are bytes on disk (blocks), as
`du` counts them; times are wall clock, s since the epoch."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct, field


class Usage(Struct, frozen=True, array_like=True):
    """Space of a tree: bytes on disk, and inodes."""

    bytes: int = 0
    inodes: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.bytes + other.bytes, self.inodes + other.inodes)


NOTHING = Usage()


def sum_of(usages: Iterable[Usage]) -> Usage:
    """All together."""
    bytes_ = inodes = 0
    for usage in usages:
        bytes_, inodes = bytes_ + usage.bytes, inodes + usage.inodes
    return Usage(bytes_, inodes)


class Layer(Struct, frozen=True, array_like=True):
    """One layer of the layer database, by chain id."""

    chain: str
    cache_id: str
    """Its directory under the driver's."""
    parent: str = ""
    size: int = 0
    """Sum of its files' sizes, as the database tells it: less than its blocks."""


class Image(Struct, frozen=True, array_like=True):
    """One image as imagedb and repositories.json tell it."""

    id: str
    tags: tuple[str, ...] = ()
    """References by tag and by digest."""
    chains: tuple[str, ...] = ()
    """Chain ids of its layers, the base first."""
    touched: float = 0.0
    """When it was pulled, loaded, built or tagged last, or else created."""
    parent: str = ""
    """The image that it was built from on this host (classic builder)."""
    kept: bool = False
    """Whether a label asks to keep it."""


class Mount(Struct, frozen=True, array_like=True):
    """The writable layer of a container: names under the driver's directory."""

    mount_id: str
    init_id: str
    parent: str


class Box(Struct, frozen=True, array_like=True):
    """One container as its own files tell it; also when no daemon runs."""

    id: str
    name: str
    image: str
    """The id of its image."""
    state: str
    """running, paused, restarting, exited, created, dead."""
    ended: float = 0.0
    """End of its last run; 0 when it never ran, or runs."""
    used: float = 0.0
    """The latest moment known at which it needed its image."""
    restart_policy: str = "no"
    log_driver: str = ""
    log_rotates: bool = False
    volumes: tuple[str, ...] = ()
    kept: bool = False
    compose: tuple[str, ...] = ()
    """Who made it, where that was compose: project, service, files."""


class Volume(Struct, frozen=True):
    """One local volume."""

    name: str
    usage: Usage
    anonymous: bool
    """Named by docker itself: 64 hexadecimal digits."""
    touched: float = 0.0
    """When its directory last changed."""


class Tree(Struct, frozen=True):
    """One directory of the storage driver."""

    usage: Usage
    born: float
    """When the directory itself last changed: it is not older than that. 0 for a layer that the
    layer database knows: that is not asked."""


class LogUse(Struct, frozen=True):
    """The log files of one container."""

    usage: Usage
    path: Path
    """The one that grows."""
    changed: float = 0.0


class Home(Struct, frozen=True, array_like=True):
    """A container's directory, without the logs in it."""

    box: Box
    own: Usage
    logs: tuple[str, ...] = ()
    """Names of its json-file logs, and of the directory of local ones."""


class Databases(Struct, frozen=True, array_like=True):
    """What the layer and image databases and the build cache's tell."""

    layers: Mapping[str, Layer] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    mounts: Mapping[str, Mount] = field(default_factory=dict)
    cached: frozenset[str] = frozenset()
    """Names of the driver's directories that the build cache knows."""
    cached_chains: frozenset[str] = frozenset()
    """Chain ids of layers that the build cache holds: they stay when their images go."""
    own: Usage = NOTHING
    """How large the layer and image databases are themselves."""


class Kind(enum.StrEnum):
    """What may be given back, in the order of regret."""

    TMP = "leftover in tmp"
    ORPHAN = "orphan"
    CONTAINER = "container"
    DANGLING = "dangling image"
    CACHE = "build cache"
    IMAGE = "image"
    LOG = "log"
    VOLUME = "volume"


class Removal(Struct, frozen=True):
    """One thing to remove, with what must still be true of it at that moment."""

    kind: Kind
    ident: str
    before: float
    """It must not have been used, nor have ended, since then (wall clock)."""
    tags: tuple[str, ...] = ()
    """The references that an image must have (these, and no other), or a container's name."""
    keep_bytes: int = 0
    """What stays of a log's end or of the build cache."""


class Survey(Struct, frozen=True):
    """Everything that was found in one data-root."""

    root: Path
    driver: str = ""
    layers: Mapping[str, Layer] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    mounts: Mapping[str, Mount] = field(default_factory=dict)
    boxes: Mapping[str, Box] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    trees: Mapping[str, Tree] = field(default_factory=dict)
    """The driver's directories by name."""
    logs: Mapping[str, LogUse] = field(default_factory=dict)
    """By container id."""
    cached: frozenset[str] = frozenset()
    """Names of the driver's directories that the build cache knows."""
    cached_chains: frozenset[str] = frozenset()
    """Chain ids of layers that the build cache holds: they stay when their images go."""
    rest: Mapping[str, Usage] = field(default_factory=dict)
    """All else by name of the top directory; the driver's and the containers' own metadata too."""
    store: Mapping[str, Usage] = field(default_factory=dict)
    """What containerd keeps in its own root, by plugin; empty where that is below `root`."""
    store_root: Path | None = None
    skipped: tuple[str, ...] = ()
    """What could not be seen, or must not be counted, and why."""
    walked: int = 0
    """Inodes that were really looked at; the others were remembered."""
    taken: float = 0.0
    tmp: Mapping[str, Tree] = field(default_factory=dict)
    """What lies in `tmp`, which is counted in `rest`, by name."""

    @property
    def total(self) -> Usage:
        """All of it, as `du -sx` counts (containerd's own root not included)."""
        return sum_of(
            [
                *self.rest.values(),
                *(tree.usage for tree in self.trees.values()),
                *(log.usage for log in self.logs.values()),
                *(volume.usage for volume in self.volumes.values()),
            ]
        )


def named(found: Survey | Databases) -> frozenset[str]:
    """The driver's directories that the layer database knows: of layers and of containers."""
    layers = {layer.cache_id for layer in found.layers.values()}
    mounts = {name for mount in found.mounts.values() for name in (mount.mount_id, mount.init_id)}
    return frozenset(layers | mounts)
