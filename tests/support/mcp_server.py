"""An MCP server for tests, in a process of its own: `python -m tests.support.mcp_server` on stdin, or with a port over
HTTP.

With `old` as the first argument, it speaks only the protocol before 2026-07-28.
"""

import asyncio
import logging
import os
import sys
from typing import Annotated, Any

from mcp.server.mcpserver import Context, Elicit, Image, MCPServer, RequestStateSecurity, Resolve, Sample
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.runner import serve_loop
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError, UrlElicitationRequiredError
from mcp_types import (
    METHOD_NOT_FOUND,
    CreateMessageResult,
    ElicitRequestURLParams,
    EmbeddedResource,
    ResourceLink,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel

security = RequestStateSecurity.ephemeral()
server = MCPServer("tests", log_level="ERROR", request_state_security=security)
#: Number of runs, by tool name.
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
def forget() -> str:
    """Takes no longer what it said of calls that wait, as if it had been started again."""
    security.codec = RequestStateSecurity.ephemeral().codec
    return "forgotten"


@server.tool(structured_output=False)
def grow() -> str:
    """Gives the server one more tool."""
    server.add_tool(say, name="shout")
    return "grown"


def pay(amount: int) -> str:
    """Pays."""
    runs["pay"] = runs.get("pay", 0) + 1
    return f"paid {amount}"


server.add_tool(pay, structured_output=False)


@server.tool(structured_output=False)
def exchange(description: str) -> str:
    """Puts another tool in the place of `pay`."""
    server.remove_tool("pay")
    server.add_tool(pay, description=description, structured_output=False)
    return "exchanged"


class Size(BaseModel):
    size: int


class Colour(BaseModel):
    colour: str


@server.tool(structured_output=False)
async def ask(ctx: Context) -> str:
    """Asks a person while it runs."""
    runs["ask"] = runs.get("ask", 0) + 1
    try:
        answer = await ctx.elicit("Which size?", Size)
    except asyncio.CancelledError:
        runs["ask_cancelled"] = runs.get("ask_cancelled", 0) + 1
        raise
    return str(answer)


@server.tool(structured_output=False)
async def ask_more(ctx: Context, until: int) -> str:
    """Asks the same again and again."""
    sizes: list[int] = []
    while sum(sizes) < until:
        answer = await ctx.elicit("How many more?", Size)
        if answer.action != "accept":
            return f"{answer.action} after {sizes}"
        sizes.append(answer.data.size)
    return str(sizes)


@server.tool(structured_output=False)
async def visit() -> str:
    """Has to be allowed elsewhere first."""
    if runs.get("visited", 0) == 0:
        runs["visited"] = 1
        page = ElicitRequestURLParams(message="Sign in", url="https://shop.example/in", elicitation_id="1")
        raise UrlElicitationRequiredError([page])
    return "signed in"


def size_of(item: str) -> Elicit[Size]:
    return Elicit(f"Which size of {item}?", Size)


@server.tool(structured_output=False)
def ask_first(item: str, size: Annotated[Size, Resolve(size_of)]) -> str:
    """Asks a person before it begins."""
    runs["ask_first"] = runs.get("ask_first", 0) + 1
    return f"{item} {size.size}"


def colour_of(size: Annotated[Size, Resolve(size_of)]) -> Elicit[Colour]:
    return Elicit(f"Which colour, in size {size.size}?", Colour)


@server.tool(structured_output=False)
def ask_twice(item: str, size: Annotated[Size, Resolve(size_of)], colour: Annotated[Colour, Resolve(colour_of)]) -> str:
    """Asks a person, and once more what depends on the answer."""
    return f"{item} {size.size} {colour.colour}"


def name_of() -> Elicit[Colour]:
    return Elicit("Whose?", Colour)


@server.tool(structured_output=False)
def ask_both(item: str, size: Annotated[Size, Resolve(size_of)], name: Annotated[Colour, Resolve(name_of)]) -> str:
    """Asks two things at once."""
    return f"{item} {size.size} {name.colour}"


def thought_of(item: str) -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(text=f"What is {item}?"))], max_tokens=10)


@server.tool(structured_output=False)
def ponder(item: str, thought: Annotated[CreateMessageResult, Resolve(thought_of)]) -> str:
    """Wants a model's words."""
    return str(thought)


@server.tool(name="odd name.é", structured_output=False)
def odd() -> str:
    """Has a name that no provider takes."""
    return "odd"


@server.tool(structured_output=False)
def secret(ctx: Context) -> str:
    """What the connection brought along."""
    headers = ctx.headers
    return f"{os.environ.get('SECRET', '')}{(headers or {}).get('authorization', '')}"


async def speak_only_old(ctx: Any, call_next: Any) -> Any:
    if ctx.method == "server/discover":
        raise MCPError(METHOD_NOT_FOUND, "unknown")
    return await call_next(ctx)


async def run_old() -> None:
    """Serves on stdin. The SDK's own loop assumes that a client which asks for the new protocol speaks no other."""
    async with stdio_server() as (read, write):
        await serve_loop(server._lowlevel_server, read, write, lifespan_state={})


def main(*arguments: str) -> None:
    old = arguments[:1] == ("old",)
    if old:
        server._lowlevel_server.middleware.append(speak_only_old)
    port = arguments[old:]
    if port:
        server.run("streamable-http", port=int(port[0]))
    elif old:
        asyncio.run(run_old())
    else:
        server.run()


if __name__ == "__main__":
    logging.disable()
    main(*sys.argv[1:])
