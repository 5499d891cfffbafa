"""How many event streams each caller has open at this gateway, and may have."""

from collections import Counter
from collections.abc import Callable

from perdure.gateway.http.problems import Problem
from perdure.temporal.sessions.principal import Principal


class OpenStreams:
    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[Principal] = Counter()

    def check(self, by: Principal) -> None:
        """Raises Problem `too_many`."""
        if self._open[by] >= self._most:
            raise Problem("too_many", f"{self._most} event streams are open already; close some, or share one.")

    def opened(self, by: Principal) -> Callable[[], None]:
        """Counts a stream, and returns what is to be called when it ends."""
        self._open[by] += 1

        def closed() -> None:
            self._open[by] -= 1
            if not self._open[by]:
                del self._open[by]

        return closed
