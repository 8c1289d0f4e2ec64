"""Removes one thing of a full data-root, after asking the daemon whether what was planned by holds.

In: the SDK's client, a `Removal`. Out: why it stays, or empty; APIError with words of BUSY while
somebody else is at it. Never forced: what is in use is refused by the daemon itself. Volumes go
only one by one, by their 64 digits.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from typing import TYPE_CHECKING, Any

import msgspec

from dockerdoctor.host import litter
from dockerdoctor.host.answers import Text, Wanted, printable, understood
from dockerdoctor.host.clock import wall
from dockerdoctor.host.storage.facts import Kind, Removal
from dockerdoctor.host.storage.layerdb import familiar, kept_by_label

if TYPE_CHECKING:
    from docker import APIClient

ANONYMOUS = "com.docker.volume.anonymous"
LABELS_SINCE = (1, 42)
"""API from which on anonymous volumes carry that label (engine 23)."""
BUSY = ("already running", "already in progress")
"""What a daemon says (409) while somebody else prunes, or removes that very thing: read in moby's
source. Whoever asked may ask again; any other 409 means that it is in use."""
NO_SPACE = "no space left on device"
"""ENOSPC, of bytes and of inodes, in the daemon's words."""


class _Metadata(Wanted):
    last_tag_time: datetime.datetime | None = None


class _Labelled(Wanted):
    labels: dict[str, str] | None = None


class _Image(Wanted):
    id: Text
    repo_tags: list[Text] | None = None
    repo_digests: list[Text] | None = None
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    config: _Labelled | None = None


class _Volume(Wanted):
    name: Text
    driver: Text = ""
    labels: dict[str, str] | None = None
    options: dict[str, str] | None = None


def remove(api: APIClient, what: Removal) -> str:
    """Why it stays, as words that go on with "it"; empty when it is gone."""
    from docker.errors import APIError, NotFound

    acts = {
        Kind.CONTAINER: _container,
        Kind.DANGLING: _image,
        Kind.IMAGE: _image,
        Kind.CACHE: _cache,
        Kind.VOLUME: _volume,
    }
    try:
        return acts[what.kind](api, what)
    except NotFound:
        return "is gone already"
    except APIError as error:
        status = error.response.status_code if error.response is not None else 500
        said = str(error.explanation)
        if status != 409 or any(words in said for words in BUSY):
            raise
        return f"is in use ({printable(said, 120)})"


def _container(api: APIClient, what: Removal) -> str:
    if not litter.is_litter(api, what.ident, what.before, what.tags):
        return "has run or was renamed since, or is wanted back"
    api.remove_container(what.ident, v=False, force=False)
    return ""


def _image(api: APIClient, what: Removal) -> str:
    said = api.inspect_image(what.ident)
    seen = understood(lambda: msgspec.convert(said, type=_Image), "GET /images/ID/json")
    references = {*(seen.repo_tags or ()), *(seen.repo_digests or ())}
    wanted = {familiar(tag) for tag in what.tags}
    if references and {familiar(each) for each in references} != wanted:
        return "has got another name since"
    if wall(seen.metadata.last_tag_time) >= what.before:
        return "was pulled, built or tagged since"
    if kept_by_label(seen.config.labels if seen.config else None):
        return "is kept by a label"
    users = api.containers(all=True, quiet=True, filters={"ancestor": what.ident})
    if users:
        return f"is used by {len(users)} containers"
    # By reference and without force: the last one takes the layers along.
    names = sorted(references, key=lambda each: ("@" in each, each))
    return _without_names(api, what.ident, names)


def _without_names(api: APIClient, ident: str, references: list[str]) -> str:
    """All or none: the last one is refused when a container was made of the image meanwhile. What
    has no name (any more) goes by its id, and then there is room to write that down."""
    from docker.errors import APIError

    gone: list[str] = []
    written = bool(references)
    try:
        for reference in references:
            written &= _untagged(api, ident, reference)
            gone.append(reference)
        return "" if written else _nameless(api, ident)
    except APIError:
        for reference in gone:
            name, _, tag = reference.rpartition(":")
            if "@" not in name:
                with contextlib.suppress(APIError):  # the name is back, though not on a full disk
                    api.tag(ident, name, tag)
        raise


def _untagged(api: APIClient, ident: str, reference: str) -> bool:
    """Whether it had that name still, and the daemon could write that down: on a disk without a
    byte or an inode left it has forgotten the name then, but kept the image. A name that has been
    given to another image would take that one along. A digest goes along with the last tag of its
    repository."""
    from docker.errors import APIError, NotFound

    try:
        if api.inspect_image(reference)["Id"] != ident:
            return False
        api.remove_image(reference, force=False, noprune=False)
    except NotFound:
        if "@" not in reference:
            raise
    except APIError as error:
        if NO_SPACE not in str(error.explanation):
            raise
        return False
    return True


def _nameless(api: APIClient, ident: str) -> str:
    """Looked at once more: by its id the daemon would take along a name that came meanwhile."""
    from docker.errors import NotFound

    try:
        said = api.inspect_image(ident)
        if said.get("RepoTags") or said.get("RepoDigests"):
            return "has got another name since"
        api.remove_image(ident, force=False, noprune=False)
    except NotFound:
        return ""  # the last of several names could be written off
    return ""


def _cache(api: APIClient, what: Removal) -> str:
    until = f"{max(0, int(datetime.datetime.now(datetime.UTC).timestamp() - what.before))}s"
    api.prune_builds(filters={"until": until}, keep_storage=what.keep_bytes, all=True)
    return ""


def _volume(api: APIClient, what: Removal) -> str:
    said: Any = api.inspect_volume(what.ident)
    seen = understood(lambda: msgspec.convert(said, type=_Volume), "GET /volumes/NAME")
    if not re.fullmatch(r"[0-9a-f]{64}", what.ident) or seen.name != what.ident:
        return "has a name: never removed"
    if seen.driver != "local" or seen.options:
        return "is no plain local volume"
    version = tuple(int(part) for part in str(api.api_version).split("."))
    if version >= LABELS_SINCE and ANONYMOUS not in (seen.labels or {}):
        return "was given its name by somebody"
    if (seen.labels or {}).keys() - {ANONYMOUS}:
        return "was given a label by somebody"
    api.remove_volume(what.ident, force=False)
    return ""
