"""Connections to MCP servers: one per call over HTTP, kept processes for programs.

Rule 1: a connection that broke, or whose server no longer responds, is never used again. The next call gets a new one.
Rule 2: what an address takes from the environment, or from the session, is filled in here, and never reaches an error or a
log. Nothing that was filled in for one call serves another: what is kept of a server is what it says of itself.
Rule 3: an `MCPError` that leaves here is the server's own word. An error that the SDK makes up for a missing or
invalid response is recognized by what was seen on the wire, and leaves as one of the exceptions in `errors`.
Rule 4: a server's question on a connection goes to the one call that is under way there. The server does not say for
which call it asks, so if several are under way, none is asked.
"""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION, DiscoverResult

from perdure.activities.encoding.unpacking import UNPACKED, Bounds, bounded
from perdure.activities.mcp.client import CONNECT_S, MAX_ANSWER, Asker, OpenCalls, open_client
from perdure.activities.mcp.errors import (
    McpUnavailable,
    leaf_of,
    missing_variable,
    no_answer,
    of_program,
    refusal,
    unfilled,
)
from perdure.activities.mcp.http import Seen, watched
from perdure.activities.mcp.programs import Programs
from perdure.activities.tools.outputs import MAX_RESULT
from perdure.temporal.definitions.address_templates import Unfilled, filled
from perdure.temporal.definitions.references import MissingVariable, resolve
from perdure.temporal.telemetry.redaction import redacted
from perdure.workflows.definition.tools import McpAddress
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.tool_context import ToolContext

#: A stream of events holds one result, and what the server sends meanwhile.
_BOUNDS: Final = Bounds(body=MAX_ANSWER, stream=MAX_ANSWER + MAX_RESULT // 2, line=MAX_ANSWER)
#: Servers of which is kept what they said of themselves.
_MOST_DISCOVERED: Final = 1000
#: The server does not know the request: it may have been replaced since it was discovered.
_OTHER_SERVER: Final = (METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION)


class Connections:
    """`environment` fills in `${NAME}` in addresses."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._programs = Programs()
        #: What servers said of themselves, so that the next connection need not ask.
        self._discovered: OrderedDict[str, DiscoverResult] = OrderedDict()
        self._tls: ssl.SSLContext | None = None

    @asynccontextmanager
    async def to(
        self, address: McpAddress, asker: Asker | None = None, context: ToolContext | None = None
    ) -> AsyncIterator[Client]:
        """A connection, for as long as the block runs, on whose behalf `context` says; None: on nobody's.

        Raises `McpUnavailable` before the block runs, or out of it if the server refused the request; `McpLost` and
        `McpTooMuch` in place of what the SDK raises in the block.

        `asker` answers the server's questions meanwhile. Without one, they are refused.
        """
        if address.url is None:
            env = self._filled(address.env, context, header=False)
            async with self._programs.running(address.command, env, kept=not address.has_templates) as program:
                try:
                    with program.open_calls.answered_by(asker):
                        yield program.client
                except MCPError as error:
                    raise of_program(error) from None
                except BaseException:
                    # The program may hang, or wait for an answer that will not come.
                    program.suspect = True
                    raise
            return
        open_calls = OpenCalls()
        headers = self._filled(address.headers, context, header=True)
        with open_calls.answered_by(asker):
            async with self._over_http(address, headers, open_calls) as client:
                yield client

    def forget(self, address: McpAddress) -> None:
        """The server may have been replaced: the next connection discovers it anew."""
        self._discovered.pop(address.model_dump_json(), None)

    async def aclose(self) -> None:
        await self._programs.aclose()

    async def _is_replaced(self, address: McpAddress, headers: dict[str, str], version: str) -> bool:
        """Whether another server answers there now than the one that spoke this version. If not, its error is its word."""
        try:
            async with self._over_http(address, headers, OpenCalls()) as client:
                return client.session.discover_result is None or client.protocol_version != version
        except McpUnavailable:
            return True

    def _filled(self, texts: Mapping[str, str], context: ToolContext | None, *, header: bool) -> dict[str, str]:
        try:
            return filled(texts, self._environment, context, header=header)
        except MissingVariable as missing:
            raise missing_variable(missing) from None
        except Unfilled as error:
            raise unfilled(error) from None

    @asynccontextmanager
    async def _over_http(
        self, address: McpAddress, headers: dict[str, str], open_calls: "OpenCalls"
    ) -> AsyncGenerator[Client]:
        try:
            url = resolve(address.url or "", self._environment)
        except MissingVariable as missing:
            raise missing_variable(missing) from None
        seen = Seen()
        if self._tls is None:
            self._tls = httpx2.create_ssl_context()
        key = address.model_dump_json()
        known = self._discovered.get(key)
        mode = known.supported_versions[0] if known is not None else "auto"
        opened = False
        try:
            # A call may be silent for long, and has its own time-out. Only connecting has one here.
            timeout = httpx2.Timeout(None, connect=CONNECT_S, pool=CONNECT_S)
            hooks = watched(seen)
            hooks["response"].insert(0, bounded(_BOUNDS))
            async with httpx2.AsyncClient(
                headers=UNPACKED | headers, timeout=timeout, verify=self._tls, event_hooks=hooks
            ) as http:
                transport = streamable_http_client(url, http_client=http, max_sse_event_size=MAX_ANSWER)
                async with (
                    asyncio.timeout(CONNECT_S) as deadline,
                    open_client(transport, mode, known, open_calls) as client,
                ):
                    deadline.reschedule(None)
                    found = client.session.discover_result
                    if found is not None and known is None:
                        self._discovered[key] = found.model_copy(
                            update={"supported_versions": [client.protocol_version]}
                        )
                        while len(self._discovered) > _MOST_DISCOVERED:
                            self._discovered.popitem(last=False)
                    opened = True
                    yield client
        except Exception as error:
            leaf = leaf_of(error)
            if isinstance(leaf, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
                raise McpUnavailable("no connection to it could be made") from None
            if seen.refuses_credentials and isinstance(leaf, MCPError | httpx2.HTTPError):
                why = f"it refuses our credentials (HTTP {seen.status})"
                if seen.answered and isinstance(leaf, MCPError):
                    # Its own words, and not the SDK's.
                    why = f"{why}: {preview(redacted(leaf.message.strip()))}"
                raise McpUnavailable(why, final=True, refused=True) from None
            if not opened:
                raise McpUnavailable(*refusal(leaf, seen.status), refused=seen.status is not None) from None
            if known is not None and isinstance(leaf, MCPError) and leaf.code in _OTHER_SERVER:
                self.forget(address)
                if await self._is_replaced(address, headers, mode):
                    # Nothing ran. The next connection is to the server as it is now.
                    raise McpUnavailable("it no longer speaks the same protocol version") from None
            if isinstance(leaf, httpx2.HTTPError) or (isinstance(leaf, MCPError) and not seen.answered):
                raise no_answer(leaf, seen) from None
            raise leaf from None
