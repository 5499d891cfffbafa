"""Places that are taken in one process, each until it is left or its time is over."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from perdure.temporal.sessions.limits.shared import Entry


class MemoryPlaces:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: Who has a place of each limit, and until when.
        self._taken: defaultdict[str, dict[str, float]] = defaultdict(dict)

    def enter(self, limits: Sequence[tuple[str, int]], member: str, for_s: float) -> Entry:
        """Takes a place of each limit, a name and how many there are, for so many seconds, or of none. Who has a place
        already keeps it."""
        now = self._clock()
        for index, (name, most) in enumerate(limits):
            taken = self._taken.get(name, {})
            if taken.get(member, now) <= now and len(taken) >= most:
                self._expire(name)
                if len(self._taken.get(name, ())) >= most:
                    return Entry(full=index)
        known = all(self._taken.get(name, {}).get(member, now) > now for name, _ in limits)
        for name, _ in limits:
            self._taken[name][member] = max(now + for_s, self._taken[name].get(member, now))
        return Entry(known=known)

    def hold(self, names: Sequence[str], member: str, for_s: float) -> None:
        """Takes a place of each, be there one or not."""
        for name in names:
            self._taken[name][member] = self._clock() + for_s

    def leave(self, names: Sequence[str], member: str) -> None:
        for name in names:
            if (taken := self._taken.get(name)) is not None:
                taken.pop(member, None)
                if not taken:
                    del self._taken[name]

    def count(self, name: str) -> int:
        self._expire(name)
        return len(self._taken.get(name, ()))

    def _expire(self, name: str) -> None:
        now = self._clock()
        over = [member for member, until in self._taken.get(name, {}).items() if until <= now]
        for member in over:
            self.leave([name], member)
