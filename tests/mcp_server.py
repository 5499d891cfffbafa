"""An MCP server for tests, a process of its own: `python -m tests.mcp_server` on stdin, or with a port over HTTP."""

import asyncio
import logging
import os
import sys
from typing import Annotated

from mcp.server.mcpserver import Context, Elicit, Image, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import EmbeddedResource, ResourceLink, TextContent, TextResourceContents
from pydantic import BaseModel

server = MCPServer("tests", log_level="ERROR")
#: How often a tool ran, by its name.
runs: dict[str, int] = {}


class Order(BaseModel):
    number: int
    late: bool


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def order(number: int) -> Order:
    """Finds an order."""
    return Order(number=number, late=number > 10)


@server.tool(structured_output=False)
def say(text: str, times: int = 1) -> str:
    """Says something."""
    return text * times


@server.tool(structured_output=False)
def picture() -> list[object]:
    """Shows a picture, and where there is more."""
    return [
        "Here it is.",
        Image(data=b"\x89PNG", format="png"),
        ResourceLink(uri="file:///more.txt", name="more"),
        EmbeddedResource(resource=TextResourceContents(uri="memo://1", text="remember")),
        TextContent(text="That is all."),
    ]


@server.tool(structured_output=False)
def fail(why: str) -> str:
    """Fails."""
    raise ToolError(why)


@server.tool(structured_output=False)
async def slow(ctx: Context) -> str:
    """Tells how far it is."""
    await ctx.report_progress(1, 4, "a quarter")
    return "done"


@server.tool(structured_output=False)
async def hang(name: str) -> str:
    """Never answers."""
    runs["hang"] = runs.get("hang", 0) + 1
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        runs["cancelled"] = runs.get("cancelled", 0) + 1
        raise
    return name


@server.tool(structured_output=False)
def die() -> str:
    """Ends the server in the middle of the call."""
    os._exit(3)


@server.tool(structured_output=False)
def count(name: str) -> str:
    """How often a tool ran."""
    return str(runs.get(name, 0))


@server.tool(structured_output=False)
def grow() -> str:
    """Gives the server one more tool."""
    server.add_tool(say, name="shout")
    return "grown"


class Size(BaseModel):
    size: int


@server.tool(structured_output=False)
async def ask(ctx: Context) -> str:
    """Asks a person."""
    answer = await ctx.elicit("Which size?", Size)
    return str(answer)


def size_of(item: str) -> Elicit[Size]:
    return Elicit(f"Which size of {item}?", Size)


@server.tool(structured_output=False)
def ask_first(item: str, size: Annotated[Size, Resolve(size_of)]) -> str:
    """Asks a person before it begins."""
    return f"{item} {size.size}"


@server.tool(name="odd name.é", structured_output=False)
def odd() -> str:
    """Has a name that no provider takes."""
    return "odd"


@server.tool(structured_output=False)
def secret(ctx: Context) -> str:
    """What the connection brought along."""
    headers = ctx.headers
    return f"{os.environ.get('SECRET', '')}{(headers or {}).get('authorization', '')}"


if __name__ == "__main__":
    logging.disable()
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
