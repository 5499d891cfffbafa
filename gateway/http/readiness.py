"""Whether this process can serve, looked at once however many ask: anybody may ask, and a look costs Temporal a call."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

#: Seconds for which what was found counts.
REMEMBERED_S: Final = 1.0


class Readiness:
    """Belongs to one event loop. `look` raises where the process cannot serve."""

    def __init__(self, look: Callable[[], Awaitable[None]], now: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._now = now
        self._looking: asyncio.Task[None] | None = None
        self._due = float("-inf")

    async def check(self) -> None:
        """Raises what `look` raises, or raised less than a second ago. Whoever asks during a look waits for that one."""
        if self._looking is None or (self._looking.done() and self._now() >= self._due):
            self._looking = asyncio.create_task(self._timed())
            # Where all who asked have left, nobody else takes what it raises.
            self._looking.add_done_callback(lambda look: look.cancelled() or look.exception())
        await asyncio.shield(self._looking)

    async def _timed(self) -> None:
        try:
            await self._look()
        finally:
            self._due = self._now() + REMEMBERED_S
