"""A whole deployment of processes: Temporal, Redis, workers, gateways, and people who talk meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.fakes.provider import FakeProvider
from tests.support.dev import Command, free_ports
from tests.support.people import Person
from tests.support.redis import Redis, redis_server

_WORKERS: Final = 2
_GATEWAYS: Final = 2


class Topology:
    """Everything, running. `workers`, `gateways`, `redis` and `temporal` can be ended and started again."""

    def __init__(self, folder: Path, temporal: DevServer, port: int, redis: Redis, provider: FakeProvider) -> None:
        self.temporal = temporal
        self.redis = redis
        environment = {
            "TEMPORAL_ADDRESS": f"127.0.0.1:{port}",
            "PERDURE_DATA_DIR": str(folder),
            "PERDURE_LIVE": redis.url,
            "ANTHROPIC_BASE_URL": provider.url,
            "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        }
        ports = free_ports(_GATEWAYS)
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.workers = [Command(folder, environment, ["worker"]) for _ in range(_WORKERS)]
        self.gateways = [Command(folder, environment, ["gateway", "--port", str(port)]) for port in ports]

    @property
    def processes(self) -> list[Command]:
        return [*self.workers, *self.gateways]

    @asynccontextmanager
    async def people(self, count: int, urls: list[str] | None = None) -> AsyncIterator[list[Person]]:
        """Talks until the block ends; then all of them have their last answer. By the gateways, or by what stands before
        them at `urls`."""
        limits = httpx2.Limits(max_connections=None)
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx2.AsyncClient(timeout=30, limits=limits))
            all_of_them = [Person(http, urls or self.urls, f"p{number}") for number in range(count)]
            await asyncio.gather(*(person.start() for person in all_of_them))
            for person in all_of_them:
                stack.push_async_callback(person.leave)
            enough = asyncio.Event()
            async with asyncio.TaskGroup() as talking:
                for person in all_of_them:
                    talking.create_task(person.talk(enough))
                await turns(all_of_them)
                yield all_of_them
                await turns(all_of_them)
                enough.set()


async def turns(people: list[Person], count: int = 1) -> None:
    """Returns once each has got `count` answers more."""
    await asyncio.gather(*(person.answered(len(person.sent) - 1 + count) for person in people))


@asynccontextmanager
async def topology(folder: Path, provider: FakeProvider) -> AsyncIterator[Topology]:
    async with AsyncExitStack() as stack:
        (port,) = free_ports(1)
        temporal = await stack.enter_async_context(DevServer(folder / "temporal", port, None))
        redis = await stack.enter_async_context(redis_server(folder))
        running = Topology(folder, temporal, port, redis, provider)
        for command in running.processes:
            stack.push_async_callback(command.stop)
        await asyncio.gather(*(command.start() for command in running.processes))
        yield running
