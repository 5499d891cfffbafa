"""The system under test as it is deployed: Temporal, workers, gateways and Redis, each a process of its own."""

import asyncio
import functools
import itertools
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from perdure.temporal.app.bench.rig.child import PERDURE, child, free_port
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.bench.rig.rig import Provider, Rig
from perdure.temporal.app.dev_server.server import DevServer

_START_S: Final = 20.0


def has_redis() -> bool:
    return shutil.which("redis-server") is not None


class Part:
    """A process of its own, which can be ended and started again."""

    def __init__(self, command: tuple[str, ...], environment: dict[str, str], folder: Path) -> None:
        self._start = functools.partial(child, (sys.executable, *PERDURE, *command), environment, folder)
        self._running = AsyncExitStack()
        self.process: psutil.Process

    async def start(self) -> None:
        """Returns once it is ready."""
        self.process = await self._running.enter_async_context(self._start())

    async def stop(self) -> None:
        """Ends it as a deployment does, with SIGTERM."""
        await self._running.aclose()


class Apart(Rig):
    """Workers and gateways have only Temporal, Redis and the blob store in common. Each call goes to the next gateway."""

    def __init__(
        self,
        folder: Path,
        provider: Provider,
        workers: int = 1,
        gateways: int = 1,
        *,
        settings: Mapping[str, str] = {},
        server: Sequence[str] = (),
    ) -> None:
        """`settings`: variables in the environment of all processes. `server`: more options of the Temporal server."""
        super().__init__(folder, provider, settings=settings)
        self._server = server
        self._running = AsyncExitStack()
        temporal, redis = self._ports[1], free_port()
        environment = {
            "TEMPORAL_ADDRESS": f"127.0.0.1:{temporal}",
            "PERDURE_DATA_DIR": str(self._data),
            "PERDURE_LIVE": f"redis://127.0.0.1:{redis}",
            "ANTHROPIC_BASE_URL": self.provider.url,
            "ANTHROPIC_API_KEY": "none",
            **self._set,
        }
        agents = ("--agents", str(folder / "agents"))
        ports = [free_port() for _ in range(gateways)]
        self._redis = redis
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self._next_url = itertools.cycle(self.urls)
        self.workers = [Part(("worker", *agents), environment, folder) for _ in range(workers)]
        self.gateways = [Part(("gateway", "--port", str(port), *agents), environment, folder) for port in ports]

    @property
    def url(self) -> str:
        return next(self._next_url)

    async def start(self) -> float:
        server = DevServer(self._data, self._ports[1], None, extra=self._server)
        await self._running.enter_async_context(server)
        redis = await self._running.enter_async_context(_redis(self._folder, self._redis))
        assert server.pid is not None
        self._grounds = (psutil.Process(server.pid), psutil.Process(redis))
        for part in (*self.workers, *self.gateways):
            self._running.push_async_callback(part.stop)
            await part.start()
        return time.time()

    async def stop(self) -> None:
        await self._running.aclose()

    @property
    def everything(self) -> tuple[psutil.Process, ...]:
        """Temporal, Redis, the workers and the gateways."""
        return (*self._grounds, *(part.process for part in (*self.workers, *self.gateways)))


@asynccontextmanager
async def _redis(folder: Path, port: int) -> AsyncIterator[int]:
    """The process id of a Redis that keeps nothing."""
    process = await asyncio.create_subprocess_exec(
        *("redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
        *("--save", "", "--appendonly", "no"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_S):
            while b"Ready to accept" not in (line := await process.stdout.readline()):
                if not line:
                    raise BenchFailed("redis-server ended at its start")
        yield process.pid
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
