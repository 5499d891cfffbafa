"""The system under test as it is deployed: Temporal, a worker, a gateway and Redis, each a process of its own."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from perdure.temporal.app.bench.rig.child import PERDURE, child, free_port
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.bench.rig.rig import Provider, Rig
from perdure.temporal.app.dev_server.server import DevServer

_START_S: Final = 20.0


def has_redis() -> bool:
    return shutil.which("redis-server") is not None


class Apart(Rig):
    """Worker and gateway have nothing in common but Temporal, Redis and the blob store."""

    def __init__(
        self, folder: Path, provider: Provider, settings: Mapping[str, str] = {}, server: Sequence[str] = ()
    ) -> None:
        """`server`: more options of the Temporal server."""
        super().__init__(folder, provider, settings=settings)
        self._server = server
        self._running = AsyncExitStack()

    async def start(self) -> float:
        gateway, temporal, _ = self._ports
        redis = free_port()
        environment = {
            "TEMPORAL_ADDRESS": f"127.0.0.1:{temporal}",
            "PERDURE_DATA_DIR": str(self._data),
            "PERDURE_LIVE": f"redis://127.0.0.1:{redis}",
            "ANTHROPIC_BASE_URL": self.provider.url,
            "ANTHROPIC_API_KEY": "none",
            **self._set,
        }
        agents = ("--agents", str(self._folder / "agents"))
        await self._running.enter_async_context(DevServer(self._data, temporal, None, extra=self._server))
        await self._running.enter_async_context(_redis(self._folder, redis))
        for command in (("worker", *agents), ("gateway", "--port", str(gateway), *agents)):
            whole = (sys.executable, *PERDURE, *command)
            await self._running.enter_async_context(child(whole, environment, self._folder))
        return time.time()

    async def stop(self) -> None:
        await self._running.aclose()


@asynccontextmanager
async def _redis(folder: Path, port: int) -> AsyncIterator[None]:
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
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
