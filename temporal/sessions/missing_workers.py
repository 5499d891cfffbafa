"""What no worker takes at the moment, as a gateway sees it: for people who wait, and would not know for what.

Rule 1: it is a state, never an event: it goes by itself when a worker is there again, and what was accepted is kept
meanwhile, for it is in Temporal.
Rule 2: what cannot be seen, because Temporal is away, stays as it was last seen.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

import structlog
from temporalio.service import RPCError

from perdure.temporal.sessions.workers import LOOK_S, Workers
from perdure.temporal.task_queues import Serves

log = structlog.get_logger(__name__)

Missing = tuple[Serves, ...]
NONE: Final[Missing] = ()


class MissingWorkers:
    """`workers` are those of each task queue that this deployment has."""

    def __init__(self, workers: Mapping[Serves, Workers]) -> None:
        self._workers = workers
        self._now: Missing = NONE
        self._changed = asyncio.Event()

    async def keep_looking(self) -> None:
        """Looks each `LOOK_S`. Never ends."""
        while True:
            found = await asyncio.gather(*(self._gone(kind) for kind in self._workers))
            self._tell(tuple(kind for kind, gone in zip(self._workers, found, strict=True) if gone))
            await asyncio.sleep(LOOK_S)

    async def changes(self) -> AsyncIterator[Missing]:
        """What is missing now, if anything is, and then each change. Never ends."""
        told = NONE
        while True:
            changed = self._changed
            if self._now != told:
                told = self._now
                yield told
            else:
                await changed.wait()

    async def _gone(self, kind: Serves) -> bool:
        try:
            return await self._workers[kind].all_gone()
        except RPCError as error:
            log.debug("workers.unseen", status=error.status.name)
            return kind in self._now

    def _tell(self, missing: Missing) -> None:
        if missing == self._now:
            return
        for kind in sorted({*missing} - {*self._now}):
            log.warning("workers.missing", takes=kind)
        for kind in sorted({*self._now} - {*missing}):
            log.info("workers.back", takes=kind)
        self._now = missing
        self._changed.set()
        self._changed = asyncio.Event()
