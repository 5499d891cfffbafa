"""How many requests a provider takes, learnt from what it says, so that others wait before they hear a 429. Pure, but for the
clock.

An allowance is of one key and model at one server, and all calls of a worker share it. It counts requests in windows: what
the provider says is left until its limit is whole again, then a whole limit. A provider that says no numbers, and only
refuses, is given the number that it took before it did.

Rule 1: a request that was sent, and whose answer has not begun, counts as not yet counted by the provider.
Rule 2: what is estimated here only delays requests. It is forgotten after a while without a refusal.
"""

import math
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from perdure.activities.models.rate_headers import Told, told

#: Requests that go out before the first answer has told whether there is a limit, and the seconds that others wait for it.
COLD: Final = 25
COLD_S: Final = 2.0
#: Seconds that a refusal without a time means.
DEFAULT_WAIT_S: Final = 0.5
#: Seconds of the shortest window: clocks differ, and providers round.
_SHORTEST_S: Final = 1.0
#: Seconds without a refusal after which an estimate is forgotten.
_FORGOTTEN_S: Final = 120.0
#: Seconds of a wait, and share of it, by which releases are spread.
_SPREAD_S: Final = 0.5
_SPREAD: Final = 0.2


class Allowance:
    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        varied: Callable[[float, float], float] = random.uniform,
        today: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._varied = varied
        self._today = today
        #: Nothing is sent before.
        self._until = 0.0
        #: What may be sent until `_window_ends`, and in each window after it; infinite where no limit is known.
        self._left = math.inf
        self._window_ends = math.inf
        self._budget = math.inf
        self._period = _SHORTEST_S
        #: The budget is the provider's own word.
        self._is_told = False
        #: Requests whose answers have not begun.
        self._unheard = 0
        self._ever_heard = False
        self._cold_until: float | None = None
        self._refused_at = -math.inf
        #: When requests were taken, for an estimate.
        self._taken: deque[float] = deque(maxlen=10_000)

    def take(self) -> float | None:
        """None: a request may be sent, and `heard` or `left` has to follow. Else the seconds to wait before asking again."""
        now = self._clock()
        if now < self._until:
            return self._spread(self._until - now)
        if not self._ever_heard and self._unheard >= COLD:
            self._cold_until = self._cold_until or now + COLD_S
            if now < self._cold_until:
                return min(0.05, self._cold_until - now)
        if now >= self._window_ends:
            self._next_window(now)
        if self._left < 1:
            return self._spread(self._window_ends - now)
        self._left -= 1
        self._unheard += 1
        return None

    def heard(self, headers: Mapping[str, str], *, taken: bool) -> None:
        """The answer to a request has begun, with these headers; `taken`: the request was not refused."""
        self.left()
        self._ever_heard = True
        now = self._clock()
        if taken:
            self._taken.append(now)
        limits = told(headers, self._today())
        self._hold(now, limits)
        paced = [one for one in limits if not one.tokens and one.resets_in is not None]
        if not paced:
            return
        nearest = min(paced, key=lambda one: one.resets_in or 0)
        self._is_told = True
        self._period = max(nearest.resets_in or 0, _SHORTEST_S) if nearest.remaining < 1 else self._period
        self._left = max(nearest.remaining - self._unheard, 0)
        self._window_ends = now + (nearest.resets_in or 0)
        self._budget = nearest.limit if nearest.limit is not None else max(self._recently(now), 1)

    def refused(self, wait: float | None) -> None:
        """The provider refused a request for its rate (429), and asks to wait `wait` seconds."""
        now = self._clock()
        wait = wait or DEFAULT_WAIT_S
        if now >= self._until:
            # The first of a burst: the others of it are refused for the same reason, and tell nothing new.
            self._period = max(wait, _SHORTEST_S)
            if not self._is_told:
                took = max(self._recently(now), 1)
                self._budget = min(took, self._budget * 0.8) if self._budget < math.inf else took
                self._budget = max(math.floor(self._budget), 1)
        self._refused_at = now
        self._until = max(self._until, now + wait)
        self._left, self._window_ends = 0, self._until

    def left(self) -> None:
        """A request ended without an answer, or its answer has begun."""
        self._unheard = max(self._unheard - 1, 0)

    def _hold(self, now: float, limits: tuple[Told, ...]) -> None:
        """A limit of tokens, or of a longer period, that is used up."""
        waits = [one.resets_in for one in limits if one.remaining < 1 and one.resets_in is not None]
        if waits:
            self._until = max(self._until, now + max(waits))

    def _next_window(self, now: float) -> None:
        if not self._is_told and now - self._refused_at > _FORGOTTEN_S:
            self._budget = math.inf
        elif not self._is_told and now - self._refused_at > 3 * self._period:
            # It has borne a few windows of this size.
            self._budget = math.floor(self._budget * 1.25) + 1
        self._left = self._budget - (self._unheard if self._budget < math.inf else 0)
        self._window_ends = now + self._period if self._budget < math.inf else math.inf

    def _recently(self, now: float) -> int:
        """Requests that were taken within the last period."""
        return sum(now - at <= self._period for at in self._taken)

    def _spread(self, wait: float) -> float:
        return max(wait, 0.0) + self._varied(0, max(min(_SPREAD * self._period, _SPREAD_S), 0.01))
