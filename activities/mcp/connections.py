"""Connections to MCP servers: over HTTP, one per call; for a program, one process that is kept.

Rule 1: a connection that broke, or whose server no longer responds, is never used again; the next call opens a new one.
Rule 2: environment values are inserted into addresses here, and never appear in errors or logs.
Rule 3: the SDK's streams belong to the task that opened them, so a kept connection has a task of its own.
Rule 4: an `MCPError` raised from here was sent by the server itself. Errors that the SDK makes up for invalid or
missing answers are recognised by what was seen on the wire, and raised as one of the exceptions below.
Rule 5: an elicitation on a connection belongs to the one call under way there. The request does not say which call it
is for, so if several calls are under way, it is refused.
"""

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import Context
from typing import Any, Final

import anyio
import httpx2
from mcp import Client
from mcp.client.session import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    UNSUPPORTED_PROTOCOL_VERSION,
    DiscoverResult,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    Implementation,
)

from perdure.activities.encoding.unpacking import UNPACKED, Bounds, NotUnpackable, bounded
from perdure.activities.mcp.http import Seen, watched
from perdure.activities.mcp.program import Overlong, Unreadable, Word, run_program
from perdure.activities.tools.tool import MAX_RESULT
from perdure.temporal.definitions.references import MissingVariable, resolve
from perdure.workflows.definition.tools import McpAddress

#: Seconds for a server to accept a connection, or for a program to start and complete the handshake.
CONNECT_S: Final = 20.0
#: Seconds for a kept program to show that it is alive, after one of its calls was given up.
ALIVE_S: Final = 2.0
_ENDED_S: Final = 10.0
#: Base64 adds a third, JSON a little.
_MAX_ANSWER: Final = 2 * MAX_RESULT
#: An event stream holds one answer, and the server's other messages meanwhile.
_BOUNDS: Final = Bounds(body=_MAX_ANSWER, stream=_MAX_ANSWER + MAX_RESULT // 2, line=_MAX_ANSWER)
#: The server does not know the request: it may not be the server that was discovered before.
_OTHER_SERVER: Final = (METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION)
_INFO: Final = Implementation(name="perdure", version="0")
#: Answers a server's elicitations on the open connection.
Asker = Callable[[ElicitRequestParams], Awaitable[ElicitResult | ErrorData]]


class McpUnavailable(Exception):
    """The server could not be reached, so the request was not processed. The message is for people.

    `final`: a retry does not help. `refused`: the server is reachable, but refused.
    """

    def __init__(self, message: str, *, final: bool = False, refused: bool = False) -> None:
        super().__init__(message)
        self.final = final
        self.refused = refused


class McpLost(Exception):
    """A request was sent, and no readable answer came, so its outcome is unknown. The message says why, for people."""


class McpTooMuch(Exception):
    """The server's answer exceeds the size limit."""


class Connections:
    """`environment` fills in `${NAME}` in addresses."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        #: By address, as JSON.
        self._programs: dict[str, _Program] = {}
        self._ending: set[asyncio.Task[None]] = set()
        #: A server's description of itself, so that the next connection need not ask for it.
        self._discovered: dict[str, DiscoverResult] = {}
        self._tls: ssl.SSLContext | None = None

    @asynccontextmanager
    async def to(self, address: McpAddress, asker: Asker | None = None) -> AsyncIterator[Client]:
        """A connection, for the duration of the block.

        Raises `McpUnavailable` before the block runs, or from within it if the server refused; `McpLost` and
        `McpTooMuch` from within the block in place of the SDK's own errors. `asker` answers the server's elicitations
        during the block; without one, they are refused.
        """
        if address.url is None:
            program = await self._program(address)
            try:
                with program.open_calls.answered_by(asker):
                    yield program.client
            except MCPError as error:
                raise _of_program(error) from None
            except BaseException:
                # The program may hang, or wait for an answer that will never come.
                program.suspect = True
                raise
            return
        open_calls = _OpenCalls()
        with open_calls.answered_by(asker):
            async with self._over_http(address, open_calls) as client:
                yield client

    def forget(self, address: McpAddress) -> None:
        """Discards what is known about the server's protocol, because the server may have been replaced."""
        self._discovered.pop(address.model_dump_json(), None)

    async def aclose(self) -> None:
        for key in list(self._programs):
            self._end(key)
        if self._ending:
            await asyncio.wait(self._ending, timeout=_ENDED_S)

    @asynccontextmanager
    async def _over_http(self, address: McpAddress, open_calls: "_OpenCalls") -> AsyncGenerator[Client]:
        try:
            url = resolve(address.url or "", self._environment)
            headers = {name: resolve(value, self._environment) for name, value in address.headers.items()}
        except MissingVariable as missing:
            raise _missing(missing) from None
        seen = Seen()
        if self._tls is None:
            self._tls = httpx2.create_ssl_context()
        key = address.model_dump_json()
        known = self._discovered.get(key)
        mode = known.supported_versions[0] if known is not None else "auto"
        opened = False
        try:
            # A call may be silent for long and has its own time-out; only connecting has a time-out here.
            timeout = httpx2.Timeout(None, connect=CONNECT_S, pool=CONNECT_S)
            hooks = watched(seen)
            hooks["response"].insert(0, bounded(_BOUNDS))
            async with httpx2.AsyncClient(
                headers=UNPACKED | headers, timeout=timeout, verify=self._tls, event_hooks=hooks
            ) as http:
                transport = streamable_http_client(url, http_client=http, max_sse_event_size=_MAX_ANSWER)
                async with (
                    asyncio.timeout(CONNECT_S) as deadline,
                    _client(transport, mode, known, open_calls) as client,
                ):
                    deadline.reschedule(None)
                    found = client.session.discover_result
                    if found is not None and known is None:
                        self._discovered[key] = found.model_copy(
                            update={"supported_versions": [client.protocol_version]}
                        )
                    opened = True
                    yield client
        except Exception as error:
            leaf = _leaf(error)
            if isinstance(leaf, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
                raise McpUnavailable("no connection to it could be made") from None
            if seen.refuses_credentials and isinstance(leaf, MCPError | httpx2.HTTPError):
                why = f"it refuses our credentials (HTTP {seen.status})"
                raise McpUnavailable(why, final=True, refused=True) from None
            if not opened:
                raise McpUnavailable(*_refusal(leaf, seen.status), refused=seen.status is not None) from None
            if known is not None and isinstance(leaf, MCPError) and leaf.code in _OTHER_SERVER:
                # Nothing ran, and a new connection will find out whether the server speaks another protocol now.
                self.forget(address)
                raise McpUnavailable("it no longer speaks the same protocol version") from None
            if isinstance(leaf, httpx2.HTTPError) or (isinstance(leaf, MCPError) and not seen.answered):
                raise _no_answer(leaf, seen) from None
            raise leaf from None

    async def _program(self, address: McpAddress) -> "_Program":
        key = address.model_dump_json()
        program = self._programs.get(key)
        if program is not None and (program.ended.is_set() or (program.suspect and not await program.answers())):
            if self._programs.get(key) is program:
                self._end(key)
            # Another call may have started one in the meantime.
            program = self._programs.get(key)
        if program is None:
            try:
                env = {name: resolve(value, self._environment) for name, value in address.env.items()}
            except MissingVariable as missing:
                raise _missing(missing) from None
            program = self._programs[key] = _Program(address.command, env)
        try:
            await program.ready()
        except McpUnavailable:
            if self._programs.get(key) is program:
                self._end(key)
            raise
        return program

    def _end(self, key: str) -> None:
        task = self._programs.pop(key).end()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class _Program:
    """A server that is our child process. It is started at once, by a task that owns it until it ends."""

    def __init__(self, command: tuple[str, ...], env: dict[str, str]) -> None:
        self.ended = asyncio.Event()
        #: One of its calls was given up.
        self.suspect = False
        self.open_calls = _OpenCalls()
        self._over = asyncio.Event()
        self._open: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        # The process outlives the call that needs it first, and must not be attributed to that call.
        self._task = asyncio.create_task(self._hold(command, env), context=Context())

    @property
    def client(self) -> Client:
        return self._open.result()

    async def ready(self) -> None:
        """Returns once the program can be called. Raises `McpUnavailable`."""
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
                # The program's stderr is for the operator of the worker.
                started = run_program(command, env, sys.__stderr__ or nowhere, _MAX_ANSWER)
                transport = _watched(started, self.ended)
                connected = _client(transport, "auto", None, self.open_calls)
                async with asyncio.timeout(CONNECT_S) as deadline, connected as client:
                    deadline.reschedule(None)
                    self._open.set_result(client)
                    await self._over.wait()
        except Exception as error:
            if not self._open.done():
                self._open.set_exception(McpUnavailable(*_refusal(_leaf(error), None)))
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
    """A transport that sets `ended` when the other side is gone; the SDK reports that only to pending requests."""
    async with inner as (read, write):
        forward, received = anyio.create_memory_object_stream[Any](0)

        async def pump() -> None:
            # Set before the session learns of it, so that code woken by the session finds `ended` set.
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


class _OpenCalls:
    """The calls under way on a connection, which answer its elicitations."""

    def __init__(self) -> None:
        self._calls: list[Asker] = []

    @contextmanager
    def answered_by(self, asker: Asker | None) -> Iterator[None]:
        if asker is None:
            yield
            return
        self._calls.append(asker)
        try:
            yield
        finally:
            self._calls.remove(asker)

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        if len(self._calls) == 1:
            return await self._calls[0](params)
        why = "several calls are under way, and it does not say for which" if self._calls else "no call is under way"
        return ErrorData(code=INVALID_REQUEST, message=f"No person can be asked: {why}")


def _client(transport: Any, mode: str, known: DiscoverResult | None, open_calls: _OpenCalls) -> Client:
    # The client declares its elicitation capability on connecting, so it is always declared.
    return Client(
        transport,
        mode=mode,
        prior_discover=known,
        client_info=_INFO,
        cache=None,
        elicitation_callback=open_calls,
    )


def _missing(missing: MissingVariable) -> McpUnavailable:
    return McpUnavailable(f"the environment variable {missing} that its address needs is not set", final=True)


def _of_program(error: MCPError) -> Exception:
    """The program's own error, or the exception for what happened to the request instead."""
    match error.error.data:
        case Word(data=data):
            return MCPError(error.code, error.message, data)
        case Overlong():
            return McpTooMuch()
        case Unreadable():
            return McpLost("its answer cannot be read")
        case _:
            return McpLost("it was closed")


def _no_answer(error: BaseException, seen: Seen) -> Exception:
    """The exception for an HTTP request that the server did not answer."""
    if seen.too_much or isinstance(error, httpx2.SSEError):
        return McpTooMuch()
    if seen.did_not_run:
        return McpUnavailable(f"it refuses the request (HTTP {seen.status})", refused=True)
    if seen.status is not None:
        return McpLost(f"it answered with HTTP {seen.status}")
    if isinstance(error, NotUnpackable):
        return McpLost(str(error))
    return McpLost(seen.broken or (type(error).__name__ if isinstance(error, httpx2.HTTPError) else "it was closed"))


def _refusal(error: BaseException, status: int | None) -> tuple[str]:
    """Why a server refuses connections, for people. Never the error's own text, which may contain the address."""
    if status is not None:
        return (f"it refuses the connection (HTTP {status})",)
    match error:
        case TimeoutError():
            return ("it did not answer in time",)
        case FileNotFoundError() | PermissionError():
            return ("its program cannot be started",)
        case MCPError():
            return (f"it does not accept the connection: {error.message[:200]}",)
        case _:
            return (f"the connection failed ({type(error).__name__})",)


def _leaf(error: BaseException) -> BaseException:
    """The first actual error inside the SDK's task groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
