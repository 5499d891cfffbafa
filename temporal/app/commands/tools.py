"""`perdure tools`: what tools there are, what a model is told of one, and a call of one for real.

Nothing here needs a server of Temporal's. MCP servers of the agents are asked; one that is away is named and left out.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

import typer
from pydantic import JsonValue, TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.activities.mcp.calls import McpServers
from perdure.activities.mcp.client import CONNECT_S
from perdure.activities.mcp.errors import McpUnavailable
from perdure.activities.mcp.listing import McpStarting, describe
from perdure.activities.tools.catalogue import Catalogue
from perdure.temporal.app.console.echo import echo
from perdure.temporal.app.console.logs import log_to_stderr
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import plain
from perdure.temporal.app.processes.sources import Sources, usual_sources
from perdure.temporal.app.processes.toolset import load_catalogue
from perdure.temporal.definitions.folders import SHIPPED, AgentFolders, Reading
from perdure.temporal.definitions.store import digest
from perdure.temporal.settings import environment
from perdure.temporal.stores.blobs import BlobStore, LocalBlobs, unfold
from perdure.temporal.telemetry.failure_lines import bug_behind, user_line
from perdure.workflows.core.session_tools import SPECS
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import ClientTool, McpServer, ToolUse
from perdure.workflows.protocol.activities import CallMcpToolInput, CallOptions, ToolOutput
from perdure.workflows.vocabulary.elicitation import ServerAsks
from perdure.workflows.vocabulary.errors import TOOL_FAILED
from perdure.workflows.vocabulary.parts import ToolResult, ToolSpec
from perdure.workflows.vocabulary.tool_context import ToolContext

T = TypeVar("T")

_OURS: Final = Path(__file__).parent.parent.parent.parent / "activities"


@dataclass(frozen=True)
class _Found:
    spec: ToolSpec
    #: Where it comes from, for people.
    source: str
    #: The definition whose MCP server has it, the server's place there, and what that calls the tool.
    mcp: tuple[AgentDefinition, int, str] | None = None


def list_tools(agents: list[Path] | None, tools: list[str] | None, models: Path | None) -> None:
    """Prints the tools: those that are shipped, yours, and those of the agents' other workers, apps and MCP servers."""
    sources = usual_sources(agents, tools, models)
    table = Table()
    for heading in ("tool", "description", "source"):
        table.add_column(heading, overflow="fold")
    for found in _run(_all(sources)):
        about = found.spec.description.partition("\n")[0]
        table.add_row(*(Text(plain(word)) for word in (found.spec.name, about, found.source)))
    Console().print(table)


def show(name: str, agents: list[Path] | None, tools: list[str] | None, models: Path | None) -> None:
    """Prints what a model is told of a tool."""
    found = _run(_one(usual_sources(agents, tools, models), name))
    echo(f"{found.spec.name} ({found.source})\n\n{found.spec.description}\n\ninput:\n{_json(found.spec.input)}")
    echo(f"\noutput:\n{_json(found.spec.output) if found.spec.output else 'anything'}")
    if found.spec.context:
        echo("\nIt is told on whose behalf it is called; `perdure tools call` takes that as --context.")


def call(
    name: str,
    arguments: list[str] | None,
    args: str | None,
    context: str | None,
    agents: list[Path] | None,
    tools: list[str] | None,
    models: Path | None,
) -> None:
    """Runs a tool and prints its result; exits with 1 where it fails. `arguments` are KEY=VALUE, `args` is JSON, and so is
    `context`, which says on whose behalf."""
    sources = usual_sources(agents, tools, models)
    behalf = _context(context)
    try:
        result = _run(_call(sources, name, arguments or [], args, behalf))
    except ApplicationError as error:
        echo(f"{error.type}: {error.message}", err=True)
        bug = bug_behind(error)
        line = user_line(bug) if bug is not None else None
        if line is not None:
            echo(f"  {line.filename}:{line.lineno}, in {line.name}\n    {line.line}", err=True)
        raise typer.Exit(1) from None
    echo(_json(result))


def _run(work: Coroutine[Any, Any, T]) -> T:
    log_to_stderr()
    return asyncio.run(work)


async def _all(sources: Sources) -> list[_Found]:
    async with _opened(sources) as (catalogue, servers):
        return await _find(sources, catalogue, servers)


async def _one(sources: Sources, name: str) -> _Found:
    found = await _all(sources)
    for one in found:
        if one.spec.name == name:
            return one
    raise Refused(f"there is no tool {name!r}; there are: {', '.join(one.spec.name for one in found)}")


async def _call(
    sources: Sources, name: str, pairs: Sequence[str], whole: str | None, context: ToolContext
) -> JsonValue:
    async with _opened(sources) as (catalogue, servers):
        with tempfile.TemporaryDirectory(prefix="perdure-") as folder:
            tool = catalogue.tool(name)
            run = ActivityEnvironment()
            blobs = LocalBlobs(Path(folder))
            if tool is not None:
                args = _arguments(tool.spec, pairs, whole)
                activity = tool.activity(blobs, asyncio.get_running_loop())
                how = CallOptions(context=context)
                if asyncio.iscoroutinefunction(activity):
                    output = await run.run(activity, args, how)
                else:
                    # Such a tool may block, and puts big results away by this loop.
                    output = await asyncio.to_thread(run.run, activity, args, how)
                return await _whole(output, blobs, name)
            found = next((one for one in await _find(sources, catalogue, servers) if one.spec.name == name), None)
            if found is None:
                raise Refused(f"there is no tool {name!r}; `perdure tools list` names those that there are")
            if found.mcp is None:
                raise Refused(f"{name!r} runs elsewhere ({found.source}); only a session can call it")
            definition, index, theirs = found.mcp
            server = definition.tools[index]
            assert isinstance(server, McpServer)
            request = CallMcpToolInput(
                digest=digest(definition),
                index=index,
                label=server.label,
                name=name,
                tool=theirs,
                args=_arguments(found.spec, pairs, whole),
                once=server.side_effects == "once",
                context=context,
            )
            given = await run.run(servers.call_mcp_tool, request)
            if isinstance(given, ServerAsks):
                raise Refused(f"{name!r} asks a person, which only a session can: {given.questions[0].prompt}")
            whole_result = await _whole(given, servers.blobs, name)
            if given.is_error:
                raise ApplicationError(_json(whole_result), type=TOOL_FAILED)
            return whole_result


@asynccontextmanager
async def _opened(sources: Sources) -> AsyncIterator[tuple[Catalogue, McpServers]]:
    with tempfile.TemporaryDirectory(prefix="perdure-") as folder:

        async def published(wanted: str) -> AgentDefinition | None:
            read = (definition for definition, _ in _read(sources).labelled.values())
            return next((definition for definition in read if digest(definition) == wanted), None)

        servers = McpServers(environment(), LocalBlobs(Path(folder)), published)
        try:
            yield load_catalogue(sources.tools), servers
        finally:
            await servers.aclose()


async def _find(sources: Sources, catalogue: Catalogue, servers: McpServers) -> list[_Found]:
    found = {name: _Found(spec, "built-in, in the session") for name, spec in SPECS.items()}
    for name, source in catalogue.sources.items():
        tool = catalogue.tool(name)
        assert tool is not None
        found[name] = _Found(tool.spec, "built-in" if Path(source).is_relative_to(_OURS) else source)
    reading = _read(sources)
    for problem in reading.every_problem:
        echo(str(problem), err=True)
    for definition, _ in reading.labelled.values():
        for reads in definition.document_tools:
            found.setdefault(reads.name, _Found(reads.spec, f"built-in, for the documents of agent {definition.name}"))
        for index, entry in enumerate(definition.tools):
            match entry:
                case ToolUse(task_queue=str(queue)):
                    where = f"task queue {queue}, agent {definition.name}"
                    spec = _spec(entry.name, entry.description, entry.input, entry.output)
                    found.setdefault(entry.name, _Found(spec, where))
                case ClientTool():
                    spec = _spec(entry.name, entry.description, entry.input, entry.output)
                    found.setdefault(entry.name, _Found(spec, f"the app, agent {definition.name}"))
                case McpServer():
                    for one in await _listed(definition, index, entry, servers):
                        found.setdefault(one.spec.name, one)
                case _:
                    pass
    return list(found.values())


def _read(sources: Sources) -> Reading:
    return AgentFolders.of([SHIPPED, *sources.agents], sources.models, None).read()


async def _listed(definition: AgentDefinition, index: int, server: McpServer, servers: McpServers) -> list[_Found]:
    agent = definition.name
    try:
        tools = await servers.listings.tools(server.address, CONNECT_S)
    except (McpUnavailable, McpStarting) as away:
        how = "is there, but" if isinstance(away, McpUnavailable) and away.refused else "cannot be reached:"
        echo(f"agent {agent}: the MCP server {server.label} {how} {str(away) or 'no answer'}", err=True)
        return []
    where = f"MCP server {server.label}, agent {agent}"
    return [_Found(spec, where, (definition, index, name)) for name, spec in describe(server, tools).items()]


def _spec(
    name: str, description: str | None, given: dict[str, JsonValue] | None, output: dict[str, JsonValue] | None
) -> ToolSpec:
    return ToolSpec(name=name, description=description or "", input=given or {"type": "object"}, output=output)


def _arguments(spec: ToolSpec, pairs: Sequence[str], whole: str | None) -> dict[str, JsonValue]:
    """Raises Refused where they cannot be read."""
    args: dict[str, JsonValue] = {}
    if whole is not None:
        try:
            args = json.loads(whole)
        except ValueError as error:
            raise Refused(f"--args: not JSON: {error}") from None
        if not isinstance(args, dict):
            raise Refused("--args: is one JSON object")
    properties = spec.input.get("properties")
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise Refused(f"{pair!r}: arguments are written as key=value")
        known: Any = properties.get(name) if isinstance(properties, dict) else None
        args[name] = value if isinstance(known, dict) and known.get("type") == "string" else _value(value)
    return args


def _context(text: str | None) -> ToolContext:
    """Raises Refused where it cannot be read."""
    try:
        given = {} if text is None else json.loads(text)
    except ValueError as error:
        raise Refused(f"--context: not JSON: {error}") from None
    if not isinstance(given, dict):
        raise Refused("--context: is one JSON object")
    known = {one.name for one in fields(ToolContext)}
    if unknown := sorted(given.keys() - known):
        raise Refused(f"--context: there is no {unknown[0]!r}; there are: {', '.join(sorted(known))}")
    try:
        return TypeAdapter(ToolContext).validate_python({"session_id": "try", "call_id": "call", **given})
    except ValidationError as error:
        first = error.errors()[0]
        raise Refused(f"--context: {first['loc'][0]}: {first['msg']}") from None


def _value(text: str) -> JsonValue:
    """JSON where it is JSON, and else a text."""
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value


async def _whole(output: ToolOutput, blobs: BlobStore, name: str) -> JsonValue:
    part = ToolResult(call_id="call", name=name, output=output.output, blob=output.blob)
    (whole,) = await unfold(blobs, (part,))
    return whole.output if isinstance(whole, ToolResult) else output.output


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
