"""One connection to Redis, and when to try again after it is lost.

redis-py's connections are used without its client and its pools, which bring retries and reconnections of their own: here
every connection belongs to one task, and the task that loses it knows what it has to do over again.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio.connection import Connection, SSLConnection
from redis.exceptions import RedisError

from perdure.temporal.redis_address import RedisAddress

#: Seconds for connecting, with TLS and login; and for an answer, after which a connection counts as lost.
CONNECT_S: Final = 3.0
ANSWER_S: Final = 3.0
#: Seconds before another try, after each failure in a row.
_RETRY_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)

#: What a connection that is lost, or a Redis that refuses, raises.
LOST: Final = (RedisError, OSError, TimeoutError)


class RedisConnection:
    """Commands and their answers, in order. Everything raises one of `LOST` once it is lost."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def send(self, *commands: Sequence[str | bytes | int]) -> None:
        packed = self._connection.pack_commands(commands)
        async with asyncio.timeout(ANSWER_S):
            await self._connection.send_packed_command(packed)

    async def ask(self, *commands: Sequence[str | bytes | int]) -> list[Any]:
        """The answers to all commands, which go out together."""
        await self.send(*commands)
        async with asyncio.timeout(ANSWER_S):
            return [await self._connection.read_response() for _ in commands]

    async def heard(self, within_s: float) -> list[Any] | None:
        """The next message of a channel; None where none comes in time."""
        message: list[Any] | None = await self._connection.read_response(timeout=within_s)
        return message


@asynccontextmanager
async def connected(address: RedisAddress) -> AsyncIterator[RedisConnection]:
    """Raises one of `LOST`, whose words do not hold the password."""
    named: dict[str, Any] = {
        **dict(address.files),
        "host": address.host,
        "port": address.port,
        "db": address.db,
        "username": address.username,
        "password": address.password,
        "socket_timeout": None,
        "socket_connect_timeout": CONNECT_S,
        "protocol": 2,
        "driver_info": None,
    }
    connection = SSLConnection(**named) if address.tls else Connection(**named)
    try:
        async with asyncio.timeout(CONNECT_S):
            await connection.connect()  # type: ignore[no-untyped-call]
        yield RedisConnection(connection)
    finally:
        await connection.disconnect(nowait=True)


def reason(error: BaseException) -> str:
    """What is wrong, in words."""
    return str(error) or ("it does not answer" if isinstance(error, TimeoutError) else type(error).__name__)


async def pause(failures: int) -> None:
    """Waits before the next try, after so many failures in a row."""
    await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S)) - 1] * random.uniform(0.8, 1.2))
