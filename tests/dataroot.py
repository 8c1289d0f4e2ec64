"""A data-root as dockerd leaves it on disk, made of plain files: databases, layers, logs.

Written in the formats that 20.10 to 28 write (taken from real ones); `bench/disk.py` makes large
ones of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dockerdoctor.host.storage.layerdb import chain_ids

DIRECTORIES = (
    *("buildkit", "containers", "image/overlay2/imagedb/content/sha256", "network", "overlay2/l"),
    *("image/overlay2/imagedb/metadata/sha256", "image/overlay2/layerdb/sha256", "plugins"),
    *("image/overlay2/layerdb/mounts", "runtimes", "swarm", "tmp", "volumes"),
)


def ident(name: str) -> str:
    """64 hexadecimal digits that belong to a name."""
    return hashlib.sha256(name.encode()).hexdigest()


def stamp(at: float) -> str:
    """A moment as docker writes it; 0 is the year 1."""
    if not at:
        return "0001-01-01T00:00:00Z"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")


class DataRoot:
    """Grows by its methods; each returns the id of what it made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in DIRECTORIES:
            (path / name).mkdir(parents=True)
        self.database = path / "image/overlay2"
        self._tags: dict[str, dict[str, str]] = {}
        self._write_tags()

    def layer(self, diff: str, below: Sequence[str] = (), size: int = 0, files: int = 1) -> str:
        """A layer of `files` files with `size` bytes each, on top of other diffs; its directory."""
        chain = chain_ids([*below, diff])[-1].removeprefix("sha256:")
        cache_id = ident(f"cache of {chain}")
        entry = self.database / "layerdb/sha256" / chain
        if entry.exists():
            return cache_id
        entry.mkdir()
        (entry / "cache-id").write_text(cache_id)
        (entry / "size").write_text(str(size * files))
        (entry / "diff").write_text(diff)
        if below:
            (entry / "parent").write_text(chain_ids(below)[-1])
        self.tree(cache_id, size, files)
        return cache_id

    def tree(self, name: str, size: int = 0, files: int = 1) -> Path:
        """A directory of the storage driver."""
        top = self.path / "overlay2" / name
        for inner in ("diff", "work"):
            (top / inner).mkdir(parents=True)
        (top / "link").write_text(name[:26].upper())
        for number in range(files):
            directory = top / "diff" / f"d{number // 100}"
            directory.mkdir(exist_ok=True)
            (directory / f"f{number}").write_bytes(b"x" * size)
        return top

    def image(
        self,
        tag: str,
        layers: Mapping[str, int],
        touched: float = 0.0,
        labels: Mapping[str, str] | None = None,
        parent: str = "",
        files: int = 1,
    ) -> str:
        """An image of layers (name → bytes), the base first; an empty tag: dangling."""
        diffs = [f"sha256:{ident(name)}" for name in layers]
        for number, (diff, size) in enumerate(zip(diffs, layers.values(), strict=True)):
            self.layer(diff, diffs[:number], size, files)
        content = json.dumps(
            {
                "architecture": "amd64",
                "created": stamp(touched),
                "config": {"Labels": labels, "Env": ["A=b"]},
                "rootfs": {"type": "layers", "diff_ids": diffs},
                "comment": f"{tag} {touched}",
            }
        )
        name = ident(content)
        stored = self.database / "imagedb/content/sha256" / name
        stored.write_text(content)
        os.utime(stored, (touched, touched))
        about = self.database / "imagedb/metadata/sha256" / name
        about.mkdir(exist_ok=True)
        (about / "lastUpdated").write_text(stamp(touched))
        if parent:
            (about / "parent").write_text(parent)
        if tag:
            self._tags.setdefault(tag.rpartition(":")[0], {})[tag] = f"sha256:{name}"
            self._write_tags()
        return f"sha256:{name}"

    def container(
        self,
        name: str,
        image: str,
        state: str = "exited",
        ended: float = 0.0,
        wrote: int = 0,
        logged: int = 0,
        log: str = "json-file",
        log_options: Mapping[str, str] | None = None,
        policy: str = "no",
        volumes: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        created: float = 1.0,
    ) -> str:
        """A container with its writable layer and its log."""
        made = ident(f"container {name}")
        ran = state != "created"
        self.tree(ident(f"mount {name}"), wrote)
        self.tree(f"{ident(f'mount {name}')}-init")
        entry = self.database / "layerdb/mounts" / made
        entry.mkdir()
        (entry / "mount-id").write_text(ident(f"mount {name}"))
        (entry / "init-id").write_text(f"{ident(f'mount {name}')}-init")
        home = self.path / "containers" / made
        home.mkdir()
        config = {
            "State": {
                "Running": state in ("running", "paused", "restarting"),
                "Paused": state == "paused",
                "Restarting": state == "restarting",
                "Dead": state == "dead",
                "StartedAt": stamp(created if ran else 0),
                "FinishedAt": stamp(0 if state == "running" else ended),
            },
            "ID": made,
            "Created": stamp(created),
            "Name": f"/{name}",
            "Image": image,
            "Config": {"Labels": labels, "Image": "whatever"},
            "MountPoints": {f"/{each}": {"Name": each, "Type": "volume"} for each in volumes},
        }
        (home / "config.v2.json").write_text(json.dumps(config))
        host = {
            "LogConfig": {"Type": log, "Config": log_options or {}},
            "RestartPolicy": {"Name": policy, "MaximumRetryCount": 0},
        }
        (home / "hostconfig.json").write_text(json.dumps(host))
        if log == "local":
            (home / "local-logs").mkdir()
            (home / "local-logs/container.log").write_bytes(b"x" * logged)
        else:
            (home / f"{made}-json.log").write_bytes(b"x" * logged)
        return made

    def volume(self, name: str, size: int = 0) -> Path:
        """A volume with one file; an empty name makes an anonymous one of that size."""
        data = self.path / "volumes" / (name or ident(f"volume {size}")) / "_data"
        data.mkdir(parents=True)
        (data / "file").write_bytes(b"x" * size)
        return data

    def cache(self, name: str, size: int) -> Path:
        """A directory that only the build cache knows; the name has 25 digits of base 36."""
        assert len(name) == 25
        with (self.path / "buildkit/snapshots.db").open("ab") as database:
            database.write(b"\0\1parent" + name.encode() + b"committed\2")
        return self.tree(name, size)

    def _write_tags(self) -> None:
        (self.database / "repositories.json").write_text(json.dumps({"Repositories": self._tags}))
