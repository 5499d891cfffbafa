"""A real Redis for tests: a process of its own that can be killed, frozen and started again."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis as Client

from perdure.temporal.app.bench.rig.child import free_port
from tests.support.needs import missing


class Redis:
    """A `redis-server` on a free port of loopback, which keeps nothing on disk."""

    def __init__(self, folder: Path, *options: str) -> None:
        """`options` are the server's own, as in `--requirepass x`."""
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.client = Client.from_url(self.url)

    async def start(self) -> None:
        """Returns once it serves."""
        program = shutil.which("redis-server")
        if program is None:
            missing("redis-server")
        assert program is not None
        self._process = await asyncio.create_subprocess_exec(
            program,
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder)),
            *("--save", "", "--appendonly", "no", *self._options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        said = b""
        async for line in self._process.stdout:
            said += line
            if b"Ready to accept connections" in line:
                self._reading = asyncio.create_task(self._process.stdout.read())
                return
        raise AssertionError(f"redis-server did not start: {said.decode()}")

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            # Also ends one that is frozen.
            self._process.kill()
            await self._process.wait()
            await self._reading

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def ask(self, *command: str | int) -> Any:
        return await self.client.execute_command(*command)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def redis_server(folder: Path, *options: str) -> AsyncIterator[Redis]:
    server = Redis(folder, *options)
    await server.start()
    try:
        yield server
    finally:
        await server.client.aclose()
        await server.kill()
