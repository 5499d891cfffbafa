"""What processes that share their limits ask of what they share them by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from perdure.temporal.sessions.limits.bucket import Rate, Scope, Verdict

#: What there are places of.
Kind = Literal["streams", "turns"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What came of asking for a place of each of some limits. As it is by default, it was given."""

    #: The index of the first limit that has no place; None of any was given.
    full: int | None = None
    #: Whoever asked had one of each before.
    known: bool = False


class SharedAway(Exception):
    """It does not answer, or not soon enough."""


class SharedLimits(Protocol):
    #: Gateways that share, as far as is known.
    gateways: int

    async def take(self, asked: Sequence[tuple[Scope, str, Rate]]) -> Verdict:
        """Takes a token of each bucket, or of none. Raises `SharedAway`."""

    async def enter(self, kind: Kind, limits: Sequence[tuple[str, int]], member: str) -> Entry:
        """Takes a place of each limit, or of none, as `MemoryPlaces.enter` does, for a minute. Raises `SharedAway`."""

    def hold(self, kind: Kind, names: Sequence[str], member: str) -> None:
        """Has `member`'s place of each kept, until it is left or this process ends."""

    def leave(self, kind: Kind, names: Sequence[str], member: str) -> None: ...
