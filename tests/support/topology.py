"""A whole deployment of processes: Temporal, Redis, an object store, workers, gateways, and the proxy before
them. Workers and gateways have no folder in common."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.fakes.provider import FakeProvider
from tests.support.deployment import compose
from tests.support.dev import Command
from tests.support.ports import free_ports
from tests.support.proxy import Proxy, proxy
from tests.support.redis import Redis, redis_server
from tests.support.s3 import S3, s3_server

_WORKERS: Final = 2
_GATEWAYS: Final = 2


class Topology:
    """Everything, running. `workers`, `gateways`, `redis`, `store` and `proxy` can be ended and started again."""

    def __init__(self, folder: Path, port: int, redis: Redis, store: S3, bucket: str, provider: FakeProvider) -> None:
        self.redis = redis
        self.store = store
        environment = {
            "TEMPORAL_ADDRESS": f"127.0.0.1:{port}",
            "PERDURE_BLOBS": store.url(bucket),
            "PERDURE_LIVE": redis.url,
            "ANTHROPIC_BASE_URL": provider.url,
            "ANTHROPIC_API_KEY": "sk-test-not-a-key",
            **store.environment,
        }

        def command(name: str, *arguments: str) -> Command:
            own = folder / name
            own.mkdir()
            return Command(own, {**environment, "PERDURE_DATA_DIR": str(own)}, arguments)

        # As long as the shipped file has it, so that the proxy knows of an end before it comes.
        environment["PERDURE_DRAIN_S"] = compose()["services"]["gateway-1"]["environment"]["PERDURE_DRAIN_S"]
        ports = free_ports(_GATEWAYS)
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.workers = [command(f"worker-{number}", "worker") for number in range(_WORKERS)]
        self.proxy: Proxy
        self.gateways = [command(f"gateway-{port}", "gateway", "--port", str(port)) for port in ports]

    @property
    def processes(self) -> list[Command]:
        return [*self.workers, *self.gateways]


@asynccontextmanager
async def topology(folder: Path, provider: FakeProvider) -> AsyncIterator[Topology]:
    async with AsyncExitStack() as stack:
        (port,) = free_ports(1)
        await stack.enter_async_context(DevServer(folder / "temporal", port, None))
        redis = await stack.enter_async_context(redis_server(folder))
        store = await stack.enter_async_context(s3_server(folder / "store"))
        running = Topology(folder, port, redis, store, await store.make_bucket(), provider)
        for command in running.processes:
            stack.push_async_callback(command.stop)
        await asyncio.gather(*(command.start() for command in running.processes))
        running.proxy = await stack.enter_async_context(proxy(folder, running.urls))
        yield running
