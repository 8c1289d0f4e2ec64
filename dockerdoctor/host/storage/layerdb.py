"""The layer and image databases (`image/DRIVER/`): which layers, images and mounts there are.

In: an open data-root. Out: facts by id; entries with holes are left out and named through `skip`.
The daemon may write meanwhile: what is gone between listing and reading was removed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import msgspec

from dockerdoctor.host.storage.facts import Image, Layer, Mount
from dockerdoctor.host.storage.opened import Directory, readable

Skip = Callable[[str, str], None]
HEX = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[0-9a-zA-Z_-]{1,128}")
"""Of a directory of the driver: 64 hex digits, or 25 of the build cache's alphabet."""
KEEP_LABELS = ("keep", "dockerdoctor.keep")


def kept_by_label(labels: dict[str, str] | None) -> bool:
    """Whether `keep` or `dockerdoctor.keep` is set, to anything but a no."""
    return any(
        label in (labels or {}) and (labels or {})[label].lower() not in ("0", "false", "no")
        for label in KEEP_LABELS
    )


def familiar(reference: str) -> str:
    """An image's name as people write it: databases, API and events differ in the registry."""
    return re.sub(r"^(docker\.io/)?(library/)?", "", reference)


def on_a_line(text: str) -> str:
    """Somebody else's name, without what ends a line or is no text at all."""
    return "".join(each if each.isprintable() else "?" for each in text)


def layers(database: Directory, skip: Skip) -> dict[str, Layer]:
    """`layerdb/sha256/*` by chain id."""
    found: dict[str, Layer] = {}
    for name, entry in _entries(database, ("layerdb", "sha256"), skip):
        with entry:
            try:
                cache_id = _word(entry, "cache-id", NAME)
                size = int(entry.read("size", 64))
                parent = _parent(entry)
            except (OSError, ValueError) as error:
                skip(f"layerdb/{name[:12]}", f"has a hole ({readable(error)})")
                continue
        chain = f"sha256:{name}"
        found[chain] = Layer(chain, cache_id, parent, max(0, size))
    return found


def mounts(database: Directory, skip: Skip) -> dict[str, Mount]:
    """`layerdb/mounts/*`: the writable layers, by container id."""
    found: dict[str, Mount] = {}
    for name, entry in _entries(database, ("layerdb", "mounts"), skip):
        with entry:
            try:
                init_id = _word(entry, "init-id", re.compile(r".{0,200}"), optional=True)
                found[name] = Mount(_word(entry, "mount-id", NAME), init_id, _parent(entry))
            except (OSError, ValueError) as error:
                skip(f"layerdb/mounts/{name[:12]}", f"has a hole ({readable(error)})")
    return found


class _Rootfs(msgspec.Struct):
    diff_ids: list[str] | None = None


class _Config(msgspec.Struct):
    labels: dict[str, str] | None = msgspec.field(name="Labels", default=None)


class _Content(msgspec.Struct):
    created: str | None = None
    rootfs: _Rootfs | None = None
    config: _Config | None = None


class _Repositories(msgspec.Struct, rename="pascal"):
    repositories: dict[str, dict[str, str]] | None = None


def images(database: Directory, skip: Skip) -> dict[str, Image]:
    """`imagedb` and `repositories.json`: the images by id."""
    tags = _tags(database, skip)
    found: dict[str, Image] = {}
    try:
        contents = database.sub("imagedb", "content", "sha256")
    except OSError:
        return {}
    with contents:
        for name in contents.names():
            try:
                # Written when it came here: a pull tells that nowhere else (seen on 20.10).
                came = contents.stat(name).st_mtime
                told = msgspec.json.decode(contents.read(name), type=_Content)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, RecursionError) as error:
                skip(f"imagedb/{name[:12]}", f"cannot be read ({readable(error)})")
                continue
            updated, parent = _about(database, name)
            ident = f"sha256:{name}"
            found[ident] = Image(
                id=ident,
                tags=tuple(sorted(tags.get(ident, ()))),
                chains=chain_ids((told.rootfs.diff_ids or []) if told.rootfs else []),
                touched=max(came, updated, moment(told.created or "")),
                parent=parent,
                kept=kept_by_label(told.config.labels if told.config else None),
            )
    return found


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """The layers' chain ids, by the OCI image specification."""
    import hashlib  # 5 ms, and not needed where all is remembered

    chains: list[str] = []
    for diff in diff_ids:
        above = f"{chains[-1]} {diff}" if chains else ""
        chains.append(f"sha256:{hashlib.sha256(above.encode()).hexdigest()}" if chains else diff)
    return tuple(chains)


def moment(text: str) -> float:
    """RFC 3339 as s since the epoch; 0 for what is none, and for the year 1."""
    try:
        at = datetime.fromisoformat(re.sub(r"\.(\d{1,6})\d*", r".\1", text.strip()))
        return max(0.0, at.timestamp()) if at.year > 1 and at.tzinfo else 0.0
    except (ValueError, OverflowError):
        return 0.0


def _tags(database: Directory, skip: Skip) -> dict[str, list[str]]:
    try:
        told = msgspec.json.decode(database.read("repositories.json"), type=_Repositories)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        skip("repositories.json", f"cannot be read ({readable(error)}): no image is known by name")
        return {}
    tags: dict[str, list[str]] = {}
    for references in (told.repositories or {}).values():
        for reference, ident in references.items():
            tags.setdefault(ident, []).append(reference)
    return tags


def _about(database: Directory, name: str) -> tuple[float, str]:
    """When an image was tagged last, and its parent."""
    try:
        entry = database.sub("imagedb", "metadata", "sha256", name)
    except OSError:
        return 0.0, ""
    with entry:
        try:
            updated = moment(entry.read("lastUpdated", 200).decode("ascii", "replace"))
        except (OSError, ValueError):
            updated = 0.0
        try:
            return updated, _parent(entry)
        except (OSError, ValueError):
            return updated, ""


def _entries(
    database: Directory, where: tuple[str, ...], skip: Skip
) -> Iterator[tuple[str, Directory]]:
    """The directories named like a hash; they are closed by whoever gets them."""
    try:
        top = database.sub(*where)
    except OSError:
        return
    with top:
        for name in top.names():
            if not NAME.fullmatch(name):
                skip(f"{'/'.join(where)}/{name[:40]}", "is no entry of docker's")
                continue
            try:
                yield name, top.sub(name)
            except FileNotFoundError:
                continue
            except OSError as error:
                skip(f"{'/'.join(where)}/{name[:12]}", readable(error))


def _parent(entry: Directory) -> str:
    """The chain (or image) below; empty where there is none."""
    return _word(entry, "parent", re.compile(r"sha256:[0-9a-f]{64}"), optional=True)


def _word(entry: Directory, name: str, pattern: re.Pattern[str], optional: bool = False) -> str:
    """A file of one word. Raises OSError, ValueError."""
    try:
        text = entry.read(name, 4096).decode("ascii").strip()
    except FileNotFoundError:
        if optional:
            return ""
        raise
    if not pattern.fullmatch(text):
        raise ValueError(f"{name} makes no sense")
    return text
