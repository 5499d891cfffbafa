"""The arithmetic of token buckets. Pure: times are given, in seconds of any one clock.

A bucket holds `Rate.most` tokens at most and gains `Rate.per_s` a second; a request takes one. A request that several buckets
count takes one of each or, where any of them is empty, of none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

#: Whose limit it is. A user of requests and streams is whoever calls; a user of turns, whom the session belongs to.
Scope = Literal["user", "tenant"]


@dataclass(frozen=True, slots=True)
class Rate:
    #: Requests a second in the long run.
    per_s: float
    #: Seconds in which an empty bucket fills.
    burst_s: int

    @property
    def most(self) -> int:
        """Requests that may come at once."""
        return max(1, math.ceil(self.per_s * self.burst_s))

    def shared_by(self, gateways: int) -> "Rate":
        """A gateway's part where each counts for itself."""
        return self if gateways <= 1 else Rate(self.per_s / gateways, self.burst_s)


@dataclass(frozen=True, slots=True)
class Bucket:
    """As of a moment."""

    tokens: float
    at: float


def level(bucket: Bucket | None, rate: Rate, now: float) -> float:
    """The tokens in a bucket; None is one that nobody took from. A clock that went back adds nothing."""
    if bucket is None:
        return rate.most
    return min(rate.most, bucket.tokens + max(0.0, now - bucket.at) * rate.per_s)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of one limit."""

    scope: Scope
    rate: Rate
    tokens: float

    @property
    def remaining(self) -> int:
        return math.floor(self.tokens)

    @property
    def full_in_s(self) -> int:
        """Whole seconds until the bucket is full."""
        return math.ceil((self.rate.most - self.tokens) / self.rate.per_s)

    @property
    def next_in_s(self) -> float:
        """Seconds until it has a token."""
        return max(0.0, 1 - self.tokens) / self.rate.per_s


@dataclass(frozen=True, slots=True)
class Verdict:
    """On one request. `refused` is the limit that it has to wait for longest; None: it may go on."""

    standings: tuple[Standing, ...]
    refused: Standing | None


def judge(found: Sequence[Standing]) -> Verdict:
    """`found` are the levels before the request."""
    refused = max((one for one in found if one.tokens < 1), key=lambda one: one.next_in_s, default=None)
    if refused is not None:
        return Verdict(tuple(found), refused)
    return Verdict(tuple(Standing(one.scope, one.rate, one.tokens - 1) for one in found), None)
