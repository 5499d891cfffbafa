"""Lists the tools of MCP servers: anew for each turn, and cached for when a server is slow or unavailable.

Rule 1: a turn never waits long for a server. The server's last list stands in; a server that has never given a list is
absent, and is asked again in the background for the next turn.
Rule 2: a list is bounded: the number of tools, the lengths of names and descriptions. What is cut off is logged or
marked.
Rule 3: a tool with an invalid schema is left out and logged, so a server's mistake costs one tool, not the agent.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog
from mcp.shared.exceptions import MCPError
from mcp_types import Tool
from pydantic import ValidationError

from perdure.activities.mcp.client import CONNECT_S
from perdure.activities.mcp.connections import Connections
from perdure.activities.mcp.errors import McpLost, McpTooMuch, McpUnavailable
from perdure.temporal.schemas.check import field_of, input_fault, schema_fault
from perdure.temporal.telemetry.trace_context import of_this_span
from perdure.workflows.definition.tools import McpAddress, McpServer
from perdure.workflows.vocabulary.parts import ToolSpec

#: Seconds that a turn waits for a new list if the server's last list is known.
PATIENCE_S: Final = 1.5
#: Seconds after a failure during which no turn waits for the server.
_AWAY_S: Final = 15.0
_MOST_PAGES: Final = 100
_MOST_TOOLS: Final = 500
_LONGEST_NAME: Final = 64
#: Characters of a tool's name on its server, and of its description. No tool needs more to be understood.
_LONGEST_OWN_NAME: Final = 256
_LONGEST_DESCRIPTION: Final = 4096
_LONGEST_SCHEMA: Final = 100_000
#: Bytes of JSON of all descriptions and schemas of one server, which go into each request to the model.
_MOST_SPECS: Final = 1024 * 1024

log = structlog.get_logger(__name__)


class McpStarting(Exception):
    """The server has not answered yet, but still may."""


@dataclass
class _Listing:
    #: By the server's names; None: the server has never listed its tools.
    tools: dict[str, Tool] | None = None
    away: McpUnavailable = field(default_factory=lambda: McpUnavailable(""))
    failed_at: float | None = None
    task: asyncio.Task[None] | None = None


@dataclass
class Listings:
    connections: Connections
    _known: dict[str, _Listing] = field(default_factory=dict)

    async def tools(self, address: McpAddress, patience: float) -> tuple[Tool, ...]:
        """The server's current or last known tools. `patience`: seconds to wait if no tools are known yet.

        Raises `McpUnavailable`, `McpStarting`.
        """
        listing = self._listing(address)
        asking = self._ask(address, listing)
        away = listing.failed_at is not None and time.monotonic() - listing.failed_at < _AWAY_S
        if not away:
            await asyncio.wait({asking}, timeout=patience if listing.tools is None else PATIENCE_S)
        if listing.tools is not None:
            return tuple(listing.tools.values())
        if listing.failed_at is None:
            raise McpStarting
        raise listing.away from None

    async def tool(self, address: McpAddress, name: str) -> Tool | None:
        """One tool, by its name on the server; None if the server does not have it. Raises `McpUnavailable`."""
        listing = self._listing(address)
        if listing.tools is None or name not in listing.tools:
            await asyncio.wait({self._ask(address, listing)})
        if listing.tools is None:
            raise listing.away from None
        return listing.tools.get(name)

    async def tool_now(self, address: McpAddress, name: str) -> Tool | None:
        """One tool from a list requested after this call, not from an earlier one. Raises `McpUnavailable`."""
        listing = self._listing(address)
        if listing.task is not None and not listing.task.done():
            # A listing already under way may have begun before the tool changed.
            await asyncio.wait({listing.task})
        await asyncio.wait({self._ask(address, listing)})
        if listing.tools is None or listing.failed_at is not None:
            raise listing.away from None
        return listing.tools.get(name)

    async def aclose(self) -> None:
        tasks = [listing.task for listing in self._known.values() if listing.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _listing(self, address: McpAddress) -> _Listing:
        return self._known.setdefault(address.model_dump_json(), _Listing())

    def _ask(self, address: McpAddress, listing: _Listing) -> asyncio.Task[None]:
        if listing.task is None or listing.task.done():
            # A caller may stop waiting, but the list is for all of them.
            listing.task = asyncio.create_task(self._list(address, listing), context=of_this_span())
        return listing.task

    async def _list(self, address: McpAddress, listing: _Listing) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                listing.tools = {tool.name: tool for tool in await self._pages(address)}
            listing.failed_at = None
            return
        except McpUnavailable as away:
            listing.away = away
        except McpLost as lost:
            listing.away = McpUnavailable(f"it did not list its tools: {lost}")
        except McpTooMuch:
            listing.away = McpUnavailable("its list of tools is too long")
        except TimeoutError:
            listing.away = McpUnavailable("it did not list its tools in time")
        except MCPError as error:
            listing.away = McpUnavailable(f"it does not list its tools: {error.message[:200]}")
        except ValidationError:
            listing.away = McpUnavailable("its list of tools is not valid MCP")
        except Exception as error:
            listing.away = McpUnavailable(f"the connection failed ({type(error).__name__})")
        listing.failed_at = time.monotonic()
        self.connections.forget(address)

    async def _pages(self, address: McpAddress) -> list[Tool]:
        found: list[Tool] = []
        cursor: str | None = None
        async with self.connections.to(address) as client:
            for _ in range(_MOST_PAGES):
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if cursor is None or len(found) >= _MOST_TOOLS:
                    break
        if len(found) > _MOST_TOOLS or cursor is not None:
            log.warning("mcp.tools_left_out", problem=f"a server lists more than {_MOST_TOOLS} tools")
        return found[:_MOST_TOOLS]


def describe(server: McpServer, tools: Iterable[Tool]) -> dict[str, ToolSpec]:
    """The tool specs for the model, of the tools that the definition allows, by their names on the server."""
    specs: dict[str, ToolSpec] = {}
    room = _MOST_SPECS
    for tool in tools:
        if server.allow is not None and tool.name not in server.allow:
            continue
        fault = _fault(tool)
        if fault is not None:
            log.warning("mcp.tool_left_out", server=server.label, tool=tool.name[:100], problem=fault)
            continue
        spec = spec_of(fit_name(server.name, tool.name), tool)
        room -= len(spec.model_dump_json())
        if room < 0:
            log.warning(
                "mcp.tools_left_out", server=server.label, problem=f"its tools have more than {_MOST_SPECS} bytes"
            )
            break
        specs[tool.name] = spec
    for name in server.allow or ():
        if name not in specs:
            log.warning("mcp.tool_missing", server=server.label, tool=name)
    return specs


def _cut(description: str) -> str:
    over = len(description) - _LONGEST_DESCRIPTION
    return description if over <= 0 else f"{description[:_LONGEST_DESCRIPTION]}… ({over} characters left out)"


def spec_of(name: str, tool: Tool) -> ToolSpec:
    """The tool spec for the model, under the name `name`."""
    about = _cut((tool.description or tool.title or "").strip())
    return ToolSpec(name=name, description=about, input=tool.input_schema, output=tool.output_schema, foreign=True)


def fit_name(prefix: str | None, name: str) -> str:
    """Turns a name into one that every provider accepts: a letter, then letters, digits, _ and -, 64 in all."""
    whole = f"{prefix}_{name}" if prefix else name
    fit = re.sub(r"[^A-Za-z0-9_-]", "_", whole)
    if not fit[:1].isalpha():
        fit = f"tool_{fit}"
    if len(fit) > _LONGEST_NAME:
        fit = f"{fit[:55]}_{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
    return fit


def _fault(tool: Tool) -> str | None:
    if len(tool.name) > _LONGEST_OWN_NAME:
        return f"its name has more than {_LONGEST_OWN_NAME} characters"
    if (fault := input_fault(tool.input_schema)) is not None:
        return f"{field_of(fault[0])}: {fault[1]}"
    if tool.output_schema is not None and len(str(tool.output_schema)) > _LONGEST_SCHEMA:
        return f"its output schema is longer than {_LONGEST_SCHEMA} characters"
    if tool.output_schema is not None and (fault := schema_fault(tool.output_schema)) is not None:
        return f"its output schema is {fault[1]}"
    return None
