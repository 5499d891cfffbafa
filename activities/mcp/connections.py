"""Connections to MCP servers: one for each call over HTTP, one process that is kept for each program.

Rule 1: a connection that broke, or whose server no longer answers, is never used again; the next call has a new one.
Rule 2: what an address takes from the environment is filled in here, and stands in no error and no log.
Rule 3: the SDK's streams belong to the task that opened them, so a kept connection has a task of its own.
Rule 4: an `MCPError` that leaves here is the server's own word. What the SDK makes of an answer that is none, or did not
come, is told apart by what was seen of it, and leaves as one of the exceptions below.
Rule 5: what a server asks on a connection is for the one call that is under way there. It does not say whose it is, so
where several are, none is asked.
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

#: Seconds for a server to take a connection, or a program to start and say hello.
CONNECT_S: Final = 20.0
#: Seconds for a kept program to show that it is alive, after a call of its was given up.
ALIVE_S: Final = 2.0
_ENDED_S: Final = 10.0
#: Base64 makes a third more, JSON a little.
_MAX_ANSWER: Final = 2 * MAX_RESULT
#: A stream of events holds one answer, and what the server says meanwhile.
_BOUNDS: Final = Bounds(body=_MAX_ANSWER, stream=_MAX_ANSWER + MAX_RESULT // 2, line=_MAX_ANSWER)
#: The server does not know what it was asked: it may be another one than the one that was met before.
_OTHER_SERVER: Final = (METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION)
_INFO: Final = Implementation(name="perdure", version="0")
#: Answers what a server asks on the open connection.
Asker = Callable[[ElicitRequestParams], Awaitable[ElicitResult | ErrorData]]


class McpUnavailable(Exception):
    """The server could not be reached, so that nothing was asked of it. The message is for people.

    `final`: trying again changes nothing. `refused`: the server is there, and would not.
    """

    def __init__(self, message: str, *, final: bool = False, refused: bool = False) -> None:
        super().__init__(message)
        self.final = final
        self.refused = refused


class McpLost(Exception):
    """A request was sent, and no answer came of which anything can be known. The message says why, for people."""


class McpTooMuch(Exception):
    """The server answered more than is read of an answer."""


class Connections:
    """`environment` fills in `${NAME}` of addresses."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        #: By address, written as JSON.
        self._programs: dict[str, _Program] = {}
        self._ending: set[asyncio.Task[None]] = set()
        #: What a server said of itself, so that the next connection need not ask.
        self._discovered: dict[str, DiscoverResult] = {}
        self._tls: ssl.SSLContext | None = None

    @asynccontextmanager
    async def to(self, address: McpAddress, asker: Asker | None = None) -> AsyncIterator[Client]:
        """A connection, for as long as the block runs. Raises `McpUnavailable` before the block does, or in its place
        where the server was asked and did not do it; `McpLost` and `McpTooMuch` in place of what the SDK raises in it.

        `asker` answers what the server asks meanwhile; without one, it is told that nobody is there.
        """
        if address.url is None:
            program = await self._program(address)
            try:
                with program.askers.asked_of(asker):
                    yield program.client
            except MCPError as error:
                raise _of_program(error) from None
            except BaseException:
                # It may hang, or wait for an answer that nobody gives.
                program.suspect = True
                raise
            return
        askers = _Askers()
        with askers.asked_of(asker):
            async with self._over_http(address, askers) as client:
                yield client

    def forget(self, address: McpAddress) -> None:
        """The server may be another one now: the next connection asks it anew what it speaks."""
        self._discovered.pop(address.model_dump_json(), None)

    async def aclose(self) -> None:
        for key in list(self._programs):
            self._end(key)
        if self._ending:
            await asyncio.wait(self._ending, timeout=_ENDED_S)

    @asynccontextmanager
    async def _over_http(self, address: McpAddress, askers: "_Askers") -> AsyncGenerator[Client]:
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
            # A call may be silent for long, and its own time-out holds; only connecting has one here.
            timeout = httpx2.Timeout(None, connect=CONNECT_S, pool=CONNECT_S)
            hooks = watched(seen)
            hooks["response"].insert(0, bounded(_BOUNDS))
            async with httpx2.AsyncClient(
                headers=UNPACKED | headers, timeout=timeout, verify=self._tls, event_hooks=hooks
            ) as http:
                transport = streamable_http_client(url, http_client=http, max_sse_event_size=_MAX_ANSWER)
                async with asyncio.timeout(CONNECT_S) as deadline, _client(transport, mode, known, askers) as client:
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
                # Nothing ran, and a connection that asks anew what the server speaks tells whether it can.
                self.forget(address)
                raise McpUnavailable("it no longer speaks as it did") from None
            if isinstance(leaf, httpx2.HTTPError) or (isinstance(leaf, MCPError) and not seen.answered):
                raise _no_answer(leaf, seen) from None
            raise leaf from None

    async def _program(self, address: McpAddress) -> "_Program":
        key = address.model_dump_json()
        program = self._programs.get(key)
        if program is not None and (program.ended.is_set() or (program.suspect and not await program.answers())):
            if self._programs.get(key) is program:
                self._end(key)
            # Another call may have made one meanwhile.
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
    """A server that is a process of ours. It is started at once, by a task that holds it until its end."""

    def __init__(self, command: tuple[str, ...], env: dict[str, str]) -> None:
        self.ended = asyncio.Event()
        #: A call of it was given up.
        self.suspect = False
        self.askers = _Askers()
        self._over = asyncio.Event()
        self._open: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        # It outlives the call that needs it first, and must not be taken for a part of it.
        self._task = asyncio.create_task(self._hold(command, env), context=Context())

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
                # What the program says of itself belongs to whoever runs the worker.
                started = run_program(command, env, sys.__stderr__ or nowhere, _MAX_ANSWER)
                transport = _watched(started, self.ended)
                connected = _client(transport, "auto", None, self.askers)
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
            # Nobody may be waiting for it.
            self._open.exception()


@asynccontextmanager
async def _watched(
    inner: AbstractAsyncContextManager[tuple[Any, Any]], ended: asyncio.Event
) -> AsyncGenerator[tuple[Any, Any]]:
    """A transport that tells when the other side is gone; the SDK tells only those who ask it something."""
    async with inner as (read, write):
        forward, received = anyio.create_memory_object_stream[Any](0)

        async def pump() -> None:
            # Told before the session hears it, so that whoever is told by the session finds it here.
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


class _Askers:
    """Those who can be asked on a connection: the calls that are under way there."""

    def __init__(self) -> None:
        self._calls: list[Asker] = []

    @contextmanager
    def asked_of(self, asker: Asker | None) -> Iterator[None]:
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
        return ErrorData(code=INVALID_REQUEST, message=f"Nobody can be asked: {why}")


def _client(transport: Any, mode: str, known: DiscoverResult | None, askers: _Askers) -> Client:
    # Whether somebody can be asked is told on connecting, so it is told always.
    return Client(
        transport,
        mode=mode,
        prior_discover=known,
        client_info=_INFO,
        cache=None,
        elicitation_callback=askers,
    )


def _missing(missing: MissingVariable) -> McpUnavailable:
    return McpUnavailable(f"the environment variable {missing} that its address needs is not set", final=True)


def _of_program(error: MCPError) -> Exception:
    """The program's own word, or what became of the request in its place."""
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
    """What became of a request over HTTP that the server did not answer."""
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
    """What people are told of a server that takes no connection. Never the error's own words: they may name the address."""
    if status is not None:
        return (f"it refuses the connection (HTTP {status})",)
    match error:
        case TimeoutError():
            return ("it did not answer in time",)
        case FileNotFoundError() | PermissionError():
            return ("its program cannot be started",)
        case MCPError():
            return (f"it does not take the connection: {error.message[:200]}",)
        case _:
            return (f"the connection failed ({type(error).__name__})",)


def _leaf(error: BaseException) -> BaseException:
    """The SDK's task groups wrap what went wrong."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
