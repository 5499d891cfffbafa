"""The activity `load_agent`: a definition by its digest, with the tool schemas and prices that this worker knows."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.catalogue import Catalogue
from temporal.definitions import Definitions
from temporal.prices import price_of
from workflows.contract import LoadAgentInput
from workflows.definition import AgentDefinition, LoadedAgent
from workflows.errors import AGENT_UNAVAILABLE
from workflows.timers import SPECS
from workflows.tool_definition import ClientTool, SessionTool
from workflows.types import ToolSpec


class Agents:
    def __init__(self, definitions: Definitions, catalogue: Catalogue) -> None:
        self._definitions = definitions
        self._catalogue = catalogue

    @activity.defn(name="load_agent")
    async def load_agent(self, request: LoadAgentInput) -> LoadedAgent:
        """Raises ApplicationError `agent_unavailable`: no such digest, or a tool that this worker has not."""
        definition = await self._definitions.by_digest(request.digest)
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
        prices = {role: price for role, model in definition.models.items() if (price := price_of(model))}
        return LoadedAgent(
            digest=request.digest,
            definition=definition,
            tools=self._specs(definition),
            prices=prices,
            # Of all of them, as a model call sees them; those that are not ours count as missing in both.
            tools_digest=self._catalogue.digest([tool.name for tool in definition.tools]),
        )

    def _specs(self, definition: AgentDefinition) -> tuple[ToolSpec, ...]:
        """In the definition's order."""
        specs = []
        for tool in definition.tools:
            if isinstance(tool, SessionTool):
                specs.append(SPECS[tool.name])
            elif isinstance(tool, ClientTool):
                specs.append(
                    ToolSpec(name=tool.name, description=tool.description, input=tool.input, output=tool.output)
                )
            elif tool.task_queue is not None:
                described = tool.input or {"type": "object"}
                specs.append(
                    ToolSpec(name=tool.name, description=tool.description or "", input=described, output=tool.output)
                )
            else:
                specs += self._catalogue.specs([tool.name])
        return tuple(specs)
