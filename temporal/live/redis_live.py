"""The live plane between processes, over Redis.

A session that streams has one stream there: the fragments of its step, bounded and expiring, for whoever comes late. What
is written is also told to who follows the session: see `redis_hearing`. All processes hear all stops, which are rare.

Rule: Redis that is lost, slow or full costs liveliness only. Nobody waits for it, and what it missed comes again as a whole.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from perdure.temporal.live.bounded_subscription import BoundedSubscription
from perdure.temporal.live.frames import Poke, StepDelta, ToolProgress
from perdure.temporal.live.protocols import LiveState
from perdure.temporal.live.redis_health import RedisHealth
from perdure.temporal.live.redis_hearing import Hearing
from perdure.temporal.live.redis_names import RedisNames
from perdure.temporal.live.redis_outgoing import Outgoing
from perdure.temporal.live.redis_writing import write
from perdure.temporal.live.stop_events import StopEvents
from perdure.temporal.redis_address import RedisAddress
from perdure.temporal.telemetry.metrics import UNMEASURED, Metrics

#: Seconds that a process waits for Redis when it starts, and for what is still to be written when it stops.
_START_S: Final = 3.0
_STOP_S: Final = 1.0


class RedisLive:
    """`Live` between processes. Made by `redis_live`."""

    whole = False

    def __init__(self, address: RedisAddress, namespace: str, metrics: Metrics) -> None:
        self._loop = asyncio.get_running_loop()
        self._stops = StopEvents()
        #: Of this process, so that it does not take its own stops for another's.
        self._token = secrets.token_hex(4)
        self.health = RedisHealth(address, metrics)
        self._outgoing = Outgoing(metrics)
        names = RedisNames(address.db, namespace)
        self._hearing = Hearing(address, names, self._hear_stop, self.health)
        self._writing = write(address, names, self._outgoing, self.health)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._writing), asyncio.create_task(self._hearing.run())]
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.health.tried.wait(), _START_S)
            yield
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await self._outgoing.written()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def state(self) -> LiveState:
        return "ok" if self.health.well else "lost"

    def poke(self, session: str, seq: int = 0) -> None:
        with suppress(RuntimeError):  # the loop is closed: this process is ending
            self._loop.call_soon_threadsafe(self._poke, session, seq)

    def begin(self, session: str, step_id: str, attempt: int) -> None:
        self._outgoing.begin(session, step_id, attempt)

    def delta(self, session: str, delta: StepDelta) -> None:
        self._outgoing.delta(session, delta)

    def end(self, session: str, step_id: str, attempt: int) -> None:
        self._outgoing.end(session, step_id, attempt)

    def tool_progress(self, session: str, progress: ToolProgress) -> None:
        with suppress(RuntimeError):  # as for a poke
            self._loop.call_soon_threadsafe(self._outgoing.tool_progress, session, progress)

    def tool_ended(self, session: str, call_id: str) -> None:
        # Behind what the tool told before, which may still be on its way to the loop.
        self._loop.call_soon(self._outgoing.tool_ended, session, call_id)

    def stop(self, session: str) -> None:
        self._stops.set(session)
        self._outgoing.stop(session, f"{self._token} {session}".encode())

    @asynccontextmanager
    async def subscribe(self, session: str) -> AsyncIterator[BoundedSubscription]:
        followed = self._hearing.follow(session)
        subscription = BoundedSubscription(followed.so_far)
        followed.subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            followed.subscriptions.discard(subscription)
            if not followed.subscriptions:
                self._hearing.leave(session)

    @asynccontextmanager
    async def stops(self, session: str) -> AsyncIterator[asyncio.Event]:
        with self._stops.waiting(session) as event:
            yield event

    def _poke(self, session: str, seq: int) -> None:
        self._outgoing.poke(session, seq)
        if not self.health.well and (followed := self._hearing.followed(session)) is not None:
            # Those who follow it here hear it all the same.
            followed.take(Poke(seq))

    def _hear_stop(self, said: bytes) -> None:
        token, _, session = said.decode(errors="replace").partition(" ")
        if token != self._token:
            self._stops.set(session)


@asynccontextmanager
async def redis_live(address: RedisAddress, namespace: str, metrics: Metrics = UNMEASURED) -> AsyncIterator[RedisLive]:
    """Starts whether Redis is there or not. `namespace` is Temporal's, whose sessions these are."""
    live = RedisLive(address, namespace, metrics)
    async with live.running():
        yield live
