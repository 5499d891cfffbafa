"""A worker that can be killed at a named point, and whose failed attempts are tried again without waiting.

What a kill is here: every call of an activity on the worker is cut at the point, none of them reports a result, and the
worker forgets every session, so that each is replayed from its history. Unlike a process that was killed, the worker
still tells Temporal that its attempts are lost, so nobody waits for a heartbeat time-out.

Why it forgets and is not replaced: this test server never takes a session away from the worker that has it in memory. A
worker without memory would be free of that, but the SDK drops tasks which meet one another while it forgets a session
(one test in five then waited a second for a time-out), and it would be three times as slow.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from temporalio.worker import Worker

from perdure.temporal.app.testing.points import Points

_STOP_S: Final = 15


class MortalWorker:
    """A worker that comes back from each kill with nothing in its memory."""

    def __init__(self, worker: Worker, points: Points, forget: Callable[[], Awaitable[None]]) -> None:
        """`forget` pushes all sessions out of the worker's memory."""
        self._worker = worker
        self._points = points
        self._forget = forget

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        run = asyncio.create_task(self._worker.run())
        watch = asyncio.create_task(self._bring_back())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            # A worker that broke down must not hold up the run of pytest.
            async with asyncio.timeout(_STOP_S):
                await self._worker.shutdown()
                await run

    async def restart(self) -> None:
        self._points.kill()
        await self._points.alive.wait()

    async def _bring_back(self) -> None:
        while True:
            await self._points.killed.wait()
            async with self._points.quiet:
                await self._forget()
                self._points.killed.clear()
                self._points.alive.set()
