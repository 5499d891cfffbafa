"""The token buckets of one process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from perdure.temporal.sessions.limits.bucket import Bucket, Rate, Scope, Standing, Verdict, judge, level

#: Callers and tenants whose buckets are kept. Whoever has not called for the longest time is forgotten first, and begins
#: anew with a full bucket.
KEPT: Final = 20_000


class MemoryBuckets:
    def __init__(self, kept: int = KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = kept
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, asked: Sequence[tuple[Scope, str, Rate]]) -> Verdict:
        """Takes a token of each bucket, or of none. Each has a name of its own."""
        now = self._clock()
        verdict = judge(
            [Standing(scope, rate, level(self._buckets.get(name), rate, now)) for scope, name, rate in asked]
        )
        if verdict.refused is None:
            for (_, name, _), standing in zip(asked, verdict.standings, strict=True):
                self._buckets[name] = Bucket(standing.tokens, now)
                self._buckets.move_to_end(name)
            while len(self._buckets) > self._kept:
                self._buckets.popitem(last=False)
        return verdict
