"""What the kernel's messages mean for one daemon: records and who is ours go in, counts come out.

A message about a process counts only when its pid is one of this daemon's: the log is that of the
whole machine, with other daemons and containers beside ours. Nothing here is reason enough to act.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Collection, Iterable

from dockerdoctor.host.kmsg import Record

HOUR_S = 3600.0
NETDEV_S = 1200.0
"""node-problem-detector's window for leaked network devices: 3 in 20 minutes."""
KEPT = 1000
"""Times of one kind of message; one in 10 s for an hour is 360."""

HUNG = re.compile(r"INFO: task .+:(\d+) blocked .*for more than \d+ seconds")
NETDEV = re.compile(r"unregister_netdevice: waiting for \S+ to become free")
OOM = re.compile(r"(?:.*: )?Killed process (\d+) \(.*\)[ ,]")
NFS = re.compile(r"nfs: server (\S+) (not responding|OK)")
FS = re.compile(
    r"EXT4-fs \((?P<ext4>[^)]+)\): Remounting filesystem read-only"
    r"|XFS \((?P<xfs>[^)]+)\): .*(?:[Ss]hutting down filesystem|Filesystem has been shut down)"
    r"|BTRFS \w+ \(device (?P<btrfs>[^) ]+)[^)]*\).*forced readonly"
)


class KernelSigns:
    """Folds records; the counts are of the time before the `now` that is asked about."""

    def __init__(self) -> None:
        self._times: dict[str, collections.deque[float]] = collections.defaultdict(
            lambda: collections.deque(maxlen=KEPT)
        )
        self._silent: dict[str, float] = {}

    def fold(self, records: Iterable[Record], threads: Collection[int], device: str) -> None:
        """`threads` are the pids and thread ids that are (or were) this daemon's; `device` is the
        name of the data-root's block device, empty when it has none."""
        for record in records:
            self._fold(record, threads, device)

    def _fold(self, record: Record, threads: Collection[int], device: str) -> None:
        text = record.text
        if (match := HUNG.match(text)) and int(match[1]) in threads:
            self._times["hung"].append(record.at)
        elif (match := OOM.match(text)) and int(match[1]) in threads:
            self._times["oom"].append(record.at)
        elif NETDEV.match(text):
            self._times["netdev"].append(record.at)
        elif match := NFS.match(text):
            if match[2] == "OK":
                self._silent.pop(match[1], None)
            elif len(self._silent) < KEPT:
                self._silent[match[1]] = record.at
        elif (match := FS.match(text)) and device and device == match[match.lastgroup or 0]:
            self._times["fs"].append(record.at)

    def count(self, kind: str, within_s: float, now: float) -> int:
        """Messages of a kind (hung, oom, netdev, fs) not older than that."""
        return sum(1 for at in self._times[kind] if now - at <= within_s)

    def silent_nfs(self, now: float) -> str:
        """Servers whose silence was told within an hour and not ended since."""
        return ", ".join(sorted(n for n, at in self._silent.items() if now - at <= HOUR_S))
