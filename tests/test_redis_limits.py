"""Limits that two gateways and a worker share over a real Redis, also while it is away."""

import asyncio
import io
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from perdure.gateway import guide
from perdure.temporal.app.commands.limits_check import limits as limits_check
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.processes.limits import limits_between
from perdure.temporal.redis_address import redis_address
from perdure.temporal.sessions.errors import RateLimited, TooManyStreams, TooManyTurns
from perdure.temporal.sessions.limits.caps import Caps
from perdure.temporal.sessions.limits.limits import Limits, Place
from perdure.temporal.sessions.limits.redis_limits import LEASE_S, RedisLimits, redis_limits
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.metrics import UNMEASURED
from tests.support.redis import Redis

ANN = Principal("acme", "ann")
BOB = Principal("acme", "bob")
EVE = Principal("other", "eve")
TURNS = "perdure:turns:0:default:tenant:acme"
STREAMS = "perdure:streams:0:default:tenant:acme"


class Process:
    def __init__(self, shared: RedisLimits, limits: Limits) -> None:
        self.shared = shared
        self.limits = limits

    async def passes(self, by: Principal) -> bool:
        try:
            await self.limits.request(by)
        except RateLimited:
            return False
        return True

    async def streams(self, by: Principal) -> Place | None:
        try:
            return await self.limits.stream(by)
        except TooManyStreams:
            return None

    async def works(self, session: str, user: str | None = None) -> Place | None:
        try:
            return await self.limits.turn(session, user)
        except TooManyTurns:
            return None

    async def written(self) -> None:
        """Returns once Redis has all that was told before."""
        await self.shared.calls.ask("PING")


@asynccontextmanager
async def process(redis: Redis, *, gateway: bool = True, **settings: Any) -> AsyncIterator[Process]:
    async with redis_limits(redis_address(redis.url), "default", gateway=gateway) as shared:
        limits = Limits(Caps.of(Settings(**settings)), shared)
        limits.hear_sessions()
        yield Process(shared, limits)


@asynccontextmanager
async def gateways(redis: Redis, **settings: Any) -> AsyncIterator[tuple[Process, Process]]:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(process(redis, **settings)) for _ in range(2)]
        await one.shared.renew()
        yield one, other


async def connected(*processes: Process) -> None:
    async with asyncio.timeout(30):
        while not all(one.shared.calls.up for one in processes):  # noqa: ASYNC110 - the product has no event for it
            await asyncio.sleep(0)


async def test_two_gateways_give_away_no_more_than_one_would(redis: Redis) -> None:
    async with gateways(redis, requests_per_principal=0.001, requests_burst_s=3600) as (one, other):
        # A burst is of 4 requests, and the next one comes in 1,000 s.
        found = await asyncio.gather(*(gateway.passes(ANN) for gateway in (one, other) * 20))
        assert sum(found) == 4
        assert await other.passes(BOB)
        with pytest.raises(RateLimited) as caught:
            await other.limits.request(ANN)
        assert 900 < caught.value.retry_after_s <= 1000
        # Nothing is left behind once a bucket is full again.
        assert 3_990 < await redis.ask("TTL", "perdure:requests:0:default:user:acme/ann") <= 4_001


async def test_a_hot_tenant_costs_another_nothing(redis: Redis) -> None:
    async with gateways(redis, requests_per_tenant=0.01, requests_burst_s=1000) as (one, other):
        asked = [(one, ANN), (other, BOB)] * 100
        asked[60:60] = asked[130:130] = [(one, EVE), (other, EVE)] * 2
        found = await asyncio.gather(*(gateway.passes(by) for gateway, by in asked))
        hot = [passed for (_, by), passed in zip(asked, found, strict=True) if by is not EVE]
        quiet = [passed for (_, by), passed in zip(asked, found, strict=True) if by is EVE]
        assert (sum(hot), len(hot), all(quiet)) == (10, 200, True)


async def test_a_redis_that_dies_refuses_nobody_and_each_gateway_keeps_its_part(redis: Redis) -> None:
    async with gateways(redis, requests_per_principal=0.002, requests_burst_s=3600, streams_per_tenant=2) as (
        one,
        other,
    ):
        assert [one.shared.gateways, other.shared.gateways] == [2, 2]
        assert await one.passes(ANN)
        assert await one.streams(ANN)
        await redis.kill()
        # A rate of 8 at once is 4 at each of two; a limit on streams, each gateway's own.
        for gateway in (one, other):
            assert [await gateway.passes(ANN) for _ in range(5)] == [True] * 4 + [False]
            assert await gateway.passes(BOB)
        assert [await other.streams(BOB) is not None for _ in range(3)] == [True, True, False]
        assert [await one.streams(BOB) is not None for _ in range(2)] == [True, False]
        await redis.start()
        await connected(one, other)
        assert sum(await asyncio.gather(*(gateway.passes(ANN) for gateway in (one, other) * 10))) == 8


async def test_a_redis_that_hangs_is_waited_for_once(redis: Redis) -> None:
    async with process(redis, requests_per_principal=0.001, requests_burst_s=3600) as gateway:
        assert await gateway.passes(ANN)
        redis.freeze()
        try:
            assert [await gateway.passes(ANN) for _ in range(5)] == [True] * 4 + [False]
        finally:
            redis.thaw()


async def test_streams_of_all_gateways_count_and_those_of_a_killed_one_lapse(redis: Redis) -> None:
    async with process(redis, streams_per_tenant=3) as one:
        async with process(redis, streams_per_tenant=3) as killed:
            assert await killed.streams(ANN)
            assert await killed.streams(BOB)
            mine = await one.streams(ANN)
            assert mine is not None
            assert await one.streams(BOB) is None
            assert await one.streams(EVE)
        # Nothing of it was left; what it does not say again is over in a minute.
        before = await redis.ask("ZRANGE", STREAMS, 0, -1)
        assert len(before) == 3
        for member in before:
            await redis.ask("ZADD", STREAMS, 1, member.decode())
        await one.shared.renew()
        assert 0 < await redis.ask("TTL", STREAMS) <= LEASE_S
        assert await one.streams(BOB)
        assert await one.streams(BOB)
        assert await one.streams(BOB) is None
        mine.leave()
        await one.written()
        assert await one.streams(BOB)


async def test_a_stream_that_is_not_had_leaves_no_place_behind(redis: Redis) -> None:
    async with process(redis, streams_per_tenant=1) as gateway:
        redis.freeze()
        try:
            leaving = asyncio.create_task(gateway.limits.stream(ANN))
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        finally:
            redis.thaw()
        await gateway.written()
        assert await redis.ask("ZCARD", STREAMS) == 0

        mine = await gateway.streams(ANN)
        assert mine is not None
        # Redis has lost it; the gateway has not, and refuses what Redis would let in.
        await redis.ask("DEL", STREAMS)
        assert await gateway.streams(BOB) is None
        await gateway.written()
        assert await redis.ask("ZCARD", STREAMS) == 0
        mine.leave()
        assert await gateway.streams(BOB)


async def test_a_full_redis_counts_as_away_until_it_has_room(redis: Redis, output: io.StringIO) -> None:
    some = {"requests_per_principal": 0.002, "requests_burst_s": 3600}
    async with gateways(redis, **some) as (one, other):
        await redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await redis.ask("CONFIG", "SET", "maxmemory", "1")
        connections = await accepted(redis)
        callers = (Principal("acme", f"user{n}") for n in itertools.count())
        async with asyncio.timeout(30):
            # Until each gateway has tried again, more than once.
            while await accepted(redis) < connections + 6:
                for gateway in (one, other):
                    assert await gateway.passes(next(callers))
        # A rate of 8 at once is 4 at each of two.
        for gateway in (one, other):
            assert [await gateway.passes(ANN) for _ in range(5)] == [True] * 4 + [False]
        assert not one.shared.calls.up
        assert output.getvalue().count("limits.not_shared") == 2
        assert "limits.shared_again" not in output.getvalue()
        found = await limits_check(Settings(live=SecretStr(redis.url), streams_per_tenant=2))
        assert (found.state, found.found.endswith("does not keep them")) == ("failed", True)
        await redis.ask("CONFIG", "SET", "maxmemory", "0")
        await connected(one, other)
        assert output.getvalue().count("limits.shared_again") == 2
        assert sum(await asyncio.gather(*(gateway.passes(BOB) for gateway in (one, other) * 10))) == 8


async def accepted(redis: Redis) -> int:
    """Connections that Redis has taken so far. This test's own stays the same."""
    return int((await redis.client.info("stats"))["total_connections_received"])


async def test_sessions_at_work_count_over_all_processes(redis: Redis) -> None:
    some = {"turns_per_tenant": 2, "turns_per_user": 1}
    async with gateways(redis, **some) as (one, other), process(redis, gateway=False, **some) as worker:
        assert worker.shared.gateways == 2
        assert await one.works("acme/s1", "ann")
        # Another message to the same session is no further turn, wherever it comes.
        again = await other.works("acme/s1", "ann")
        assert again is not None
        again.leave()
        assert await other.works("acme/s2", "ann") is None
        # What a timer began, a worker tells.
        worker.limits.at_work("acme/s3", None, True)
        await asyncio.sleep(0)
        await worker.written()
        assert await other.works("acme/s4") is None
        assert await other.works("other/s4")
        worker.limits.at_work("acme/s1", "ann", True)
        worker.limits.at_work("acme/s1", "ann", False)
        await asyncio.sleep(0)
        await worker.written()
        assert await other.works("acme/s2", "ann")
        assert await one.works("acme/s4") is None


async def test_a_worker_keeps_the_places_of_its_sessions_and_gives_up_what_another_ended(redis: Redis) -> None:
    async with process(redis, gateway=False, turns_per_tenant=9) as one:
        for session in ("acme/s1", "acme/s2"):
            one.limits.at_work(session, None, True)
        await asyncio.sleep(0)
        await one.written()
        await redis.ask("ZADD", TURNS, 1, "acme/s1")
        await redis.ask("ZREM", TURNS, "acme/s2")
        await one.shared.renew()
        assert await redis.ask("ZRANGE", TURNS, 0, -1) == [b"acme/s1"]
        until, (seconds, _) = await redis.ask("ZSCORE", TURNS, "acme/s1"), await redis.client.time()
        assert LEASE_S - 30 < float(until) - int(seconds) <= LEASE_S + 1
        # The session works again, and says so.
        one.limits.at_work("acme/s2", None, True)
        await asyncio.sleep(0)
        await one.written()
        assert await redis.ask("ZCARD", TURNS) == 2


async def test_turns_are_not_limited_while_redis_is_away(redis: Redis) -> None:
    async with process(redis, turns_per_tenant=1) as gateway:
        assert await gateway.works("acme/s1")
        assert await gateway.works("acme/s2") is None
        await redis.kill()
        assert await gateway.works("acme/s2")


async def test_the_rights_that_the_guide_names_are_enough(redis: Redis) -> None:
    text = (Path(guide.__file__).parent / "operations.md").read_text()
    (rights,) = re.findall(r"`(~perdure:\* [^`]+)`", text)
    await redis.ask("ACL", "SETUSER", "limits", "on", ">pass", *rights.split())
    url = f"redis://limits:pass@127.0.0.1:{redis.port}/2"
    some = Settings(live=SecretStr(url), requests_per_tenant=1, streams_per_tenant=1, turns_per_tenant=1)
    assert (await limits_check(some)).state == "ok"
    async with redis_limits(redis_address(url), "default", gateway=True) as shared:
        limits = Limits(Caps.of(some), shared)
        await limits.request(ANN)
        (await limits.turn("acme/s1", None)).leave()
        place = await limits.stream(ANN)
        await shared.renew()
        place.leave()
        await shared.calls.ask("PING")
        assert shared.calls.up
        assert await redis.client.exists("perdure:turns:2:default:tenant:acme") == 0


async def test_the_doctor_says_whether_limits_are_kept(redis: Redis) -> None:
    assert (await limits_check(Settings())).state == "unknown"
    assert (await limits_check(Settings(requests_per_tenant=1))).state == "warning"
    assert (await limits_check(Settings(turns_per_user=1))).state == "failed"
    shared = Settings(live=SecretStr(redis.url), streams_per_principal=9, turns_per_user=1)
    found = await limits_check(shared)
    assert (found.state, found.found) == ("ok", f"of streams and turns; {redis.url} keeps them")
    await redis.ask("ACL", "SETUSER", "default", "-zadd")
    assert (await limits_check(shared)).state == "failed"


async def test_a_process_of_its_own_limits_turns_over_redis_only(redis: Redis) -> None:
    with pytest.raises(Refused, match="need PERDURE_LIVE"):
        async with limits_between(Settings(turns_per_user=1), "default", UNMEASURED, gateway=True):
            pass
    async with limits_between(Settings(requests_per_tenant=1), "default", UNMEASURED, gateway=True) as limits:
        assert await limits.request(ANN)
    shared = Settings(live=SecretStr(redis.url), turns_per_user=1)
    async with limits_between(shared, "default", UNMEASURED, gateway=False) as limits:
        assert limits.counts_turns
