"""An MCP server that is a process of this worker, kept from call to call.

Rule: the SDK's streams belong to the task that opened them, so a kept connection has a task of its own.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
from mcp import Client
from mcp.shared.exceptions import MCPError

from perdure.activities.mcp.client import ALIVE_S, CONNECT_S, MAX_ANSWER, OpenCalls, open_client
from perdure.activities.mcp.errors import McpUnavailable, leaf_of, refusal
from perdure.activities.mcp.program import run_program
from perdure.temporal.telemetry.trace_context import of_this_span


class Program:
    """A server that is a child process. It is started at once, by a task that keeps it until it ends."""

    def __init__(self, command: tuple[str, ...], env: dict[str, str]) -> None:
        self.ended = asyncio.Event()
        #: One of its calls was given up.
        self.suspect = False
        self.open_calls = OpenCalls()
        self._over = asyncio.Event()
        self._open: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        # The task outlives the call that first needs it, so it must not inherit that call's context.
        self._task = asyncio.create_task(self._hold(command, env), context=of_this_span())

    @property
    def client(self) -> Client:
        return self._open.result()

    async def ready(self) -> None:
        """Returns once it can be called. Raises `McpUnavailable`."""
        await asyncio.shield(self._open)

    async def answers(self) -> bool:
        try:
            async with asyncio.timeout(ALIVE_S):
                await self.client.list_tools(cache_mode="bypass")
        except (TimeoutError, MCPError):
            return False
        self.suspect = False
        return True

    def end(self) -> asyncio.Task[None]:
        self._over.set()
        return self._task

    async def _hold(self, command: tuple[str, ...], env: dict[str, str]) -> None:
        try:
            with open(os.devnull, "w") as nowhere:  # noqa: ASYNC230 - not a file
                # What the program logs is for the operator of the worker.
                started = run_program(command, env, sys.__stderr__ or nowhere, MAX_ANSWER)
                transport = _watched(started, self.ended)
                connected = open_client(transport, "auto", None, self.open_calls)
                async with asyncio.timeout(CONNECT_S) as deadline, connected as client:
                    deadline.reschedule(None)
                    self._open.set_result(client)
                    await self._over.wait()
        except Exception as error:
            if not self._open.done():
                self._open.set_exception(McpUnavailable(*refusal(leaf_of(error), None)))
        finally:
            self.ended.set()
            if not self._open.done():
                self._open.set_exception(McpUnavailable("it was being closed"))
            # Marks the exception as retrieved, because no task may be waiting for it.
            self._open.exception()


@asynccontextmanager
async def _watched(
    inner: AbstractAsyncContextManager[tuple[Any, Any]], ended: asyncio.Event
) -> AsyncGenerator[tuple[Any, Any]]:
    """A transport that sets `ended` when the other side is gone. The SDK reports that only to pending requests."""
    async with inner as (read, write):
        forward, received = anyio.create_memory_object_stream[Any](0)

        async def pump() -> None:
            # Set before the session notices, so that those whom the session notifies find it set.
            async with forward:
                try:
                    async for item in read:
                        await forward.send(item)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    pass
                finally:
                    ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pump)
            try:
                yield received, write
            finally:
                tasks.cancel_scope.cancel()
