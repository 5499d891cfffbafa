"""One connection to Redis for calls that somebody waits for, but not for long.

Rule: whoever asks gets an answer or `SharedAway` within `WITHIN_S`. While Redis is known to be away, and for a moment after
it was too slow, that is at once. Calls that come at the same time go out together.
"""

import asyncio
from collections import deque
from typing import Any, Final

import structlog

from perdure.temporal.live.redis_connection import LOST, RedisConnection, connected, pause, reason
from perdure.temporal.redis_address import RedisAddress
from perdure.temporal.sessions.limits.shared import SharedAway

log = structlog.get_logger(__name__)

#: Seconds that a call waits for its answer, and in which nobody asks after one had none.
WITHIN_S: Final = 0.25
SHUNNED_S: Final = 1.0
#: Calls that wait to be sent; further ones are not made.
WAITING: Final = 10_000
_TOGETHER: Final = 200
_PROBE: Final = "perdure:limits:probe"
_COSTS: Final = "each process counts for itself, and turns at work are not limited"

_Command = tuple[str | bytes | int, ...]
_Call = tuple[_Command, "asyncio.Future[Any] | None"]


class RedisCalls:
    """Belongs to one event loop. `run` has to run beside it."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._waiting: deque[_Call] = deque()
        self._under_way: list[_Call] = []
        self._some = asyncio.Event()
        self._shunned_until = 0.0
        self._told = False
        self.up = False
        #: The first connection stands, or failed.
        self.tried = asyncio.Event()

    async def ask(self, *command: str | bytes | int) -> Any:
        """The answer. Raises `SharedAway`."""
        loop = asyncio.get_running_loop()
        if not self.up or loop.time() < self._shunned_until or len(self._waiting) >= WAITING:
            raise SharedAway
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((command, answer))
        self._some.set()
        try:
            async with asyncio.timeout(WITHIN_S):
                return await answer
        except TimeoutError:
            self._shunned_until = loop.time() + SHUNNED_S
            raise SharedAway from None

    def tell(self, *command: str | bytes | int) -> None:
        """Sends it, if it can be sent."""
        if self.up and len(self._waiting) < WAITING:
            self._waiting.append((command, None))
            self._some.set()

    async def run(self) -> None:
        """Never ends."""
        failures = 0
        while True:
            try:
                async with connected(self._address) as connection:
                    # A Redis that is full answers, and takes nothing.
                    await connection.ask(("SET", _PROBE, "", "PX", 1))
                    failures = 0
                    self._reached()
                    while True:
                        await self._next(connection)
            except LOST as error:
                failures += 1
                self._lost(reason(error))
                await pause(failures)

    async def _next(self, connection: RedisConnection) -> None:
        self._some.clear()
        if not self._waiting:
            await self._some.wait()
        # Nobody waits any more for some of them.
        calls = [self._waiting.popleft() for _ in range(min(len(self._waiting), _TOGETHER))]
        self._under_way = [call for call in calls if call[1] is None or not call[1].done()]
        if not self._under_way:
            return
        answers = await connection.ask(*(command for command, _ in self._under_way))
        for (_, waiter), answer in zip(self._under_way, answers, strict=True):
            if waiter is not None and not waiter.done():
                waiter.set_result(answer)
        self._under_way = []

    def _reached(self) -> None:
        self.up, self._shunned_until = True, 0.0
        self.tried.set()
        if self._told:
            log.info("limits.shared_again", redis=str(self._address))
            self._told = False

    def _lost(self, why: str) -> None:
        self.up = False
        self.tried.set()
        for _, waiter in (*self._under_way, *self._waiting):
            if waiter is not None and not waiter.done():
                waiter.set_exception(SharedAway())
        self._under_way = []
        self._waiting.clear()
        if not self._told:
            log.warning("limits.not_shared", redis=str(self._address), reason=why, costs=_COSTS)
            self._told = True
