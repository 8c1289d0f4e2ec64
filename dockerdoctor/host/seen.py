"""One container as its events show it, and what single events mean for it.

Values and pure functions for `tally`, which says how starts and deaths show in the stream.
"""

from __future__ import annotations

import enum

RUN_WITHIN_S = 5.0
"""Between create and the start's first sign when one client does both at once."""


class Phase(enum.Enum):
    """Where a container is, as far as events tell."""

    IDLE = enum.auto()
    STARTING = enum.auto()
    RUNNING = enum.auto()
    ENDING = enum.auto()
    """It died, or failed to start; disconnects that follow mean nothing."""


class Answer(enum.Enum):
    """What asking for a doubtful container showed."""

    FAILED = enum.auto()
    """Its last start failed, it keeps the error."""
    LYING = enum.auto()
    """Nobody is starting it."""
    BUSY = enum.auto()
    """No answer: a start holds its lock."""
    GONE = enum.auto()


class Launch:
    """A start that may yet become healthy."""

    __slots__ = ("at", "container", "healthy_s", "took_s")

    def __init__(self, container: str, at: float, took_s: float) -> None:
        self.container = container
        self.at = at
        self.took_s = took_s
        self.healthy_s: float | None = None


class Seen:
    """One container between two events."""

    __slots__ = (
        "asked", "connected_at", "created_at", "launch", "left", "name", "phase", "seq",
        "suspect_at", "suspects",
    )  # fmt: skip

    def __init__(self, name: str, phase: Phase) -> None:
        self.name = name
        self.phase = phase
        self.seq = 0
        self.created_at: float | None = None
        """Until its first start."""
        self.connected_at: float | None = None
        self.left = False
        """A network was let go while it ran: of a death, the first sign on 26 and later."""
        self.suspects: list[str] | None = None
        """Networks let go while it did not run, in order: a failed start on 28, or a user's act."""
        self.suspect_at = 0.0
        self.asked: Answer | None = None
        self.launch: Launch | None = None


def connected(seen: Seen, at: float) -> None:
    """A network was connected: the first sign of a start, unless it runs already."""
    if seen.phase is Phase.RUNNING:
        seen.left = False
    elif seen.phase is not Phase.STARTING:
        seen.phase = Phase.STARTING
        seen.connected_at = at
        seen.suspects = None


def began(seen: Seen, at: float) -> float | None:
    """When the start that ends at `at` began; None when no event tells."""
    first_sign = seen.connected_at if seen.connected_at is not None else at
    if seen.created_at is not None:
        at_once = first_sign - seen.created_at <= RUN_WITHIN_S and seen.asked is not Answer.FAILED
        if at_once or seen.asked is Answer.BUSY:
            return seen.created_at
    return seen.connected_at


def healthy(seen: Seen, at: float) -> None:
    """Its health check passed: the first time since its start counts."""
    if seen.launch is not None and seen.launch.healthy_s is None and at >= seen.launch.at:
        seen.launch.healthy_s = at - seen.launch.at


def attempts(networks: list[str] | None) -> int:
    """How many starts these disconnects come from: each lets go of each network once."""
    if not networks:
        return 1
    return max(networks.count(network) for network in set(networks))
