"""Runs the MCP servers in `tests/`: as programs that a worker starts, and over HTTP as processes of the test."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import JsonValue

from perdure.activities.mcp.listing import fit_name
from perdure.temporal.definitions.references import names_in
from perdure.temporal.definitions.store import digest
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition
from perdure.workflows.definition.tools import McpAddress, McpServer, Retry, ToolUse
from perdure.workflows.protocol.activities import CallMcpToolInput
from tests.support.ports import free_ports

ROOT = Path(__file__).parent.parent.parent
#: Seconds that a server has to start.
PATIENCE_S = 60


def program(module: str = "tests.support.mcp_server", *arguments: str, **env: str) -> McpAddress:
    """A server that is started for the call."""
    return McpAddress(command=(sys.executable, "-m", module, *arguments), env={"PYTHONPATH": str(ROOT), **env})


class HttpServer:
    """A server over HTTP that can be killed, and restarted on its port."""

    def __init__(self, *arguments: str) -> None:
        (self.port,) = free_ports(1)
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.mcp_server", *self._arguments, str(self.port)), cwd=ROOT
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


class Shelf:
    """Published definitions, each with one MCP server, and calls of their tools."""

    def __init__(self) -> None:
        self._by_digest: dict[str, AgentDefinition] = {}

    async def by_digest(self, digest: str) -> AgentDefinition | None:
        return self._by_digest.get(digest)

    def publish(self, server: McpServer, *secrets: str) -> str:
        """The digest of a definition whose second tool is this server."""
        models = {"main": ModelDefinition(use="demo/stage")}
        made = AgentDefinition(
            name="shop",
            models=models,
            model="main",
            instructions="",
            tools=(ToolUse(name="add"), server),
            secrets=secrets,
        )
        self._by_digest[digest(made)] = made
        return digest(made)

    def call(
        self, address: McpAddress, tool: str, args: dict[str, JsonValue] | None = None, once: bool = False
    ) -> CallMcpToolInput:
        server = McpServer(
            name="shop",
            url=address.url,
            headers=address.headers,
            command=address.command,
            env=address.env,
            side_effects="once" if once else "idempotent",
            retry=Retry(attempts=1),
        )
        secrets = names_in([address.url or "", *address.headers.values(), *address.env.values()])
        return CallMcpToolInput(
            digest=self.publish(server, *secrets),
            index=1,
            label="shop",
            name=fit_name("shop", tool),
            tool=tool,
            args=args or {},
            once=once,
        )


SHELF = Shelf()
