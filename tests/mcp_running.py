"""The MCP servers of `tests/`, running: as programs that a worker starts, and over HTTP as processes of the test."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.conftest import free_ports
from workflows.tool_definition import McpAddress

ROOT = Path(__file__).parent.parent
#: Seconds that a server has to start.
PATIENCE_S = 60


def program(module: str = "tests.mcp_server", *arguments: str, **env: str) -> McpAddress:
    """A server that is started for the call."""
    return McpAddress(command=(sys.executable, "-m", module, *arguments), env={"PYTHONPATH": str(ROOT), **env})


class HttpServer:
    """A server over HTTP that can be killed, and started again on its port."""

    def __init__(self, *arguments: str) -> None:
        (self.port,) = free_ports(1)
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.mcp_server", *self._arguments, str(self.port)), cwd=ROOT
        )
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    assert self._process.returncode is None, "the server ended"
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                return

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def http_server(*arguments: str) -> AsyncIterator[HttpServer]:
    made = HttpServer(*arguments)
    await made.start()
    try:
        yield made
    finally:
        await made.kill()
