"""What `perdure doctor` says of a Redis."""

from pathlib import Path

from perdure.temporal.app.commands.live_check import live
from perdure.temporal.redis_address import redis_address
from tests.support.redis import Redis, redis_server


async def test_a_redis_that_carries_messages_is_well_and_keeps_nothing_of_the_check(redis: Redis) -> None:
    check = await live(redis_address(redis.url))
    assert (check.state, check.name) in {("ok", "live"), ("warning", "live")}
    assert check.found.startswith(f"{redis.url} runs Redis ")
    assert "a message takes " in check.found
    assert await redis.ask("DBSIZE") <= 1
    for key in await redis.ask("KEYS", "*"):
        assert 0 < await redis.ask("TTL", key) <= 5


async def test_what_cannot_be_used_is_named_and_the_password_is_not(redis: Redis, tmp_path: Path) -> None:
    assert (await live(None)).state == "unknown"
    await redis.ask("CONFIG", "SET", "maxmemory", "1")
    check = await live(redis_address(redis.url))
    assert (check.state, "maxmemory" in check.found) == ("failed", True)
    await redis.ask("CONFIG", "SET", "maxmemory", "0")
    await redis.ask("CONFIG", "SET", "requirepass", "hunter2")
    check = await live(redis_address(redis.url.replace("//", "//:hunter3@")))
    assert (check.state, "invalid username-password pair" in check.found) == ("failed", True)
    assert "hunter" not in f"{check}"
    await redis.kill()
    check = await live(redis_address(redis.url))
    assert (check.state, "cannot be used" in check.found) == ("failed", True)
    async with redis_server(tmp_path, "--cluster-enabled", "yes") as cluster:
        check = await live(redis_address(cluster.url))
        assert (check.state, "as a cluster" in check.found) == ("failed", True)
