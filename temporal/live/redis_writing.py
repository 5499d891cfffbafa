"""What waits is written: all of it in one round trip, by one task, over a connection of its own.

A flush is one script, not a pipeline of commands. It costs this process one command to write and one answer to read,
however much is in it, which for 4,000 fragments a second is most of the cost. And a Redis that is full, which refuses to
keep anything, tells its subscribers all the same. Of a session's pokes it keeps the highest: one that waited may be
written after a later one of another process.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

from perdure.temporal.live.redis_connection import LOST, RedisConnection, connected, pause, reason
from perdure.temporal.live.redis_health import RedisHealth
from perdure.temporal.live.redis_names import RedisNames
from perdure.temporal.live.redis_outgoing import WHOLE_EACH, Outgoing, Write
from perdure.temporal.redis_address import RedisAddress

#: Entries of a session's stream, about: enough for a whole of each of two attempts at once.
ENTRIES: Final = 2 * WHOLE_EACH + 200
#: Seconds after which what nobody writes to is gone; and after an attempt has ended.
EXPIRES_S: Final = 60
ENDED_S: Final = 5
#: Writes in one flush: a script holds up whoever else uses that Redis.
_FLUSH: Final = 200
#: Seconds from one look at what has been silent, or was refused, to the next.
_LOOK_S: Final = 1.0
#: Seconds without a write after which a look shows whether the connection still stands.
_IDLE_S: Final = 5.0
_KEPT: Final = frozenset({"poke", "add", "keep", "tool"})

_SCRIPT: Final = f"""
local refused = false
for i, key in ipairs(KEYS) do
  local kind, channel, payload, call = ARGV[4*i-3], ARGV[4*i-2], ARGV[4*i-1], ARGV[4*i]
  local done
  if kind == 'add' or kind == 'keep' or kind == 'end' then
    done = redis.pcall('XADD', key, 'MAXLEN', '~', {ENTRIES}, '*', 'f', payload)
    redis.pcall('EXPIRE', key, kind == 'end' and {ENDED_S} or {EXPIRES_S})
  elseif kind == 'poke' then
    local known = redis.pcall('GET', key)
    if type(known) ~= 'string' or (tonumber(known:match('%d+')) or 0) <= tonumber(payload:match('%d+')) then
      done = redis.pcall('SET', key, payload, 'EX', {EXPIRES_S})
    end
  elseif kind == 'tool' then
    done = redis.pcall('HSET', key, call, payload)
    redis.pcall('EXPIRE', key, {EXPIRES_S})
  elseif kind == 'over' then
    done = redis.pcall('HDEL', key, call)
  end
  if type(done) == 'table' and done.err then refused = done.err end
  if kind ~= 'keep' then redis.call('PUBLISH', channel, payload) end
end
return refused
"""


async def write(address: RedisAddress, names: RedisNames, outgoing: Outgoing, health: RedisHealth) -> None:
    """Never ends."""
    failures = 0
    while True:
        writing = _Writing(names, outgoing, health)
        try:
            async with connected(address) as connection:
                await connection.ask(("PING",))
                health.reached("writing")
                failures = 0
                while True:
                    await writing.next(connection)
        except LOST as error:
            failures += 1
            outgoing.lost(writing.taken)
            health.lost("writing", reason(error))
            await pause(failures)


class _Writing:
    """What is known of one connection."""

    def __init__(self, names: RedisNames, outgoing: Outgoing, health: RedisHealth) -> None:
        self._names = names
        self._outgoing = outgoing
        self._health = health
        #: On its way, for all that is known.
        self.taken: list[Write] = []
        self._looked_at = self._asked_at = time.monotonic()
        self._refused = False

    async def next(self, connection: RedisConnection) -> None:
        """Writes what there is, after a while in vain a look at what else there is to do."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await self._outgoing.wait()
        self.taken = self._outgoing.take(_FLUSH)
        if self.taken:
            refusal = await flush(connection, self._names, self.taken)
            if refusal is not None or any(one.kind in _KEPT for one in self.taken):
                self._health.kept(refusal)
            self._refused = self._refused or refusal is not None
            self._asked_at = time.monotonic()
            self.taken = []
            self._outgoing.settled()
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_S:
            if self._refused:
                self._outgoing.refused()
            self._outgoing.renew()
            self._looked_at, self._refused = now, False
        if now - self._asked_at >= _IDLE_S or not self._health.is_up("writing"):
            await connection.ask(("PING",))
            self._health.reached("writing")
            self._asked_at = now


async def flush(connection: RedisConnection, names: RedisNames, writes: list[Write]) -> str | None:
    """Returns why Redis did not keep one of them, if it did not; they are told all the same. Raises one of `LOST`."""
    keys: list[str] = []
    values: list[str | bytes] = []
    for one in writes:
        keys.append(_key(names, one))
        channel = names.stops if one.kind == "stop" else names.channel(one.session)
        values += (one.kind, channel, one.payload, one.call_id)
    (refusal,) = await connection.ask(("EVAL", _SCRIPT, len(keys), *keys, *values))
    return None if refusal is None else refusal.decode(errors="replace")


def _key(names: RedisNames, write: Write) -> str:
    match write.kind:
        case "stop" | "ask" | "poke":
            return names.poke(write.session)
        case "tool" | "over":
            return names.tools(write.session)
        case "add" | "keep" | "end":
            return names.step(write.session)
