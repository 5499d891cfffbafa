"""The activity `load_agent`: a definition by its digest, with the tool schemas and prices that this worker knows.

Rule: an MCP server that is unavailable costs the agent that server's tools, and a name that is taken costs one tool. The
model is informed, and nothing else is lost. A name belongs to what the definition itself names, then to the first server
that has it.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, assert_never

import structlog
from mcp_types import Tool
from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.activities.mcp.errors import McpUnavailable
from perdure.activities.mcp.listing import Listings, McpStarting, describe
from perdure.activities.tools.catalogue import Catalogue
from perdure.activities.tools.sub_agents import agent_spec
from perdure.activities.tools.tenant import tenant_here
from perdure.temporal.definitions.allowed import Allowed
from perdure.temporal.definitions.prices import context_window, price_of
from perdure.temporal.definitions.store import Definitions
from perdure.workflows.core.session_tools import SPECS
from perdure.workflows.definition.agent import AgentDefinition, LoadedAgent
from perdure.workflows.definition.tools import AgentTool, ClientTool, McpServer, McpTool, SessionTool, ToolUse
from perdure.workflows.protocol.activities import LoadAgentInput, ToolsChangedInput
from perdure.workflows.protocol.current_agent import CurrentAgent, CurrentAgentInput
from perdure.workflows.protocol.purses import Scope
from perdure.workflows.vocabulary.errors import AGENT_UNAVAILABLE
from perdure.workflows.vocabulary.parts import ToolSpec

#: Seconds that one attempt waits for a server that has never listed its tools. The activity itself has ten.
LISTING_S: Final = 7.0
#: Attempts that wait for a program to start, which is slow the first time.
_ATTEMPTS_THAT_WAIT: Final = 3

Announced = Callable[[str, str | None], Awaitable[tuple[Scope, ...]]]

log = structlog.get_logger(__name__)


async def _none_announced(tenant: str, user: str | None) -> tuple[Scope, ...]:
    return ()


class Agents:
    def __init__(
        self,
        definitions: Definitions,
        catalogue: Catalogue,
        listings: Listings,
        allowed: Allowed | None = None,
        announced: Announced = _none_announced,
        tenant: Callable[[], str | None] = tenant_here,
    ) -> None:
        """`allowed` None: what the settings allow. `announced` tells which purses of a tenant and a user have caps. `tenant`
        is whose agents are meant; None: those that all share."""
        self._tenant = tenant
        self._announced = announced
        self._definitions = definitions
        self._allowed = allowed or Allowed.load()
        self._catalogue = catalogue
        self._listings = listings

    @activity.defn(name="load_agent")
    async def load_agent(self, request: LoadAgentInput) -> LoadedAgent:
        """Raises ApplicationError `agent_unavailable`: this worker lacks the definition or one of its tools."""
        definition = await self._definitions.by_digest(request.digest, self._tenant())
        if definition is None:
            raise ApplicationError(
                f"The definition {request.digest[:12]} of agent {request.name!r} is not known to this worker.",
                type=AGENT_UNAVAILABLE,
            )
        names = definition.worker_tools
        missing = [name for name in names if self._catalogue.spec(name) is None]
        if missing:
            raise ApplicationError(
                f"Agent {request.name!r} uses tools that this worker does not have: {', '.join(missing)}.",
                type=AGENT_UNAVAILABLE,
            )
        prices = {hop.key: price for hop in definition.every_model if (price := price_of(hop.model))}
        windows = {hop.key: size for hop in definition.every_model if (size := context_window(hop.model))}
        # Only the last attempts do without a server that is still starting.
        listed = await self._listed(definition, waits=_attempt() < _ATTEMPTS_THAT_WAIT)
        # Before the specs, which need them.
        others = self._agents(definition)
        specs, mcp, clashing = self._specs(definition, listed)
        return LoadedAgent(
            digest=request.digest,
            definition=definition,
            tools=specs,
            prices=prices,
            windows=windows,
            # Of all of them, as a model call computes it. Tools of others count as missing in both.
            tools_digest=self._catalogue.digest([spec.name for spec in specs]),
            mcp=mcp,
            absent=listed.absent,
            left_out=(*listed.refused, *clashing),
            agents=others,
            mcp_digest=listed.digest,
        )

    @activity.defn(name="current_agent")
    async def current_agent(self, request: CurrentAgentInput) -> CurrentAgent | str | None:
        tenant = self._tenant() or ""
        known = self._definitions.current(request.name, tenant)
        digest = known.digest if known else None
        purses = await self._announced(tenant, request.user)
        return CurrentAgent(digest=digest, purses=purses) if purses else digest

    @activity.defn(name="tools_changed")
    async def tools_changed(self, request: ToolsChangedInput) -> bool:
        """Raises ApplicationError `agent_unavailable`: no such digest."""
        definition = await self._definitions.by_digest(request.digest, self._tenant())
        if definition is None:
            raise ApplicationError(
                f"The definition {request.digest[:12]} is not known to this worker.", type=AGENT_UNAVAILABLE
            )
        return (await self._listed(definition, waits=False)).digest != request.mcp_digest

    def _agents(self, definition: AgentDefinition) -> dict[str, str]:
        """Digests of the agents that the definition's tools name. Raises ApplicationError if one is unknown."""
        known = {tool.name: self._definitions.current(tool.name, self._tenant()) for tool in definition.agent_tools}
        missing = [name for name, other in known.items() if other is None]
        if missing:
            raise ApplicationError(
                f"Agent {definition.name!r} calls agents that this worker does not have: {', '.join(missing)}.",
                type=AGENT_UNAVAILABLE,
            )
        return {name: other.digest for name, other in known.items() if other is not None}

    async def _listed(self, definition: AgentDefinition, *, waits: bool) -> "_Listed":
        """What the MCP servers of a definition list. `waits`: a server that is still starting is an error, to be retried."""
        servers = {index: tool for index, tool in enumerate(definition.tools) if isinstance(tool, McpServer)}
        answers = await asyncio.gather(
            *(self._tools(server, definition.secrets) for server in servers.values()), return_exceptions=True
        )
        specs: dict[int, dict[str, ToolSpec]] = {}
        absent: list[str] = []
        refused: list[str] = []
        for (index, server), answer in zip(servers.items(), answers, strict=True):
            if isinstance(answer, McpStarting) and waits:
                raise ApplicationError(f"The MCP server {server.label} has not answered yet.", type=AGENT_UNAVAILABLE)
            if isinstance(answer, McpStarting | McpUnavailable):
                log.warning("mcp.absent", server=server.label, problem=str(answer) or "it has not answered yet")
                if isinstance(answer, McpUnavailable) and answer.final:
                    refused.append(f"those of {server.label}, because {answer}")
                else:
                    absent.append(server.label)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                specs[index] = describe(server, answer)
        return _Listed(specs, tuple(absent), tuple(refused))

    async def _tools(self, server: McpServer, secrets: tuple[str, ...]) -> tuple[Tool, ...]:
        why = self._allowed.objection(server, secrets)
        if why is not None:
            raise McpUnavailable(why, final=True)
        return await self._listings.tools(server.address, LISTING_S)

    def _specs(
        self, definition: AgentDefinition, listed: "_Listed"
    ) -> tuple[tuple[ToolSpec, ...], dict[str, McpTool], tuple[str, ...]]:
        """The specs in the definition's order, the MCP server and tool behind each name, and what was left out, in words."""
        specs: list[ToolSpec] = []
        mcp: dict[str, McpTool] = {}
        clashing: list[str] = []
        reading = definition.document_tools
        own = {tool.name for tool in definition.tools if not isinstance(tool, McpServer)} | {
            one.name for one in reading
        }
        for index, tool in enumerate(definition.tools):
            match tool:
                case SessionTool():
                    specs.append(SPECS[tool.name])
                case ClientTool():
                    specs.append(
                        ToolSpec(name=tool.name, description=tool.description, input=tool.input, output=tool.output)
                    )
                case AgentTool():
                    other = self._definitions.current(tool.name, self._tenant())
                    assert other is not None
                    specs.append(agent_spec(tool, other.definition))
                case McpServer():
                    for name, spec in listed.specs.get(index, {}).items():
                        if spec.name in own or spec.name in mcp:
                            log.warning("mcp.tool_left_out", server=tool.label, tool=name, problem="its name is taken")
                            clashing.append(f"{spec.name} of {tool.label}, because another tool has the name")
                            continue
                        specs.append(spec)
                        mcp[spec.name] = McpTool(server=index, tool=name)
                case ToolUse(task_queue=str()):
                    described = tool.input or {"type": "object"}
                    about = tool.description or ""
                    specs.append(ToolSpec(name=tool.name, description=about, input=described, output=tool.output))
                case ToolUse():
                    specs += self._catalogue.specs([tool.name])
                case _:
                    assert_never(tool)
        return (*specs, *(one.spec for one in reading)), mcp, tuple(clashing)


@dataclass(frozen=True)
class _Listed:
    #: By the server's place among the tools, and by the server's own names.
    specs: dict[int, dict[str, ToolSpec]]
    absent: tuple[str, ...]
    #: Servers that will stay unavailable, in words.
    refused: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Empty if the definition has no servers."""
        if not self.specs and not self.absent and not self.refused:
            return ""
        listed = [
            [index, name, spec.model_dump(mode="json")] for index, of in self.specs.items() for name, spec in of.items()
        ]
        return hashlib.sha256(json.dumps([listed, self.absent, *self.refused], sort_keys=True).encode()).hexdigest()


def _attempt() -> int:
    """The current attempt. Outside of a worker, where a definition is only inspected, it is 1."""
    return activity.info().attempt if activity.in_activity() else 1
