"""Limits that workers and gateways keep together, in Redis.

A bucket is a string, its tokens and its time; the places of a limit are a sorted set of who has one, by when it lapses.
All times are those of Redis' own clock.

Rule 1: a decision is one script and one round trip, so that no two processes give the same place or token away.
Rule 2: a place lapses after `LEASE_S` seconds unless whoever holds it says so again, so nothing that a killed process held
counts for longer. A bucket lapses once it is full.
Rule 3: a stream ends with its gateway, and its reader comes to another one at once. So its place names the gateway, and
counts no more, where it is wanted, once that one has said nothing for `ALIVE_S`.
Rule 4: of a turn that tells nothing for `SILENT_S`, this process says nothing more: its session may be gone.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from perdure.temporal.redis_address import RedisAddress
from perdure.temporal.sessions.limits.bucket import Rate, Scope, Standing, Verdict, judge
from perdure.temporal.sessions.limits.redis_calls import RedisCalls
from perdure.temporal.sessions.limits.shared import Entry, Kind, SharedAway

LEASE_S: Final = 60
RENEW_S: Final = 20.0
ALIVE_S: Final = 5
_BEAT_S: Final = 1.5
_BEATS: Final = int(RENEW_S / _BEAT_S)
SILENT_S: Final = 3600.0
#: Places that one process holds; it leaves further ones to lapse.
HELD: Final = 50_000
_START_S: Final = 3.0
_TOGETHER: Final = 200

_NOW: Final = "local t = redis.call('TIME') local now = t[1] + t[2] / 1000000"

_TAKE: Final = f"""
{_NOW}
local levels, enough = {{}}, true
for i, key in ipairs(KEYS) do
  local rate, most = tonumber(ARGV[2*i-1]), tonumber(ARGV[2*i])
  local kept, level = redis.call('GET', key), most
  if kept then
    local tokens, at = kept:match('(%S+) (%S+)')
    level = math.min(most, tokens + math.max(0, now - at) * rate)
  end
  levels[i] = level
  enough = enough and level >= 1
end
local told = {{}}
for i, key in ipairs(KEYS) do
  told[i] = string.format('%.17g', levels[i])
  if enough then
    local full = (tonumber(ARGV[2*i]) - levels[i] + 1) / tonumber(ARGV[2*i-1])
    redis.call('SET', key, string.format('%.17g %.17g', levels[i] - 1, now), 'PX', math.ceil(full * 1000) + 1000)
  end
end
return told
"""
#: 0: given; -1: there was one of each; or the first limit that is full, from 1. The second argument begins the key by which
#: a gateway says that it lives; empty: places name none.
_ENTER: Final = f"""
{_NOW}
local function full(key, most)
  if redis.call('ZCARD', key) < most then return false end
  if ARGV[2] ~= '' then
    local lives = {{}}
    for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      local gateway = member:match('^(%x+)[.]')
      if gateway then
        if lives[gateway] == nil then lives[gateway] = redis.call('EXISTS', ARGV[2] .. gateway) end
        if lives[gateway] == 0 then redis.call('ZREM', key, member) end
      end
    end
  end
  return redis.call('ZCARD', key) >= most
end
local known = 0
for i, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  if redis.call('ZSCORE', key, ARGV[1]) then
    known = known + 1
  elseif full(key, tonumber(ARGV[i+2])) then
    return i
  end
end
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, now + {LEASE_S}, ARGV[1])
  redis.call('EXPIRE', key, {LEASE_S})
end
return known == #KEYS and -1 or 0
"""
#: Of turns, only those that are still there: another process may have seen the end of one.
_RENEW: Final = f"""
{_NOW}
local gone = {{}}
for i, key in ipairs(KEYS) do
  if ARGV[1] == 'turns' and not redis.call('ZSCORE', key, ARGV[i+1]) then
    gone[#gone+1] = ARGV[i+1]
  else
    redis.call('ZADD', key, now + {LEASE_S}, ARGV[i+1])
    redis.call('EXPIRE', key, {LEASE_S})
  end
end
return gone
"""
_COUNT: Final = f"""
{_NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[1], now + {LEASE_S}, ARGV[1])
  redis.call('EXPIRE', KEYS[1], {LEASE_S})
end
return redis.call('ZCARD', KEYS[1])
"""


@dataclass(slots=True)
class _Held:
    names: tuple[str, ...]
    since: float


class RedisLimits:
    """`SharedLimits`. Made by `redis_limits`."""

    def __init__(self, address: RedisAddress, namespace: str, *, gateway: bool) -> None:
        self.calls = RedisCalls(address)
        self.gateways = 1
        self._place = f"{address.db}:{namespace}"
        self._token = secrets.token_hex(8) if gateway else ""
        self._lives = f"perdure:gateway:{self._place}:"
        self._held: dict[tuple[Kind, str], _Held] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.calls.run()), asyncio.create_task(self._keep())]
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.calls.tried.wait(), _START_S)
            with suppress(SharedAway):
                await self._count_gateways()
                await self.beat()
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def take(self, asked: Sequence[tuple[Scope, str, Rate]]) -> Verdict:
        keys = [self._key("requests", name) for _, name, _ in asked]
        rates = [value for _, _, rate in asked for value in (repr(rate.per_s), rate.most)]
        levels = await self.calls.ask("EVAL", _TAKE, len(keys), *keys, *rates)
        return judge(
            [Standing(scope, rate, float(found)) for (scope, _, rate), found in zip(asked, levels, strict=True)]
        )

    async def enter(self, kind: Kind, limits: Sequence[tuple[str, int]], member: str) -> Entry:
        keys = [self._key(kind, name) for name, _ in limits]
        lives = self._lives if kind == "streams" else ""
        most = (most for _, most in limits)
        found = await self.calls.ask("EVAL", _ENTER, len(keys), *keys, self._named(kind, member), lives, *most)
        return Entry(full=int(found) - 1) if found > 0 else Entry(known=found < 0)

    def hold(self, kind: Kind, names: Sequence[str], member: str) -> None:
        member = self._named(kind, member)
        held = self._held.get((kind, member))
        if held is not None:
            held.since = time.monotonic()
            return
        if len(self._held) < HELD:
            self._held[kind, member] = _Held(tuple(names), time.monotonic())
        self.calls.tell(*self._renewal(kind, "", [(name, member) for name in names]))

    def leave(self, kind: Kind, names: Sequence[str], member: str) -> None:
        member = self._named(kind, member)
        self._held.pop((kind, member), None)
        for name in names:
            self.calls.tell("ZREM", self._key(kind, name), member)

    async def beat(self) -> None:
        """Says that this gateway lives. Raises `SharedAway`."""
        if (
            self._token
            and await self.calls.ask("SET", self._lives + self._token, "", "PX", ALIVE_S * 1000, "GET") is None
        ):
            # Others may have taken it for dead, and its places for free.
            await self.renew()

    async def renew(self) -> None:
        """Says again what this process holds. Raises `SharedAway`."""
        await self._count_gateways()
        silent = time.monotonic() - SILENT_S
        for kind, member in [key for key, held in self._held.items() if key[0] == "turns" and held.since < silent]:
            del self._held[kind, member]
        for kind in ("streams", "turns"):
            places = [(name, who) for (of, who), held in self._held.items() if of == kind for name in held.names]
            for start in range(0, len(places), _TOGETHER):
                for member in await self.calls.ask(*self._renewal(kind, kind, places[start : start + _TOGETHER])):
                    self._held.pop((kind, member.decode()), None)

    def _renewal(self, kind: Kind, how: str, places: Sequence[tuple[str, str]]) -> tuple[str | int, ...]:
        keys = [self._key(kind, name) for name, _ in places]
        return ("EVAL", _RENEW, len(keys), *keys, how, *(member for _, member in places))

    async def _count_gateways(self) -> None:
        found = await self.calls.ask("EVAL", _COUNT, 1, f"perdure:gateways:{self._place}", self._token)
        self.gateways = max(1, int(found))

    async def _keep(self) -> None:
        for beats in itertools.count(1):
            await asyncio.sleep(_BEAT_S)
            with suppress(SharedAway):
                await self.beat()
                if beats % _BEATS == 0:
                    await self.renew()

    def _named(self, kind: Kind, member: str) -> str:
        """A stream's place with its gateway; whose turn goes on belongs to no process."""
        return f"{self._token}.{member}" if kind == "streams" else member

    def _key(self, kind: str, name: str) -> str:
        return f"perdure:{kind}:{self._place}:{name}"


@asynccontextmanager
async def redis_limits(address: RedisAddress, namespace: str, *, gateway: bool) -> AsyncIterator[RedisLimits]:
    """Starts whether Redis is there or not. `namespace` is Temporal's, whose sessions these are."""
    limits = RedisLimits(address, namespace, gateway=gateway)
    async with limits.running():
        yield limits
