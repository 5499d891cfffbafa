"""Whether a store that all processes share can be used, without waiting for it.

Rule 1: who asks is told what was found last, and a new look begins beside that. A store that hangs holds nobody up.
Rule 2: however many ask, the store is looked at once in some seconds: each look costs requests, which are paid for.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Literal

import structlog

from perdure.temporal.stores.blobs import BlobError, BlobStore, probe

StoreState = Literal["ok", "lost"]

log = structlog.get_logger(__name__)

#: Seconds from one look to the next, while all is well and while it is not.
_EACH_S: Final = {"ok": 10.0, "lost": 2.0}


class StoreHealth:
    """Taken to be well until it is looked at: a process whose store refuses it does not start."""

    def __init__(self, blobs: BlobStore, now: Callable[[], float] = time.monotonic) -> None:
        self._blobs = blobs
        self._now = now
        self._state: StoreState = "ok"
        self._due = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    def state(self) -> StoreState:
        """Must be called on the loop."""
        if self._looking is None and self._now() >= self._due:
            self._looking = asyncio.create_task(self._look())
        return self._state

    async def _look(self) -> None:
        try:
            await self._compare()
        finally:
            self._due = self._now() + _EACH_S[self._state]
            self._looking = None

    async def _compare(self) -> None:
        try:
            found: StoreState = "ok" if await probe(self._blobs) else "lost"
            problem = "it gives back other bytes than were written"
        except BlobError as error:
            found, problem = "lost", str(error)
        if found != self._state:
            if found == "lost":
                log.error("store.lost", problem=problem)
            else:
                log.info("store.found")
        self._state = found
