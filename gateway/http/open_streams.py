"""How many event streams each caller has open at this gateway, and may have."""

from collections import Counter
from collections.abc import Callable

from perdure.gateway.http.problems import Problem
from perdure.temporal.sessions.caller import Caller


class OpenStreams:
    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[Caller] = Counter()

    def check(self, by: Caller) -> None:
        """Raises Problem `too_many`."""
        if self._open[by] >= self._most:
            raise Problem("too_many", f"{self._most} event streams are open already; close some, or share one.")

    def opened(self, by: Caller) -> Callable[[], None]:
        """Counts a stream, and returns what is to be called when it ends."""
        self._open[by] += 1

        def closed() -> None:
            self._open[by] -= 1
            if not self._open[by]:
                del self._open[by]

        return closed
