"""All databases of a data-root at once: layers, images, writable layers, build cache.

In: an open data-root. Out: `Databases`. Where it is only to be shown, what they told last time will
do as long as nothing was added to them or taken away: six looks instead of thousands.
"""

from __future__ import annotations

import re

from dockerdoctor.host.storage import layerdb
from dockerdoctor.host.storage.facts import Databases
from dockerdoctor.host.storage.opened import Directory, readable
from dockerdoctor.host.storage.remembered import Stamp, settled
from dockerdoctor.host.storage.work import Work

MAX_DATABASE = 256 << 20
NAME_LENGTH = 25
"""Buildkit names what it keeps with 25 digits of base 36 (identity.NewID)."""
_NAMES = rb"[0-9a-z]{25,}"
_CHAIN = rb"sha256:[0-9a-f]{64}"
_PLACES = (
    *("repositories.json", "imagedb/content/sha256", "imagedb/metadata/sha256"),
    *("layerdb/sha256", "layerdb/mounts", "distribution"),
)
"""Entries of these are made elsewhere and moved here, or removed; never written to (but for dates
in `imagedb/metadata`, which nobody shows)."""


def databases(top: Directory, driver: str, work: Work) -> Databases:
    """Empty where there is no layer database: the image store of engine 29, or no image yet."""
    try:
        database = top.sub("image", driver)
    except OSError:
        return Databases(own=work.tree(top, "image"))
    with database:
        stamp = _stamp(top, database, work.now) if work.recall else None
        known = work.remembered.databases(stamp) if stamp else None
        if known is not None:
            return known
        holes = len(work.walk.skipped)
        names, chains = cached(top, work)
        told = Databases(
            layers=layerdb.layers(database, work.walk.skip),
            images=layerdb.images(database, work.walk.skip),
            mounts=layerdb.mounts(database, work.walk.skip),
            cached=names,
            cached_chains=chains,
            own=work.tree(top, "image"),
        )
    if stamp and holes == len(work.walk.skipped):
        work.remembered.learn_databases(stamp, told)
    return told


def cached(top: Directory, work: Work) -> tuple[frozenset[str], frozenset[str]]:
    """Names of directories, and chain ids, that buildkit's databases mention. They are bolt files
    and may be written meanwhile; what is no longer valid in them only keeps a directory from being
    called an orphan, and a layer from being counted as freed."""
    names: set[str] = set()
    chains: set[str] = set()
    try:
        with top.sub("buildkit") as buildkit:
            for name in buildkit.names():
                if name.endswith(".db"):
                    content = buildkit.read(name, MAX_DATABASE)
                    chains.update(each.decode() for each in re.findall(_CHAIN, content))
                    # Overlapping: a name may follow another word without a gap between them.
                    for run in re.findall(_NAMES, content):
                        text = run.decode("ascii")
                        names.update(
                            text[at : at + NAME_LENGTH] for at in range(len(text) - NAME_LENGTH + 1)
                        )
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        work.walk.skip("buildkit", f"its databases cannot be read ({readable(error)})")
    return frozenset(names), frozenset(chains)


def _stamp(top: Directory, database: Directory, now: float) -> Stamp | None:
    """Of all that the databases were read from."""
    seen = [database.stat(".")]
    for place in _PLACES:
        try:
            seen.append(database.stat(place))
        except FileNotFoundError:
            continue  # told by the stamp's length, and by that of the directory above
        except OSError:
            return None
    try:
        with top.sub("buildkit") as buildkit:
            names = [name for name in buildkit.names() if name.endswith(".db")]
            seen += [buildkit.stat(name) for name in names]
    except FileNotFoundError:
        pass
    except OSError:
        return None
    return settled(now, *seen)
