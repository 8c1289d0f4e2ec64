"""The images of containerd's store by name, beside the totals that its files tell.

Names and sizes are the daemon's: its files have them in a database that only containerd reads. In:
a survey. Out: lines for people, values for programs; or why there are none, in a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from dockerdoctor.account import image_name, used_by, users
from dockerdoctor.cli.options import Options
from dockerdoctor.config import Config
from dockerdoctor.errors import HostFault
from dockerdoctor.host.storage.facts import NOTHING, Image, Survey
from dockerdoctor.units import plain_bytes

if TYPE_CHECKING:
    from dockerdoctor.host.imagestore import Stored


class StoredImageJson(TypedDict):
    """One image of containerd's store, as the daemon tells it: all that it has, and what of it
    others have too (null: not told). `used_by` are containers."""

    id: str
    tags: list[str]
    bytes: int
    shared_bytes: int | None
    used_by: list[str]


LEAST_BYTES = 4 << 20
"""A store of less has no image worth a call: its databases alone are some 200 KiB."""
ANSWER_S = 3.0


def stored(options: Options, config: Config, found: Survey) -> tuple[Sequence[Stored], str]:
    """The images that lie there, the largest first, and why they are not told. Those of the layer
    database are none of them."""
    places = (*found.store.values(), found.rest.get("containerd", NOTHING))
    if sum(each.bytes for each in places) < LEAST_BYTES:
        return (), ""
    from dockerdoctor import compose  # all of dockerdoctor: not for a look at files alone

    host = compose.host(config, options.own_address(config))
    try:
        told = host.stored_images(ANSWER_S)
    except HostFault as fault:
        return (), f"only the daemon knows the names of containerd's images: {fault.sentence}"
    finally:
        host.close()
    return [each for each in told if each.id not in found.images], ""


def lines(images: Sequence[Stored], found: Survey, most: int | None) -> list[str]:
    """A table, at most so many; nothing where there are none."""
    if not images:
        return []
    by = users(found)
    rows = [
        f"{_size(_own(each)):>10} {_size(each.shared):>10}  {_name(each)}"
        f"  ({used_by(by.get(each.id, ()))})"
        for each in images[:most]
    ]
    if left := images[len(rows) :]:
        rows.append(
            f"{plain_bytes(sum(each.bytes for each in left)):>10} {'':>10}  {len(left)} more"
        )
    head = ["", "its images, as the daemon tells them", f"{'UNIQUE':>10} {'SHARED':>10}  IMAGE"]
    return [*head, *rows]


def as_json(images: Sequence[Stored], found: Survey) -> list[StoredImageJson]:
    """The same for programs."""
    by = users(found)
    return [
        {
            "id": each.id,
            "tags": list(each.tags),
            "bytes": each.bytes,
            "shared_bytes": each.shared,
            "used_by": list(by.get(each.id, ())),
        }
        for each in images
    ]


def _own(image: Stored) -> int | None:
    return None if image.shared is None else image.bytes - image.shared


def _size(count: int | None) -> str:
    return "?" if count is None else plain_bytes(count)


def _name(image: Stored) -> str:
    return image_name(Image(image.id, image.tags))
