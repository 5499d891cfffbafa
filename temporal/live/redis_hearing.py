"""What Redis tells this process: one connection hears for all sessions that are followed here, and for all stops.

It hears by Pub/Sub, and reads a session's stream only for its past: when the session is first followed, when fragments are
missing, and when the connection was lost. `XREAD BLOCK` over the streams alone would do with less, but it names all of its
streams in each command: with 2,000 watched sessions and 1,000 fragments a second, Redis would look up two million keys a
second, and every new watch would have to break the command off. A message of Pub/Sub costs what its subscribers cost.

A subscriber that is too slow for Redis loses its connection (`client-output-buffer-limit pubsub`), and comes again.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from perdure.temporal.live.frames import ToolProgress
from perdure.temporal.live.redis_connection import ANSWER_S, LOST, RedisConnection, connected, pause, reason
from perdure.temporal.live.redis_followed import Followed
from perdure.temporal.live.redis_frames import read
from perdure.temporal.live.redis_health import RedisHealth
from perdure.temporal.live.redis_names import RedisNames
from perdure.temporal.redis_address import RedisAddress

#: Seconds of silence after which Redis is asked whether it is still there.
_QUIET_S: Final = 5.0
#: Channels in one command, and sessions whose past is read in one round trip.
_CHANNELS: Final = 500
_PASTS: Final = 50
#: Messages after which others on this loop have their turn.
_TURN: Final = 100


class Hearing:
    """`stop` is given what each stop says."""

    def __init__(
        self, address: RedisAddress, names: RedisNames, stop: Callable[[bytes], None], health: RedisHealth
    ) -> None:
        self._address = address
        self._names = names
        self._stops = names.stops.encode()
        self._stop = stop
        self._health = health
        #: By the channel.
        self._followed: dict[bytes, Followed] = {}
        #: Those whose channel this connection has asked for.
        self._asked: dict[bytes, Followed] = {}
        self._unread: dict[bytes, None] = {}
        self._changed = asyncio.Event()
        self._to_read = asyncio.Event()

    def follow(self, session: str) -> Followed:
        """The session, which is followed until `leave`."""
        channel = self._names.channel(session).encode()
        if channel not in self._followed:
            self._followed[channel] = Followed(lambda: self._read(channel))
            self._changed.set()
        return self._followed[channel]

    def followed(self, session: str) -> Followed | None:
        return self._followed.get(self._names.channel(session).encode())

    def leave(self, session: str) -> None:
        self._followed.pop(self._names.channel(session).encode(), None)
        self._changed.set()

    async def run(self) -> None:
        """Never ends."""
        failures = 0
        while True:
            try:
                async with connected(self._address) as hears, connected(self._address) as reads:
                    await hears.send(("SUBSCRIBE", self._names.stops))
                    self._begin()
                    failures = 0
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._hear(hears))
                        tasks.create_task(self._subscribe(hears))
                        tasks.create_task(self._read_pasts(reads))
            except* LOST as lost:
                failures += 1
                self._health.lost("hearing", reason(_first(lost)))
            await pause(failures)

    def _begin(self) -> None:
        self._asked.clear()
        self._unread.clear()
        self._changed.set()
        for followed in self._followed.values():
            followed.missed()

    def _read(self, channel: bytes) -> None:
        self._unread[channel] = None
        self._to_read.set()

    async def _hear(self, connection: RedisConnection) -> None:
        heard = asked = 0
        while True:
            message = await connection.heard(_QUIET_S if not asked else ANSWER_S)
            if message is None:
                if asked:
                    raise TimeoutError
                asked = 1
                await connection.send(("PING",))
                continue
            asked = 0
            self._take(message)
            heard += 1
            if heard % _TURN == 0:
                await asyncio.sleep(0)

    def _take(self, message: list[Any]) -> None:
        match message:
            case [b"message", bytes(channel), bytes(data)]:
                followed = self._followed.get(channel)
                if followed is not None:
                    frame = read(data)
                    if frame is not None:
                        followed.take(frame)
                elif channel == self._stops:
                    self._stop(data)
            case [b"subscribe", bytes(channel), _]:
                if channel in self._followed:
                    self._read(channel)
                elif channel == self._stops:
                    self._health.reached("hearing")
            case _:
                pass

    async def _subscribe(self, connection: RedisConnection) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            gone = [channel for channel in self._asked if channel not in self._followed]
            new = [channel for channel, one in self._followed.items() if self._asked.get(channel) is not one]
            for channel in gone:
                del self._asked[channel]
            for channel in new:
                self._asked[channel] = self._followed[channel]
            for command, channels in (("UNSUBSCRIBE", gone), ("SUBSCRIBE", new)):
                for at in range(0, len(channels), _CHANNELS):
                    await connection.send((command, *channels[at : at + _CHANNELS]))

    async def _read_pasts(self, connection: RedisConnection) -> None:
        while True:
            await self._to_read.wait()
            channels = [channel for channel in list(self._unread)[:_PASTS] if channel in self._followed]
            for channel in list(self._unread)[:_PASTS]:
                del self._unread[channel]
            if not self._unread:
                self._to_read.clear()
            await self._read_some(connection, channels)

    async def _read_some(self, connection: RedisConnection, channels: list[bytes]) -> None:
        sessions = [self._names.session(channel.decode()) for channel in channels]
        asked = {channel: self._followed[channel] for channel in channels}
        answers = iter(
            await connection.ask(
                *(
                    command
                    for session in sessions
                    for command in (
                        ("GET", self._names.poke(session)),
                        ("XRANGE", self._names.step(session), "-", "+"),
                        ("HVALS", self._names.tools(session)),
                    )
                )
            )
        )
        for channel, poke, entries, words in zip(channels, answers, answers, answers, strict=True):
            if self._followed.get(channel) is asked[channel]:
                told = (read(data) for data in words)
                self._followed[channel].past(
                    None if poke is None else read(poke),
                    [frame for _, fields in entries if (frame := read(fields[1])) is not None],
                    [word for word in told if isinstance(word, ToolProgress)],
                )


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
