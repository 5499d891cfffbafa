"""The live plane over a real Redis, with two processes' ends of it in this one."""

import asyncio
import io
import json
import random
import re
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from perdure.gateway import guide as operations
from perdure.temporal.app.commands.live_check import live
from perdure.temporal.live.frames import StepProgress, ToolProgress
from perdure.temporal.live.redis_connection import ANSWER_S
from perdure.temporal.live.redis_live import RedisLive, redis_live
from perdure.temporal.live.redis_outgoing import FRAGMENTS, WHOLE_EACH
from perdure.temporal.live.redis_writing import ENDED_S, ENTRIES, EXPIRES_S
from perdure.temporal.redis_address import redis_address
from tests.support.live_reading import SESSION, LiveReader, Speaker, reading
from tests.support.ports import free_port
from tests.support.redis import Redis, redis_server, self_signed

STEP = f"perdure:step:0:default:{SESSION}"
TOOLS = f"perdure:tools:0:default:{SESSION}"


@asynccontextmanager
async def plane(redis: Redis, namespace: str = "default") -> AsyncIterator[RedisLive]:
    async with redis_live(redis_address(redis.url), namespace) as live:
        yield live


@asynccontextmanager
async def two_ends(redis: Redis) -> AsyncIterator[tuple[RedisLive, RedisLive]]:
    """A worker's and a gateway's."""
    async with plane(redis) as worker, plane(redis) as gateway:
        assert worker.health.well
        assert gateway.health.well
        yield worker, gateway


def told(output: io.StringIO, *events: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    return [line for line in lines if line["event"] in events]


async def until_well(*lives: RedisLive) -> None:
    async with asyncio.timeout(30):
        while not all(live.health.well for live in lives):  # noqa: ASYNC110 - the product has no event for it
            await asyncio.sleep(0)


async def test_every_process_is_told_what_happens_in_the_sessions_that_it_follows(redis: Redis) -> None:
    async with (
        two_ends(redis) as (worker, gateway),
        reading(gateway) as one,
        reading(gateway) as other,
        reading(worker) as third,
        reading(gateway, "acme/s2") as stranger,
    ):
        speaker = Speaker(worker)
        speaker.say(50)
        worker.poke(SESSION, 7)
        worker.tool_progress(SESSION, ToolProgress("t1.s1.c1", "half", 0.5))
        for reader in (one, other, third):
            await reader.until(lambda here: here.text == speaker.text and 7 in here.pokes and bool(here.tools))
        # All that came for the others came before this.
        worker.poke("acme/s2", 1)
        await stranger.until(lambda here: 1 in here.pokes)
        assert (stranger.text, stranger.tools) == ("", [])


async def test_who_comes_in_the_middle_has_the_whole_text_however_much_the_stream_has_lost(redis: Redis) -> None:
    async with two_ends(redis) as (worker, gateway):
        speaker = Speaker(worker, attempt=2)
        async with reading(gateway) as first:
            for _ in range(20):
                speaker.say(200)
                await first.until_text(speaker.text)
        assert await redis.ask("XLEN", STEP) <= ENTRIES + 100
        async with reading(gateway) as late:
            await late.until_text(speaker.text)
            assert any(isinstance(frame, StepProgress) and frame.attempt == 2 for frame in late.frames)
            speaker.say(10)
            await late.until_text(speaker.text)


async def test_what_streams_no_more_is_not_shown_to_who_comes_late_and_expires(redis: Redis) -> None:
    async with two_ends(redis) as (worker, gateway):
        speaker = Speaker(worker)
        speaker.say(3)
        worker.tool_progress(SESSION, ToolProgress("t1.s1.c1", "half", 0.5))
        worker.tool_progress(SESSION, ToolProgress("t1.s1.c2", "begun", None))
        worker.tool_progress(SESSION, ToolProgress("t1.s1.c2", None, 0.75))
        async with reading(gateway) as reader:
            await reader.until(lambda here: here.text == speaker.text and len(here.tools) >= 2)
            assert 0 < await redis.ask("TTL", STEP) <= EXPIRES_S
            assert 0 < await redis.ask("TTL", TOOLS) <= EXPIRES_S
        worker.tool_ended(SESSION, "t1.s1.c1")
        speaker.end()
        worker.poke(SESSION, 9)
        async with reading(gateway, "acme/s2") as other:
            worker.poke("acme/s2", 1)
            await other.until(lambda here: 1 in here.pokes)
        async with reading(gateway) as late:
            await late.until(lambda here: 9 in here.pokes and bool(here.tools))
            assert late.text == ""
            assert late.tools == [ToolProgress("t1.s1.c2", "begun", 0.75)]
        assert await redis.ask("TTL", STEP) <= ENDED_S


async def test_a_poke_comes_from_any_thread_and_to_who_subscribes_just_after_it(redis: Redis) -> None:
    async with two_ends(redis) as (worker, gateway):
        async with reading(gateway) as reader:
            thread = threading.Thread(target=worker.poke, args=(SESSION, 7))
            thread.start()
            await reader.until(lambda here: 7 in here.pokes)
            thread.join()
            # One that waited in another process for a Redis that was away.
            gateway.poke(SESSION, 5)
            await reader.until(lambda here: 5 in here.pokes)
        async with reading(gateway) as late:
            await late.until(lambda here: 7 in here.pokes)
            assert 5 not in late.pokes


async def test_a_stop_is_told_to_all_processes_that_listen(redis: Redis) -> None:
    async with (
        two_ends(redis) as (worker, gateway),
        worker.stops(SESSION) as one,
        worker.stops(SESSION) as other,
        worker.stops("acme/s2") as stranger,
        gateway.stops(SESSION) as own,
    ):
        async with asyncio.timeout(30):
            gateway.stop(SESSION)
            assert own.is_set()
            await asyncio.gather(one.wait(), other.wait())
            own.clear()
            gateway.stop("acme/s2")
            await stranger.wait()
        # What it said itself it does not hear again.
        assert not own.is_set()


async def test_installations_that_share_a_redis_do_not_hear_each_other(redis: Redis) -> None:
    async with plane(redis) as ours, plane(redis, "other") as theirs, reading(theirs) as reader:
        Speaker(ours).say(3)
        ours.poke(SESSION, 3)
        theirs.poke(SESSION, 4)
        await reader.until(lambda here: 4 in here.pokes)
        assert (reader.text, set(reader.pokes)) == ("", {4})


async def test_a_process_has_three_connections_however_many_sessions_it_follows(redis: Redis) -> None:
    async with plane(redis) as gateway, reading(gateway):
        for number in range(300):
            await asyncio.create_task(_visit(gateway, f"acme/{number}"))
        clients = (await redis.ask("CLIENT", "LIST")).decode().splitlines()
        assert sum("cmd=client|list" not in client for client in clients) == 3
        assert len(await redis.ask("PUBSUB", "CHANNELS")) < 10


async def _visit(live: RedisLive, session: str) -> None:
    async with reading(live, session) as reader:
        live.poke(session, 1)
        await reader.until(lambda here: 1 in here.pokes)


async def test_nothing_is_lost_or_doubled_where_redis_is_killed_in_the_middle_of_an_answer(
    redis: Redis, output: io.StringIO
) -> None:
    async with two_ends(redis) as (worker, gateway), reading(gateway) as reader:
        speaker = Speaker(worker)
        for spell in range(2):
            speaker.say(20)
            await reader.until_text(speaker.text)
            await redis.kill()
            # Publishing neither waits nor fails.
            speaker.say(20)
            worker.tool_progress(SESSION, ToolProgress("t1.s1.c1", f"spell {spell}"))
            async with asyncio.timeout(30):
                while worker.health.well or gateway.health.well:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0)
            # Who pokes follows it, too, and hears it without Redis.
            gateway.poke(SESSION, 10 + spell)
            await reader.until(lambda here, seq=10 + spell: seq in here.pokes)  # type: ignore[misc]
            worker.poke(SESSION, 20 + spell)
            await redis.start()
            await reader.until_text(speaker.text)
            await until_well(worker, gateway)
            # What was poked meanwhile comes late.
            await reader.until(lambda here, seq=20 + spell: seq in here.pokes)  # type: ignore[misc]
        async with reading(gateway) as late:
            await late.until(lambda here: here.text == speaker.text and bool(here.tools))
        speaker.say(20)
        await reader.until_text(speaker.text)
    # Once a spell for each end.
    assert len(told(output, "live.lost")) == 4
    assert all(line["redis"] == redis.url for line in told(output, "live.lost", "live.connected"))


async def test_who_publishes_does_not_wait_for_a_redis_that_hangs(redis: Redis) -> None:
    async with two_ends(redis) as (worker, gateway), reading(gateway) as reader:
        speaker = Speaker(worker)
        speaker.say(20)
        await reader.until_text(speaker.text)
        redis.freeze()
        speaker.say(FRAGMENTS + 100)
        for number in range(1000):
            worker.poke(SESSION, number)
        redis.thaw()
        await reader.until_text(speaker.text)
        # More than may wait was dropped, and came again as a whole.
        assert sum(isinstance(frame, StepProgress) for frame in reader.frames) > 1
        await reader.until(lambda here: 999 in here.pokes or 0 in here.pokes)


async def test_a_full_redis_costs_only_who_comes_late(redis: Redis, output: io.StringIO) -> None:
    async with two_ends(redis) as (worker, gateway):
        async with reading(gateway) as reader:
            speaker = Speaker(worker)
            speaker.say(5)
            await reader.until_text(speaker.text)
            await redis.ask("CONFIG", "SET", "maxmemory", "1")
            speaker.say(2 * WHOLE_EACH)
            worker.poke(SESSION, 8)
            await reader.until(lambda here: here.text == speaker.text and 8 in here.pokes)
            async with worker.stops(SESSION) as stopped, asyncio.timeout(30):
                gateway.stop(SESSION)
                await stopped.wait()
            await redis.ask("CONFIG", "SET", "maxmemory", "0")
        async with reading(gateway) as late:
            # Its stream begins anew by itself, a moment after there is room.
            await late.until_text(speaker.text)
    (line,) = told(output, "live.not_kept")
    assert "maxmemory" in line["reason"]
    assert len(told(output, "live.kept_again")) == 1


async def test_a_process_starts_without_redis_and_hears_it_once_it_is_there(redis: Redis, output: io.StringIO) -> None:
    await redis.kill()
    async with plane(redis) as worker, plane(redis) as gateway, reading(gateway) as reader:
        assert not worker.health.well
        speaker = Speaker(worker)
        speaker.say(5)
        await redis.start()
        await reader.until_text(speaker.text)
    lost = told(output, "live.lost")
    assert [f"connecting to 127.0.0.1:{redis.port}" in line["reason"] for line in lost] == [True, True]


async def test_a_password_is_needed_and_never_said(tmp_path: Path, output: io.StringIO) -> None:
    async with redis_server(tmp_path, "--requirepass", "hunter2/ü") as server:
        for url, well in (
            (f":hunter2%2F%C3%BC@127.0.0.1:{server.port}/3", True),
            (f":hunter3@127.0.0.1:{server.port}", False),
        ):
            async with redis_live(redis_address(f"redis://{url}"), "default") as live:
                assert live.health.well is well
    (lost,) = told(output, "live.lost")
    assert "invalid username-password pair" in lost["reason"]
    assert "hunter" not in output.getvalue()


@pytest.mark.parametrize("session", ["acme/" + "x" * 200, "acme/a:b~c"])
async def test_any_id_of_a_session_will_do(redis: Redis, session: str) -> None:
    async with two_ends(redis) as (worker, gateway), reading(gateway, session) as reader:
        speaker = Speaker(worker, session=session)
        speaker.say(3)
        await reader.until_text(speaker.text)


async def test_the_rights_that_the_guide_names_are_enough(redis: Redis, output: io.StringIO) -> None:
    guide = (Path(operations.__file__).parent / "operations.md").read_text()
    (rights,) = re.findall(r"`(~perdure:\* [^`]+)`", guide)
    await redis.ask("ACL", "SETUSER", "live", "on", ">pass", *rights.split())
    address = redis_address(f"redis://live:pass@127.0.0.1:{redis.port}/2")
    async with redis_live(address, "default") as worker, redis_live(address, "default") as gateway:
        speaker = Speaker(worker)
        speaker.say(3)
        worker.tool_progress(SESSION, ToolProgress("t1.s1.c1", "half", 0.5))
        worker.poke(SESSION, 7)
        async with reading(gateway) as reader, worker.stops(SESSION) as stopped, asyncio.timeout(30):
            await reader.until(lambda here: here.text == speaker.text and 7 in here.pokes and bool(here.tools))
            worker.tool_ended(SESSION, "t1.s1.c1")
            speaker.end()
            gateway.stop(SESSION)
            await stopped.wait()
        async with reading(gateway, "acme/s2") as other:
            worker.poke("acme/s2", 1)
            await other.until(lambda here: 1 in here.pokes)
        assert (await live(address)).state != "failed"
    assert not told(output, "live.lost", "live.not_kept")


@pytest.mark.slow
async def test_it_speaks_over_tls_to_a_server_that_it_can_prove(tmp_path: Path, output: io.StringIO) -> None:
    certificate, key = self_signed(tmp_path)
    port = free_port()
    options = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    async with redis_server(tmp_path, *options, "--tls-auth-clients", "no", "--requirepass", "hunter2"):
        url = f"rediss://:hunter2@localhost:{port}/0"
        async with redis_live(redis_address(f"{url}?ssl_ca_certs={certificate}"), "default") as worker:
            assert worker.health.well
            async with reading(worker) as reader:
                speaker = Speaker(worker)
                speaker.say(500)
                await reader.until_text(speaker.text)
        async with redis_live(redis_address(url), "default") as stranger:
            assert not stranger.health.well
    (lost,) = told(output, "live.lost")
    assert "certificate verify failed" in lost["reason"].lower()
    assert "hunter2" not in output.getvalue()


@pytest.mark.slow
async def test_a_slow_redis_holds_nobody_up(redis: Redis) -> None:
    """It sleeps for longer than a connection waits, again and again."""
    async with two_ends(redis) as (worker, gateway), reading(gateway) as reader:
        speaker = Speaker(worker)
        for _ in range(3):
            sleeping = asyncio.create_task(redis.ask("DEBUG", "SLEEP", str(ANSWER_S + 1)))
            while not sleeping.done():
                begun = time.perf_counter()
                speaker.say(10)
                worker.poke(SESSION, 1)
                gateway.stop(SESSION)
                assert time.perf_counter() - begun < ANSWER_S
                await asyncio.sleep(0.01)
            await sleeping
            await reader.until_text(speaker.text)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
async def test_whatever_befalls_redis_no_reader_sees_text_that_was_not_said(redis: Redis, seed: int) -> None:
    """Workers hand an answer on from attempt to attempt, readers come and go, and Redis is killed, frozen, filled up and
    emptied. Each reader's text is at every moment what its attempt has said so far, and at the end all of it."""
    dice = random.Random(seed)
    async with plane(redis) as one, plane(redis) as other, plane(redis) as gateway, AsyncExitStack() as stack:
        workers = (one, other)
        attempt = 1
        speaker = Speaker(one)
        said = {1: speaker}
        readers: list[LiveReader] = []
        for _ in range(60):
            match dice.choice(["say", "say", "say", "come", "attempt", "stale", "kill", "freeze", "fill", "forget"]):
                case "say":
                    speaker.say(dice.choice([1, 7, 300, FRAGMENTS + 1]))
                case "come" if len(readers) < 6:
                    readers.append(await stack.enter_async_context(reading(gateway)))
                case "attempt":
                    attempt += 1
                    speaker = said[attempt] = Speaker(dice.choice(workers), attempt=attempt)
                case "stale":
                    said[dice.randint(1, attempt)].say(3)
                case "kill":
                    await redis.kill()
                    speaker.say(5)
                    await redis.start()
                case "freeze":
                    redis.freeze()
                    speaker.say(5)
                    redis.thaw()
                case "fill":
                    await redis.ask("CONFIG", "SET", "maxmemory", dice.choice(["1", "0"]))
                case "forget":
                    await redis.ask("FLUSHALL")
                case _:
                    pass
            for _ in range(dice.choice([0, 3, 30])):
                await asyncio.sleep(0)
            for reader in readers:
                progress = reader.progress
                if progress is not None:
                    assert said[progress.attempt].text.startswith(reader.text)
        await redis.ask("CONFIG", "SET", "maxmemory", "0")
        readers.append(await stack.enter_async_context(reading(gateway)))
        async with asyncio.timeout(60):
            while any(reader.text != speaker.text for reader in readers):
                speaker.say(1)
                await asyncio.sleep(0.05)
