"""Who of this process waits for stops of sessions, so that a stop reaches all of them at once."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class StopEvents:
    """Belongs to one event loop. `session` is a workflow id."""

    def __init__(self) -> None:
        self._events: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def waiting(self, session: str) -> Iterator[asyncio.Event]:
        """An event that each `set` of the session sets; whoever waits clears it."""
        event = asyncio.Event()
        self._events[session].add(event)
        try:
            yield event
        finally:
            self._events[session].discard(event)
            if not self._events[session]:
                del self._events[session]

    def set(self, session: str) -> None:
        for event in self._events.get(session, ()):
            event.set()
