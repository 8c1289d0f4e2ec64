"""Data-roots as values, without files: images, containers and volumes as a test wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dockerdoctor.host.storage.facts import (
    Box,
    Image,
    Layer,
    LogUse,
    Mount,
    Survey,
    Tree,
    Usage,
    Volume,
)
from dockerdoctor.host.storage.layerdb import chain_ids

NOW = 1_800_000_000.0
DAY = 86400.0
OLD = NOW - 30 * DAY
MIB = 1 << 20


def image(
    name: str, layers: Sequence[str], touched: float = OLD, tagged: bool = True, **more: object
) -> Image:
    """An image of layers by name, the base first."""
    tags = (f"{name}:latest",) if tagged else ()
    return Image(f"sha256:{name}", tags, chain_ids(layers), touched, **more)  # type: ignore[arg-type]


def box(name: str, of: Image, state: str = "exited", ended: float = OLD, **more: object) -> Box:
    """A container."""
    return Box(name, name, of.id, state, ended, ended, **more)  # type: ignore[arg-type]


def survey(
    images: Sequence[Image] = (),
    boxes: Sequence[Box] = (),
    volumes: Sequence[Volume] = (),
    sizes: Mapping[str, int] | None = None,
    logs: Mapping[str, int] | None = None,
    cached: Mapping[str, int] | None = None,
    cached_chains: Sequence[str] = (),
    measured: bool = True,
    strange: Mapping[str, float] | None = None,
) -> Survey:
    """A survey in which each layer and each writable layer has MIB bytes, unless `sizes` tells;
    `strange` are directories that nothing knows, with when they changed last."""
    known = sizes or {}
    layers = {
        chain: Layer(chain, f"dir of {chain}", chains[at - 1] if at else "", 0)
        for chains in (each.chains for each in images)
        for at, chain in enumerate(chains)
    }
    by_id = {each.id: each for each in images}
    mounts = {
        each.id: Mount(f"rw {each.id}", f"init {each.id}", by_id[each.image].chains[-1])
        for each in boxes
        if each.image in by_id
    }
    names = [layer.cache_id for layer in layers.values()]
    names += [mount.mount_id for mount in mounts.values()]
    trees = {name: Tree(Usage(known.get(name, MIB), 10 if measured else 0), OLD) for name in names}
    trees |= {name: Tree(Usage(size, 10), OLD) for name, size in (cached or {}).items()}
    trees |= {name: Tree(Usage(MIB, 10), born) for name, born in (strange or {}).items()}
    return Survey(
        Path("/d"),
        "overlay2",
        layers,
        by_id,
        mounts,
        {each.id: each for each in boxes},
        {each.name: each for each in volumes},
        trees,
        {name: LogUse(Usage(size, 1), Path(f"/d/{name}")) for name, size in (logs or {}).items()},
        frozenset(cached or {}),
        frozenset(cached_chains),
        taken=NOW,
    )
